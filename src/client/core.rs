//! What a call borrows of its client: configuration, route, hooks, log, admission, TLS.

use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use http::HeaderMap;

use crate::balancer::balancer::{Balancer, UsageToken};
use crate::client::admission::admission::Admission;
use crate::client::admission::conditions::Conditions;
use crate::client::admission::limit::Refused;
use crate::client::call::cancellation::Interrupt;
use crate::client::call::faults::FaultSource;
use crate::client::lifecycle::Lifecycle;
use crate::client::observe::hooks::Hooks;
use crate::client::observe::log::Log;
use crate::client::origins::Origins;
use crate::client::plan::Plan;
use crate::client::route::Route;
use crate::client::wiring::Wiring;
use crate::config::ClientConfig;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::policy::InjectedFault;
use crate::response::Response;
use crate::runtime::host::callback;
use crate::runtime::interrupt::SignalWatch;
use crate::runtime::io_thread;
use crate::runtime::process::{self, PerProcess};
use crate::runtime::shard;
use crate::statistics::ClientCells;
use crate::transport::{KeyLogSink, WireTrace};

/// The parts of a client that its calls share.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: ClientConfig,
    pub(crate) route: Route,
    /// How its connections are made.
    pub(crate) wiring: Arc<Wiring>,
    pub(crate) hooks: Hooks,
    admission: Arc<PerProcess<Admission>>,
    /// How often the settings of `admission` have changed.
    admission_rules: u64,
    /// Kept while the route has this balancer.
    _usage: Option<Arc<UsageToken>>,
    // What follows is the same in every configuration of the client.
    /// What is told of `admission`.
    conditions: Arc<PerProcess<Conditions>>,
    log: Arc<Log>,
    /// The host's own observers.
    observers: Vec<Arc<dyn Observer>>,
    /// Log and observers as the balancer tells them.
    client_observer: Arc<ClientObserver>,
    /// Shared with questions to the host that outlast the call which wanted them.
    pub(crate) lifecycle: Arc<Lifecycle>,
    faults: PerProcess<FaultSource>,
    /// The servers of absolute URLs and redirects.
    origins: Arc<PerProcess<Arc<Origins>>>,
    /// A forked child counts from zero, so that the sum over processes counts everything once.
    statistics: Arc<PerProcess<ClientCells>>,
    /// That of the present configuration.
    present_balancer: Arc<ArcSwapOption<Balancer>>,
}

impl Core {
    /// The core of a client for `route`. Its log observes the balancer from now on.
    pub(crate) fn new(
        mut config: ClientConfig,
        route: Route,
        mut hooks: Hooks,
        log: Log,
        observers: Vec<Arc<dyn Observer>>,
    ) -> Result<Self, Error> {
        let balanced = route.balancer().is_some();
        config.check(balanced)?;
        let (log, lifecycle) = (Arc::new(log), Arc::new(Lifecycle::new()));
        config.tls.key_log = config.tls.key_log.map(|sink| key_log_of(sink, &lifecycle));
        hooks.on_wire = hooks.on_wire.map(|trace| wire_trace_of(trace, &lifecycle));
        let client_observer = |observers| ClientObserver::new(&log, observers, &lifecycle);
        let core = Self {
            wiring: Wiring::new(&config, balanced, observing(&log, client_observer(Vec::new())))?,
            client_observer: client_observer(observers.clone()),
            _usage: route.balancer().map(|balancer| Arc::new(balancer.usage_token())),
            present_balancer: Arc::new(ArcSwapOption::new(route.balancer().cloned())),
            config,
            route,
            hooks,
            log,
            observers,
            admission: Arc::default(),
            admission_rules: 0,
            conditions: Arc::default(),
            lifecycle,
            faults: PerProcess::new(),
            origins: Arc::default(),
            statistics: Arc::default(),
        };
        core.observe_balancer();
        Ok(core)
    }

