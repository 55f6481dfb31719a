//! What a call borrows of its client: configuration, route, hooks, log, admission, TLS.

use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::client::admission::admission::Admission;
use crate::client::admission::limit::Refused;
use crate::client::call::cancellation::Interrupt;
use crate::client::lifecycle::Lifecycle;
use crate::client::observe::hooks::Hooks;
use crate::client::observe::log::Log;
use crate::client::origins::Origins;
use crate::client::route::Route;
use crate::config::ClientConfig;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, Observer};
use crate::runtime::interrupt::SignalWatch;
use crate::runtime::io_thread;
use crate::runtime::process::{self, PerProcess};
use crate::statistics::ClientCells;
use crate::transport::{Proxies, Tls};

/// The parts of a client that its calls share.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: ClientConfig,
    /// The proxies that calls go through; none where they go directly.
    pub(crate) proxies: Option<Arc<Proxies>>,
    pub(crate) route: Route,
    pub(crate) hooks: Hooks,
    log: Arc<Log>,
    /// The host's own observers.
    observers: Vec<Arc<dyn Observer>>,
    /// Holds locks (session tickets), so a forked child makes its own.
    tls: PerProcess<Arc<Tls>>,
    admission: PerProcess<Admission>,
    /// Shared with questions to the host that outlast the call which wanted them.
    pub(crate) lifecycle: Arc<Lifecycle>,
    /// The servers of absolute URLs and redirects.
    origins: PerProcess<Arc<Origins>>,
    /// A forked child counts from zero, so that the sum over processes counts everything once.
    statistics: PerProcess<ClientCells>,
}

impl Core {
    /// The core of a client for `route`. Its log observes the balancer from now on.
    pub(crate) fn new(
        config: ClientConfig,
        route: Route,
        hooks: Hooks,
        log: Log,
        observers: Vec<Arc<dyn Observer>>,
    ) -> Result<Self, Error> {
        config.check(matches!(route, Route::Balanced(_)))?;
        let made = checked_tls(&config)?;
        let proxies = config.proxy.resolved();
        let proxies = proxies.map_err(|problem| Error::new(ErrorKind::InvalidArgument, problem))?;
        let tls = PerProcess::new();
        tls.get_or(|| Arc::clone(&made));
        let log = Arc::new(log);
        if let Route::Balanced(balancer) = &route
            && log.is_on()
        {
            let observer: Weak<dyn Observer> = Arc::<Log>::downgrade(&log);
            balancer.observe(&observer);
        }
        if let Route::Balanced(balancer) = &route {
            observers.iter().for_each(|observer| balancer.observe(&Arc::downgrade(observer)));
        }
        Ok(Self {
            config,
            proxies: proxies.map(Arc::new),
            route,
            hooks,
            log,
            observers,
            tls,
            admission: PerProcess::new(),
            lifecycle: Arc::new(Lifecycle::new()),
            origins: PerProcess::new(),
            statistics: PerProcess::new(),
        })
    }

    /// The one place that a client's events go through.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        self.log.observe(event);
        self.observers.iter().for_each(|observer| observer.observe(event));
    }

    pub(crate) fn admission(&self) -> &Admission {
        self.admission.get_or(|| Admission::new(&self.config, process::is_child()))
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
        if self.admission().note_exhausted(!granted) {
            self.emit(if granted { &Event::BudgetAvailable } else { &Event::BudgetExhausted });
        }
        granted
    }

    /// Tells whether a call was let in, where that is news.
    pub(crate) fn note_admitted<T>(&self, result: &Result<T, Refused>) {
        if self.admission().note_overloaded(result.is_err()) {
            match result {
                Ok(_) => self.emit(&Event::OverloadLeft),
                Err(refused) => self.emit(&Event::OverloadEntered { reason: &refused.reason() }),
            }
        }
    }

    pub(crate) fn tls(&self) -> Arc<Tls> {
        let made_again =
            || checked_tls(&self.config).unwrap_or_else(|_| unreachable!("checked by new"));
        Arc::clone(self.tls.get_or(made_again))
    }

    /// Runs `tell`, which calls the host, on an I/O thread.
    ///
    /// # Errors
    /// No thread could be made.
    pub fn tell(self: &Arc<Self>, tell: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = io_thread::least_busy().map_err(out_of_resources)?;
        let core = Arc::clone(self);
        thread.spawn(&self.lifecycle.tenant, Arc::default(), || {}, async move {
            tell();
            core.lifecycle.note_end();
        });
        Ok(())
    }

    /// How signals end a blocking call; none where they do not.
    pub(crate) fn interrupt(&self) -> Option<Interrupt<'_>> {
        let should_stop = self.hooks.should_stop.as_ref();
        let wanted = self.config.interruptible || should_stop.is_some();
        wanted.then(|| {
            let signals = SignalWatch::begin(should_stop.is_some());
            Interrupt { signals, should_stop, lifecycle: &self.lifecycle }
        })
    }
}

pub(crate) fn would_deadlock() -> Error {
    Error::new(ErrorKind::WouldDeadlock, "a blocking call inside a callback would deadlock")
}

pub(crate) fn out_of_resources(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Overloaded, format!("no shard or thread could be made: {error}"))
}

fn checked_tls(config: &ClientConfig) -> Result<Arc<Tls>, Error> {
    let tls = Tls::new(config.tls.clone())
        .map_err(|problem| Error::new(ErrorKind::InvalidArgument, problem))?;
    Ok(Arc::new(tls))
}
