//! The client: its ways to send a request and to wait for its end.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::body::channel::BodyChannel;
use super::body::stream::BodyStream;
use super::body::streaming::Delivery;
use super::call::attempt;
use super::call::call::Call;
use super::call::cancellation::Cancellation;
use super::call::unsent::unsent;
use super::completion::completion::{Completion, Finisher, Outcome};
use super::completion::queue::Queue;
use super::core::{Core, check_may_wait, out_of_resources};
use super::lifecycle::{CallEntry, Lifecycle};
use super::observe::hooks::Hooks;
use super::observe::log::Log;
use super::plan::Plan;
use super::route::Route;
use super::transport::{ClientTransport, Driver};
use crate::balancer::background;
use crate::balancer::balancer::Balancer;
use crate::balancer::provider::RequestedBy;
use crate::config::{ClientConfig, Http2};
use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::request::Request;
use crate::runtime::cold_path::cold_path;
use crate::runtime::host::{callback, caller_jobs};
use crate::runtime::process::PerProcess;
use crate::runtime::stop::{Reason, Stop};
use crate::runtime::{clock, io_thread, shard, waiter};
use crate::statistics::Snapshot;
use crate::transport::{Resolver, resolver};

/// A resilient HTTP client.
#[derive(Debug)]
pub struct Client {
    core: Arc<Core>,
    /// Whether warming up began in this process.
    warmed: PerProcess<AtomicBool>,
}

impl Client {
    /// A client for `route`.
    ///
    /// # Errors
    /// The options do not go together, or the TLS material is unusable.
    pub fn new(
        config: ClientConfig,
        route: Route,
        hooks: Hooks,
        log: Log,
        observers: Vec<Arc<dyn Observer>>,
    ) -> Result<Self, Error> {
        let core = Arc::new(Core::new(config, route, hooks, log, observers)?);
        Ok(Self { core, warmed: PerProcess::new() })
    }

    /// The same client by another plan. Hooks, log and what is counted go on.
    ///
    /// # Errors
    /// The client is closed, or the plan cannot be carried out; nothing was done.
    pub(super) fn reconfigured(&self, plan: Plan) -> Result<Self, Error> {
        self.core.lifecycle.check_open()?;
        Ok(Self { core: Arc::new(self.core.reconfigured(plan)?), warmed: PerProcess::new() })
    }

    /// Takes up what goes on beside the calls, where it was under way before.
    pub(super) fn go_on(self: &Arc<Self>) {
        let used = |balancer: &Arc<Balancer>| balancer.updates_done() > 0;
        if let Some(balancer) = self.core.route.balancer().filter(|it| used(it)) {
            // Where it fails, the next call does it.
            let _ = self.core.lifecycle.enter(true).and_then(|_entry| {
                balancer.join()?;
                self.prepare(RequestedBy::Attempt)
            });
        }
        self.warm_up();
    }

