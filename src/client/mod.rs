//! The client: a route, a configuration and hooks, safe from any thread.
//!
//! [`attempt`] has the way of one request; everything else here is what it walks over.

pub mod admission;
pub mod body;
pub mod call;
pub mod completion;
pub mod observe;
mod preconnect;
mod route;
pub(crate) mod transport;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub use crate::balancer::{Balancer, Member, Roster};
pub use body::stream::{BodyStream, Notice, Read, Watcher};
pub use body::streaming::Delivery;
pub use completion::completion::{Completion, Outcome, Taker};
pub use completion::queue::{Queue, QueueEvent, QueueEventKind, ReadableNotice};
pub use observe::hooks::{Hooks, OnError, OnRequest, OnResponse, ShouldStop};
pub use observe::log::{Log, Severity, Sink};
pub use route::Route;

use crate::client::admission::admission::Admission;
use crate::client::body::stream::Inflow;
use crate::client::call::attempt;
use crate::client::call::call::Call;
use crate::client::call::cancellation::{Cancellation, Interrupt};
use crate::client::completion::completion::Finisher;
use crate::client::transport::{ClientTransport, Driver, resolver};
use crate::config::{ClientConfig, Http2};
use crate::error::{Error, ErrorKind};
use crate::request::Request;
use crate::runtime::attachment::Tenant;
use crate::runtime::interrupt::SignalWatch;
use crate::runtime::process::PerProcess;
use crate::runtime::stop::{Reason, Stop, Visit};
use crate::runtime::{callback, clock, io_thread, shard, stop, waiter};
use crate::transport::{Resolver, Tls};

/// A resilient HTTP client.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    route: Route,
    hooks: Hooks,
    log: Log,
    /// Holds locks (session tickets), so a forked child makes its own.
    tls: PerProcess<Arc<Tls>>,
    admission: PerProcess<Admission>,
    tenant: Tenant,
    /// Whether warming up began in this process.
    warmed: PerProcess<AtomicBool>,
    closed: AtomicBool,
    /// A close has returned: nothing calls the host any more.
    silent: AtomicBool,
    /// Tells a close that a call has ended.
    ended: (Mutex<()>, Condvar),
}

impl Client {
    /// A client for `route`.
    ///
    /// # Errors
    /// The options do not go together, or the TLS material is unusable.
    pub fn new(config: ClientConfig, route: Route, hooks: Hooks, log: Log) -> Result<Self, Error> {
        config.check(matches!(route, Route::Balanced(_)))?;
        let tls = checked_tls(&config)?;
        let client = Self {
            config,
            route,
            hooks,
            log,
            tls: PerProcess::new(),
            admission: PerProcess::new(),
            tenant: Tenant::new(),
            warmed: PerProcess::new(),
            closed: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            ended: Default::default(),
        };
        client.tls.get_or(|| Arc::clone(&tls));
        Ok(client)
    }

    fn admission(&self) -> &Admission {
        self.admission.get_or(|| Admission::new(&self.config))
    }

    fn hedge_delay(&self, now: Instant) -> Option<Duration> {
        self.admission().hedge_delay(&self.config, now)
    }

    fn tls(&self) -> Arc<Tls> {
        let made_again =
            || checked_tls(&self.config).unwrap_or_else(|_| unreachable!("checked by new"));
        Arc::clone(self.tls.get_or(made_again))
    }

    /// Sends `request` and waits for its answer, driving the work on this thread. An I/O thread drives it with
    /// HTTP/2, where the connections are, where an answer is streamed, for it outlasts this call, and where there
    /// are so many callers that all shards are in use.
    ///
    /// # Errors
    /// The request does not fit the client, no answer came, or this is a callback, where it would deadlock.
    pub fn send(self: &Arc<Self>, request: &Request) -> Result<Delivery, Error> {
        if callback::is_inside() {
            return Err(would_deadlock());
        }
        if self.config.http2 != Http2::Off || request.streamed {
            return self.start_and_wait(request);
        }
        self.check_open()?;
        self.warm_up();
        self.prepare()?;
        let driven = match self.route {
            // The direct transport's writes raise no SIGPIPE; reqwest's may.
            Route::Balanced(_) => self.drive(request),
            Route::Base { .. } | Route::Absolute => {
                callback::without_sigpipe(|| self.drive(request))
            }
        };
        driven?.map_or_else(|| self.start_and_wait(request), Ok)
    }