    /// The core of the same client by another plan: hooks, log and what is counted go on, and connections where the plan
    /// says the same of them.
    ///
    /// # Errors
    /// The settings do not go together, or the route cannot be made; nothing was done.
    pub(crate) fn reconfigured(&self, plan: Plan) -> Result<Self, Error> {
        let Plan { config, route } = plan;
        let balanced = route.is_balanced(&self.route);
        config.check(balanced)?;
        let wiring = self.wiring.reconfigured(&config, balanced)?;
        // Last: it cannot be taken back.
        let route = route.make(&self.route)?;
        let is_known =
            |it: &&Arc<Balancer>| self.route.balancer().is_some_and(|old| Arc::ptr_eq(old, it));
        let same = route.balancer().filter(is_known).is_some();
        let new_usage = || route.balancer().map(|balancer| Arc::new(balancer.usage_token()));
        self.present_balancer.store(route.balancer().cloned());
        let (admission, admission_rules) = match limits_alike(&self.config, &config) {
            true => (Arc::clone(&self.admission), self.admission_rules),
            false => (Arc::default(), self.admission_rules + 1),
        };
        let core = Self {
            wiring,
            _usage: if same { self._usage.clone() } else { new_usage() },
            admission,
            admission_rules,
            conditions: Arc::clone(&self.conditions),
            config,
            route,
            hooks: self.hooks.clone(),
            log: Arc::clone(&self.log),
            observers: self.observers.clone(),
            client_observer: Arc::clone(&self.client_observer),
            lifecycle: Arc::clone(&self.lifecycle),
            // By the seed and the shares of the new settings.
            faults: PerProcess::new(),
            origins: Arc::clone(&self.origins),
            statistics: Arc::clone(&self.statistics),
            present_balancer: Arc::clone(&self.present_balancer),
        };
        if self.route.balancer().is_none() {
            core.observe_balancer();
        }
        let ended = core.conditions.get().ended_by(core.admission_rules, &core.config);
        ended.for_each(|event| core.client_observer.observe(&event));
        Ok(core)
    }

    /// Lets the log and the host's observers learn of the endpoints. A balancer that takes over goes on telling those
    /// of the one before.
    fn observe_balancer(&self) {
        let Some(balancer) = self.route.balancer() else { return };
        if self.log.is_on() || !self.observers.is_empty() {
            let observer: Weak<dyn Observer> =
                Arc::<ClientObserver>::downgrade(&self.client_observer);
            balancer.observe(&observer);
        }
    }

    /// Where the balancer of the present configuration is found.
    pub(crate) fn present_balancer(&self) -> Arc<ArcSwapOption<Balancer>> {
        Arc::clone(&self.present_balancer)
    }

    /// Nothing goes on beside the calls any more.
    pub(crate) fn forget_present_balancer(&self) {
        self.present_balancer.store(None);
    }

    /// The one place that a client's events go through.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        self.log.observe(event);
        self.observers.iter().for_each(|observer| observer.observe(event));
    }

    /// Tells the host's hook of a call that has ended.
    pub(crate) fn call_ended(&self, outcome: &Result<Box<Response>, Error>) {
        if let Some(hook) = &self.hooks.on_call_end {
            callback::run(|| hook(outcome));
        }
    }

    pub(crate) fn admission(&self) -> &Admission {
        self.admission.get_or(|| Admission::new(&self.config, process::is_child()))
    }

    /// What an attempt with these headers suffers of the faults on demand.
    #[inline]
    pub(crate) fn fault(&self, headers: &HeaderMap) -> Option<InjectedFault> {
        if !self.config.faults.is_on() {
            return None;
        }
        self.faults.get_or(|| FaultSource::new(&self.config)).draw(&self.config, headers)
    }

    pub(crate) fn statistics(&self) -> &ClientCells {
        self.statistics.get()
    }

    pub(crate) fn origins(&self) -> &Arc<Origins> {
        self.origins.get()
    }

    /// Whether the budget bears another attempt of a call of which something was sent before.
    pub(crate) fn may_retry(&self, drew: &mut bool, now: Instant) -> bool {
        let granted = self.admission().may_retry(drew, now);
        if self.conditions.get().note_exhausted(self.admission_rules, !granted) {
            self.emit(if granted { &Event::BudgetAvailable } else { &Event::BudgetExhausted });
        }
        granted
    }

    /// Tells whether a call was let in, where that is news.
    pub(crate) fn note_admitted<T>(&self, result: &Result<T, Refused>) {
        if self.conditions.get().note_overloaded(self.admission_rules, result.is_err()) {
            match result {
                Ok(_) => self.emit(&Event::OverloadLeft),
                Err(refused) => self.emit(&Event::OverloadEntered { reason: &refused.reason() }),
            }
        }
    }

    /// Runs `tell`, which calls the host, on an I/O thread.
    ///
    /// # Errors
    /// A close has returned, or no thread could be made.
    pub fn tell(self: &Arc<Self>, tell: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = io_thread::least_busy().map_err(out_of_resources)?;
        let (core, lifecycle) = (Arc::clone(self), &self.lifecycle);
        let may_tell = || lifecycle.check_not_silent();
        thread.spawn_where(may_tell, &lifecycle.tenant, Arc::default(), || {}, async move {
            tell();
            core.lifecycle.note_end();
        })
    }

    /// How signals end a blocking call; none where they do not, as on a thread that cannot drive a shard.
    pub(crate) fn interrupt(&self) -> Option<Interrupt<'_>> {
        let should_stop = self.hooks.should_stop.as_ref();
        let wanted = self.config.interruptible || should_stop.is_some();
        (wanted && shard::is_possible_here()).then(|| {
            let signals = SignalWatch::begin(should_stop.is_some());
            Interrupt { signals, should_stop, lifecycle: &self.lifecycle }
        })
    }
}