    /// What it was told.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.core.config
    }

    /// Where its requests go.
    #[must_use]
    pub fn route(&self) -> &Route {
        &self.core.route
    }

    /// All that the client counts, at this time.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.core.snapshot()
    }

    /// Sends `request` and waits for its answer, driving the work on this thread. An I/O thread drives it with
    /// HTTP/2, where the connections are, where an answer is streamed, for it outlasts this call, and where
    /// all shards are in use.
    ///
    /// # Errors
    /// The request does not fit the client, no answer came, or this is a callback, where it would deadlock.
    pub fn send(self: &Arc<Self>, request: &Request) -> Result<Delivery, Error> {
        check_may_wait()?;
        let started = clock::now();
        let entry = self.enter(request, RequestedBy::Blocking, started)?;
        if self.core.config.http2 != Http2::Off || request.streamed {
            return self.start_and_wait(request, started, &entry);
        }
        let driven = match self.core.wiring.proxies {
            // The direct transport's writes raise no SIGPIPE; reqwest's may.
            None => self.drive(request, started, &entry),
            Some(_) => callback::without_sigpipe(|| self.drive(request, started, &entry)),
        };
        driven?.map_or_else(|| self.start_and_wait(request, started, &entry), Ok)
    }

    /// `None` where no shard is left.
    fn drive(
        &self,
        request: &Request,
        started: Instant,
        entry: &CallEntry<'_>,
    ) -> Result<Option<Delivery>, Error> {
        let resolver = resolver().map_err(out_of_resources)?;
        let fits = |transport: &ClientTransport| transport.is_of(&self.core);
        let attach = || ClientTransport::new(&self.core, resolver, Driver::Shard);
        let work = |transport: Arc<ClientTransport>, stop: Arc<Stop>| async move {
            entry.check()?;
            let cancellation = Cancellation { stop: &stop, interrupt: self.core.interrupt() };
            let (place, body) = ((&*self.core, &*transport.stripe), Call::hold_body(request)?);
            let call = Call::new(place, request, body, cancellation, started)?;
            attempt::run(&call, &*transport, &mut None).await.map(Delivery::from)
        };
        let outcome = shard::drive(&self.core.lifecycle.tenant, (fits, attach), work)
            .map_err(out_of_resources);
        self.core.lifecycle.note_end();
        outcome?.transpose()
    }

    fn start_and_wait(
        self: &Arc<Self>,
        request: &Request,
        started: Instant,
        entry: &CallEntry<'_>,
    ) -> Result<Delivery, Error> {
        let completion = self.start_at(request.clone(), started, entry)?;
        let waited = match self.core.interrupt() {
            None => {
                let wait = |slice| waiter::wait(completion.outcome(), slice);
                Ok(caller_jobs::run_while_waiting(Duration::MAX, wait).transpose())
            }
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

    /// Starts `request` on an I/O thread and returns at once. A provider whose function may run on this thread alone is
    /// asked here if it has never been.
    ///
    /// # Errors
    /// The request does not fit the client, or no thread could be had. All else ends the call.
    pub fn start(self: &Arc<Self>, request: Request) -> Result<Arc<Completion>, Error> {
        let started = clock::now();
        let entry = self.enter(&request, RequestedBy::Started, started)?;
        self.start_at(request, started, &entry)
    }

    fn start_at(
        self: &Arc<Self>,
        request: Request,
        started: Instant,
        entry: &CallEntry<'_>,
    ) -> Result<Arc<Completion>, Error> {
        let completion = Arc::new(Completion::default());
        let told = Arc::clone(&completion);
        let finish = move |outcome| told.finish(outcome);
        self.spawn(request, started, Arc::clone(completion.stop()), finish, entry)?;
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
        let started = clock::now();
        let spawned = self
            .enter(&request, RequestedBy::Started, started)
            .and_then(|entry| self.spawn(request, started, Arc::clone(&stop), finish, &entry));
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
        started: Instant,
        stop: Arc<Stop>,
        finish: impl Fn(Outcome) + Clone + Send + Sync + 'static,
        entry: &CallEntry<'_>,
    ) -> Result<(), Error> {
        Call::check(&self.core, &request)?;
        // Held from here on: a later call with the same source is refused, and not this one.
        let body_reader = Call::hold_body(&request)?;
        let resolver = resolver().map_err(out_of_resources)?;
        let thread = io_thread::least_busy().map_err(out_of_resources)?;
        let client = Arc::clone(self);
        let (place, asked) = (Arc::clone(&thread), Arc::clone(&stop));
        let lost = finish.clone();
        let streamed = request.streamed.then(Arc::<OnceLock<Arc<BodyChannel>>>::default);
        let begun = streamed.clone();
        let lost = move || {
            lost(Err(thread_lost()));
            if let Some(channel) = begun.as_ref().and_then(|begun| begun.get()) {
                channel.end(Err(thread_lost()));
            }
        };
        // Asked once more: a close may have come meanwhile, and now it sees this task.
        let tenant = &self.core.lifecycle.tenant;
        thread.spawn_where(|| entry.check(), tenant, stop, lost, async move {
            let finisher = Finisher::new(finish);
            let transport = client.transport_of(&place, resolver);
            let cancellation = Cancellation { stop: &asked, interrupt: None };
            let place = (&*client.core, &*transport.stripe);
            match Call::new(place, &request, body_reader, cancellation, started) {
                Ok(mut call) => {
                    let mut body = None;
                    let outcome = attempt::run(&call, &*transport, &mut body).await;
                    if let Some(body) = body {
                        let stream = BodyStream::new(Arc::clone(&client.core), Arc::clone(&asked));
                        let _ = streamed.as_ref().map(|streamed| streamed.set(stream.channel()));
                        let finish = |outcome| finisher.finish(outcome);
                        cold_path(|| body.carry(&mut call, outcome, stream, finish)).await;
                    } else {
                        // Nothing of the call is left when its caller learns of its end.
                        drop(call);
                        drop(transport);
                        finisher.finish(outcome.map(Delivery::from));
                    }
                }
                Err(error) => {
                    drop(transport);
                    finisher.finish(Err(error));
                }
            }
            client.core.lifecycle.note_end();
        })
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
        if timeout.is_zero() {
            caller_jobs::run_pending();
            return completion.poll();
        }
        check_may_wait()?;
        let waited = match self.core.interrupt() {
            None => {
                let wait = |slice| waiter::wait(completion.outcome(), slice);
                Ok(Some(caller_jobs::run_while_waiting(timeout, wait).transpose()))
            }
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
        check_may_wait()?;
        let closed = self.core.lifecycle.close(timeout);
        self.core.forget_present_balancer();
        closed
    }

    /// Fails once a close has returned, after which no callback runs.
    ///
    /// # Errors
    /// It has.
    pub fn check_may_call_back(&self) -> Result<(), Error> {
        self.core.lifecycle.check_not_silent()
    }

    /// Runs `tell`, which calls the host, on an I/O thread.
    ///
    /// # Errors
    /// A close has returned, or no thread could be made.
    pub fn tell(&self, tell: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        self.core.tell(tell)
    }

    /// Begins to open connections on an I/O thread where the client was told to, once in each process; the provider
    /// is asked for there. It fails no call: what goes wrong is found out by the calls.
    pub fn warm_up(self: &Arc<Self>) {
        if self.core.config.warm_up == 0 || self.warmed.get().swap(true, Ordering::Relaxed) {
            return;
        }
        let (Ok(resolver), Ok(thread)) = (resolver(), io_thread::least_busy()) else {
            return;
        };
        let (client, place) = (Arc::clone(self), Arc::clone(&thread));
        thread.spawn(&self.core.lifecycle.tenant, Arc::default(), || {}, async move {
            // Where the provider fails here, the first call that it does not fail lets the next visit go on.
            let lifecycle = &client.core.lifecycle;
            let _ = lifecycle.enter(false).and_then(|_entry| client.prepare(RequestedBy::Attempt));
            if let Some(balancer) = client.core.route.balancer()
                && balancer.updates_done() == 0
            {
                let scope = Lifecycle::host_call_scope(&client.core.lifecycle);
                let _ = balancer.request_update(0, scope);
            }
            client.transport_of(&place, resolver).warm_up();
            client.core.lifecycle.note_end();
        });
    }

    /// This client's transport on an I/O thread; to be called by a task that runs there.
    fn transport_of(
        &self,
        thread: &io_thread::IoThread,
        resolver: Arc<Resolver>,
    ) -> Arc<ClientTransport> {
        let fits = |transport: &ClientTransport| transport.is_of(&self.core);
        thread.attachment(&self.core.lifecycle.tenant, fits, || {
            ClientTransport::new(&self.core, resolver, Driver::IoThread)
        })
    }

    /// Lets a call in, and asks the provider at the balancer's first use, or begins to be told by it; a call that fails for
    /// it ends as any other does.
    fn enter(
        self: &Arc<Self>,
        request: &Request,
        by: RequestedBy,
        started: Instant,
    ) -> Result<CallEntry<'_>, Error> {
        let asks_host = self.core.route.balancer().is_some_and(|it| it.updates_done() == 0);
        let entry = self.core.lifecycle.enter(asks_host)?;
        self.warm_up();
        self.prepare(by).map_err(|error| match error.kind() {
            ErrorKind::Discovery => unsent(&self.core, request, &error, started),
            _ => error,
        })?;
        Ok(entry)
    }

    /// Asks the provider at the balancer's first use, or begins to be told by it.
    fn prepare(&self, by: RequestedBy) -> Result<(), Error> {
        match &self.core.route {
            Route::Balanced(balancer) => {
                balancer.prepare_for(by)?;
                let transport = || Ok(ClientTransport::direct(&self.core, resolver()?));
                background::begin(balancer, transport).map_err(out_of_resources)
            }
            Route::Base { .. } | Route::Absolute => Ok(()),
        }
    }
}

/// What a call says whose thread is lost.
fn thread_lost() -> Error {
    let message = "call: ended, for the host ended the thread that carried it inside a callback; \
                   the request may have been carried out";
    Error::new(ErrorKind::Closed, message)
}