    /// `None` where no shard is left.
    fn drive(&self, request: &Request) -> Result<Option<Delivery>, Error> {
        let started = clock::now();
        let resolver = resolver().map_err(out_of_resources)?;
        let attach = || ClientTransport::new(self, resolver, Driver::Shard);
        let work = |transport: Arc<ClientTransport>, stop: Arc<Stop>| async move {
            self.check_open()?;
            let cancellation = Cancellation { stop: &stop, interrupt: self.interrupt() };
            let call = Call::new(self, request, cancellation, started)?;
            attempt::run(&call, &*transport, &mut None).await.map(Delivery::from)
        };
        let outcome = shard::drive(&self.tenant, attach, work).map_err(out_of_resources);
        self.note_end();
        outcome?.transpose()
    }

    fn start_and_wait(self: &Arc<Self>, request: &Request) -> Result<Delivery, Error> {
        let completion = self.start(request.clone())?;
        let waited = match self.interrupt() {
            None => Ok(waiter::wait(completion.outcome(), Duration::MAX).transpose()),
            Some(interrupt) => shard::wait(async {
                let wait = pin!(completion.wait(Duration::MAX));
                if let Some(outcome) = interrupt.watch(wait).await {
                    return outcome;
                }
                // The call then ends at once, and tells how far it came.
                completion.stop().ask(Reason::Interrupted);
                completion.wait(Duration::MAX).await
            }),
        };
        let outcome = waited.map_err(|error| {
            completion.cancel();
            out_of_resources(error)
        })?;
        let lost = || Error::new(ErrorKind::Internal, "a defect of libahoy: a wait without an end");
        outcome?.ok_or_else(lost)?
    }