/// Refuses a wait where what it waits for may be this thread's to do.
#[inline]
pub(crate) fn check_may_wait() -> Result<(), Error> {
    if callback::is_inside() { Err(would_deadlock()) } else { Ok(()) }
}

pub(crate) fn would_deadlock() -> Error {
    Error::new(ErrorKind::WouldDeadlock, "a blocking call inside a callback would deadlock")
}

pub(crate) fn out_of_resources(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Overloaded, format!("no shard or thread could be made: {error}"))
}

fn observing(log: &Log, client_observer: Arc<ClientObserver>) -> Option<Arc<dyn Observer>> {
    log.is_on().then_some(client_observer as Arc<dyn Observer>)
}

/// `sink`, until a close has returned or the client is gone: handshakes go on beside the calls.
fn key_log_of(sink: KeyLogSink, lifecycle: &Arc<Lifecycle>) -> KeyLogSink {
    let lifecycle = Arc::downgrade(lifecycle);
    KeyLogSink::new(move |line| {
        if let Some(lifecycle) = lifecycle.upgrade() {
            lifecycle.tell(|| sink.tell(line));
        }
    })
}

/// The same of `trace`: a balancer that others share goes on to use the client's connections, and HTTP/2 has frames of its
/// own.
fn wire_trace_of(trace: WireTrace, lifecycle: &Arc<Lifecycle>) -> WireTrace {
    let lifecycle = Arc::downgrade(lifecycle);
    WireTrace::new(move |event| {
        if let Some(lifecycle) = lifecycle.upgrade() {
            lifecycle.tell(|| trace.tell(event));
        }
    })
}

/// Takes in what happens beside the client's own calls, on any thread: to a balancer that others share, and to
/// certificates. A close waits for it as for a call.
///
/// Connections have it, and they go with the client's life: it must not keep that, nor the host's log.
#[derive(Debug)]
struct ClientObserver {
    log: Weak<Log>,
    observers: Vec<Arc<dyn Observer>>,
    lifecycle: Weak<Lifecycle>,
}

impl ClientObserver {
    fn new(
        log: &Arc<Log>,
        observers: Vec<Arc<dyn Observer>>,
        lifecycle: &Arc<Lifecycle>,
    ) -> Arc<Self> {
        let (log, lifecycle) = (Arc::downgrade(log), Arc::downgrade(lifecycle));
        Arc::new(Self { log, observers, lifecycle })
    }
}

impl Observer for ClientObserver {
    fn observe(&self, event: &Event<'_>) {
        // Where the client is gone there is nobody to tell.
        let Some((log, lifecycle)) = self.log.upgrade().zip(self.lifecycle.upgrade()) else {
            return;
        };
        lifecycle.tell(|| {
            log.observe(event);
            self.observers.iter().for_each(|observer| observer.observe(event));
        });
    }
}

/// Whether both hold calls back and copy them alike, so that what was learnt for it can go on.
fn limits_alike(one: &ClientConfig, other: &ClientConfig) -> bool {
    one.retry_budget() == other.retry_budget()
        && one.hedge == other.hedge
        && one.limit == other.limit
        && one.shedding == other.shedding
        && one.throttle == other.throttle
}