    fn interrupt(&self) -> Option<Interrupt<'_>> {
        let should_stop = self.hooks.should_stop.as_ref();
        let wanted = self.config.interruptible || should_stop.is_some();
        wanted.then(|| {
            let signals = SignalWatch::begin(should_stop.is_some());
            Interrupt { signals, should_stop, client: self }
        })
    }

    /// Starts `request` on an I/O thread and returns at once. The provider is asked on this thread if it has
    /// never been.
    ///
    /// # Errors
    /// The request does not fit the client, or no thread could be had. All else ends the call.
    pub fn start(self: &Arc<Self>, request: Request) -> Result<Arc<Completion>, Error> {
        let completion = Arc::new(Completion::default());
        let told = Arc::clone(&completion);
        let finish = move |outcome| told.finish(outcome);
        self.spawn(request, Arc::clone(completion.stop()), finish)?;
        Ok(completion)
    }

    /// Starts `request` on an I/O thread; it ends on `queue` under `tag`.
    ///
    /// # Errors
    /// As for [`Self::start`], or the queue is full.
    pub fn submit(
        self: &Arc<Self>,
        request: Request,
        queue: &Arc<Queue>,
        tag: u64,
    ) -> Result<(), Error> {
        let stop = Arc::new(Stop::default());
        queue.enter(tag, Arc::clone(&stop))?;
        let finish = {
            let (queue, stop) = (Arc::clone(queue), Arc::clone(&stop));
            move |outcome| queue.finish(tag, &stop, outcome)
        };
        let spawned = self.spawn(request, Arc::clone(&stop), finish);
        if spawned.is_err() {
            queue.retract(tag, &stop);
        }
        spawned
    }

    /// Carries out `request` on an I/O thread and tells `finish` its outcome there, exactly once, unless it
    /// fails here.
    fn spawn(
        self: &Arc<Self>,
        request: Request,
        stop: Arc<Stop>,
        finish: impl Fn(Outcome) + Clone + Send + Sync + 'static,
    ) -> Result<(), Error> {
        self.check_open()?;
        self.warm_up();
        self.prepare()?;
        Call::check(self, &request)?;
        let resolver = resolver().map_err(out_of_resources)?;
        let thread = io_thread::least_busy().map_err(out_of_resources)?;
        let started = clock::now();
        let client = Arc::clone(self);
        let (place, asked) = (Arc::clone(&thread), Arc::clone(&stop));
        let lost = finish.clone();
        let streamed = request.streamed.then(Arc::<OnceLock<Arc<Inflow>>>::default);
        let begun = streamed.clone();
        let given_up = move || {
            lost(Err(given_up()));
            if let Some(inflow) = begun.as_ref().and_then(|begun| begun.get()) {
                inflow.end(Err(given_up()));
            }
        };
        thread.spawn(&self.tenant, stop, given_up, async move {
            let finisher = Finisher::new(finish);
            let transport = client.transport_of(&place, resolver);
            let cancellation = Cancellation { stop: &asked, interrupt: None };
            // Asked once more: a close may have come while the provider was, and now it sees this task.
            let call = client
                .check_open()
                .and_then(|()| Call::new(&client, &request, cancellation, started));
            match call {
                Ok(call) => {
                    let mut body = None;
                    let outcome = attempt::run(&call, &*transport, &mut body).await;
                    if let Some(body) = body {
                        let stream = BodyStream::new(Arc::clone(&client), Arc::clone(&asked));
                        let _ = streamed.as_ref().map(|streamed| streamed.set(stream.inflow()));
                        let finish = |outcome| finisher.finish(outcome);
                        // Boxed: the other calls are not to carry its state.
                        Box::pin(body.carry(&call, outcome, stream, finish)).await;
                    } else {
                        // Nothing of the call is left when its caller learns of its end.
                        drop((call, transport));
                        finisher.finish(outcome.map(Delivery::from));
                    }
                }
                Err(error) => {
                    drop(transport);
                    finisher.finish(Err(error));
                }
            }
            client.note_end();
        });
        Ok(())
    }

    /// Waits on this thread for a started call; `None` when the time is up, and the call goes on.
    ///
    /// # Errors
    /// The result was handed out before, this is a callback, or a signal ended the wait: the call goes on.
    pub fn wait(
        &self,
        completion: &Completion,
        timeout: Duration,
    ) -> Result<Option<Outcome>, Error> {
        if !timeout.is_zero() && callback::is_inside() {
            return Err(would_deadlock());
        }
        if timeout.is_zero() {
            return completion.poll();
        }
        let waited = match self.interrupt() {
            None => Ok(Some(waiter::wait(completion.outcome(), timeout).transpose())),
            Some(interrupt) => {
                shard::wait(async { interrupt.watch(pin!(completion.wait(timeout))).await })
            }
        };
        let interrupted = || Error::new(ErrorKind::Interrupted, "call: a signal ended the wait");
        waited.map_err(out_of_resources)?.ok_or_else(interrupted)?
    }

    /// Refuses new calls, waits up to `timeout` for those under way and ends the rest with `Closed`. Then no callback of
    /// this client runs, and none will.
    ///
    /// # Errors
    /// This is a callback, which a call under way may be waiting for; or a callback outlasts the limit.
    pub fn close(&self, timeout: Duration) -> Result<(), Error> {
        if callback::is_inside() {
            return Err(would_deadlock());
        }
        self.closed.store(true, Ordering::SeqCst);
        let all_ended = self.waits_for_all(timeout) || {
            stop::ask_all(&self.tenant, Reason::Closed);
            io_thread::hurry_lost();
            self.waits_for_all(CALLS_END_WITHIN)
        };
        self.silent.fetch_or(all_ended, Ordering::SeqCst);
        // Once more: whoever asks the host beside a call saw that, or is seen here.
        if all_ended && self.waits_for_all(CALLS_END_WITHIN) {
            return Ok(());
        }
        let message = "client: is closed, and a callback still runs that its calls wait for";
        Err(Error::new(ErrorKind::Deadline, message))
    }

    /// Whether all that is under way ends in time.
    fn waits_for_all(&self, timeout: Duration) -> bool {
        let until = Instant::now().checked_add(timeout);
        let mut guard = self.ended.0.lock().unwrap_or_else(PoisonError::into_inner);
        while stop::count(&self.tenant) > 0 {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            let pause = left.unwrap_or(CLOSE_LOOKS_EVERY).min(CLOSE_LOOKS_EVERY);
            let waited = self.ended.1.wait_timeout(guard, pause);
            guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Lets a close wait for `work`, which calls the host outside of a call's own place.
    ///
    /// # Errors
    /// The client is closed, and nothing was done.
    pub(crate) fn visit<R>(&self, work: impl FnOnce() -> R) -> Result<R, Error> {
        let visit = Visit::begin(&self.tenant);
        // Asked inside: a close sees this visit, or this sees the close.
        self.check_open()?;
        let result = work();
        drop(visit);
        self.note_end();
        Ok(result)
    }

    /// Asks the host whether a blocking call or wait should end; no once a close has returned.
    pub(crate) fn ask(&self, should_stop: &ShouldStop) -> bool {
        let _visit = Visit::begin(&self.tenant);
        !self.silent.load(Ordering::SeqCst) && callback::run(|| should_stop())
    }

    /// Runs `tell`, which calls the host, on an I/O thread.
    ///
    /// # Errors
    /// No thread could be made.
    pub fn tell(self: &Arc<Self>, tell: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = io_thread::least_busy().map_err(out_of_resources)?;
        let client = Arc::clone(self);
        thread.spawn(&self.tenant, Arc::default(), || {}, async move {
            tell();
            client.note_end();
        });
        Ok(())
    }

    /// Begins to open connections on an I/O thread where the client was told to, once in each process; the provider
    /// is asked there. It fails no call: what goes wrong is found out by the calls.
    pub fn warm_up(self: &Arc<Self>) {
        if self.config.warm_up == 0 || self.warmed.get().swap(true, Ordering::Relaxed) {
            return;
        }
        let (Ok(resolver), Ok(thread)) = (resolver(), io_thread::least_busy()) else {
            return;
        };
        let (client, place) = (Arc::clone(self), Arc::clone(&thread));
        thread.spawn(&self.tenant, Arc::default(), || {}, async move {
            // Where the provider fails here, the first call that it does not fail lets the next visit go on.
            let _ = client.prepare();
            client.transport_of(&place, resolver).warm_up();
            client.note_end();
        });
    }

    /// This client's transport on an I/O thread; to be called by a task that runs there.
    fn transport_of(
        &self,
        thread: &io_thread::IoThread,
        resolver: Arc<Resolver>,
    ) -> Arc<ClientTransport> {
        thread.attachment(&self.tenant, || ClientTransport::new(self, resolver, Driver::IoThread))
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "client: is closed"));
        }
        Ok(())
    }

    /// A call has ended: a close may be waiting for it.
    fn note_end(&self) {
        if self.closed.load(Ordering::Relaxed) {
            self.ended.1.notify_all();
        }
    }

    /// Asks the provider at the balancer's first use.
    fn prepare(&self) -> Result<(), Error> {
        match &self.route {
            Route::Balanced(balancer) => {
                if balancer.updates_done() == 0 {
                    self.visit(|| balancer.prepare())??;
                }
                let transport = || Ok(ClientTransport::direct(self, resolver()?));
                balancer.begin_background(transport).map_err(out_of_resources)
            }
            Route::Base { .. } | Route::Absolute => Ok(()),
        }
    }
}

/// A call's end is told before its slot is free, so a close looks again a little later.
const CLOSE_LOOKS_EVERY: Duration = Duration::from_millis(5);

/// What calls need to end that were asked to, on a machine that is busy otherwise; mostly it is less than 1 ms. Only a
/// callback takes longer.
const CALLS_END_WITHIN: Duration = Duration::from_millis(250);

/// What a call says whose thread is lost.
fn given_up() -> Error {
    let message = "call: given up, for the host ended the thread that carried it inside a callback; \
                   the request may have been carried out";
    Error::new(ErrorKind::Closed, message)
}

fn would_deadlock() -> Error {
    Error::new(ErrorKind::WouldDeadlock, "a blocking call inside a callback would deadlock")
}

fn out_of_resources(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Overloaded, format!("no shard or thread could be made: {error}"))
}

fn checked_tls(config: &ClientConfig) -> Result<Arc<Tls>, Error> {
    let tls = Tls::new(config.tls.clone())
        .map_err(|problem| Error::new(ErrorKind::InvalidArgument, problem))?;
    Ok(Arc::new(tls))
}
