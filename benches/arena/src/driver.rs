//! The load of libahoy: calls at moments that were drawn before, whatever becomes of those under way, submitted to a queue
//! by one thread and taken from it by another. A call's time counts from the moment when it was meant to begin.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::api::{Api, Handle, c};
use crate::arrivals::schedule;
use crate::clock::{self, MS, US, now};
use crate::contestant::Contestant;
use crate::draw;
use crate::plan::{Arrivals, Load};
use crate::setup::{self, Client};
use crate::usage::{self, Usage};

/// A call that ended, or did not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// When it was meant to begin, in microseconds; negative in the warm-up.
    pub(crate) at_us: i64,
    /// From then on to its end.
    pub(crate) took_us: u64,
    /// How late it was submitted.
    pub(crate) late_us: u32,
    /// The library's status; -1 where it never ended.
    pub(crate) status: i32,
    /// The answer's status; 0 without one.
    pub(crate) http: i32,
    /// Attempts, as the library counts them.
    pub(crate) attempts: u32,
    /// The endpoint of its first attempt.
    pub(crate) first: Option<u16>,
    /// An attempt of it was a hedge.
    pub(crate) hedged: bool,
    /// What the answer cost its server.
    pub(crate) work_us: u64,
}

impl Call {
    /// One that has not ended.
    pub(crate) const fn open(at: i64, deadline_ms: u64) -> Self {
        Self {
            at_us: at / US as i64,
            took_us: deadline_ms * 1_000,
            late_us: 0,
            status: -1,
            http: 0,
            attempts: 0,
            first: None,
            hedged: false,
            work_us: 0,
        }
    }

    /// Whether it brought what was asked for.
    pub(crate) const fn ok(&self) -> bool {
        self.status == 0 && self.http == 200
    }
}

/// What a run brought.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) calls: Vec<Call>,
    /// Of processes and machine, while calls were counted.
    pub(crate) usage: Usage,
    /// Circuits that are not closed at the end, of all clients; nothing where there are none to ask.
    pub(crate) open_circuits: Option<u64>,
}

/// Drawn apart from the work of the same seed.
const CLIENT: u64 = 0x434c_4945;
const KEY: u64 = 0x004b_4559;

/// The clients of a contestant, and the way to their calls.
#[derive(Debug)]
pub(crate) struct Driver<'a> {
    api: &'a Api,
    clients: Vec<Client>,
    queue: Handle,
    set_hash: Option<HashFn>,
    set_group: Option<GroupFn>,
    is_hedge: Option<HedgeFn>,
    /// The endpoint of each port, plus one.
    endpoints: Vec<u16>,
}

type HashFn = unsafe extern "C" fn(Handle, u64, *mut Handle) -> i32;
type GroupFn = unsafe extern "C" fn(Handle, *const c_char, *mut Handle) -> i32;
type HedgeFn = unsafe extern "C" fn(Handle) -> bool;

// SAFETY: clients and queues may be used from any thread, says the header.
unsafe impl Sync for Driver<'_> {}

impl<'a> Driver<'a> {
    /// Sets a contestant up over these ports.
    pub(crate) fn new(
        api: &'a Api,
        contestant: &Contestant,
        load: &Load,
        ports: &[u16],
    ) -> Result<Self, String> {
        let mut clients = Vec::new();
        for _ in 0..load.clients {
            clients.push(setup::client(api, contestant, load, ports)?);
        }
        let mut queue = ptr::null_mut();
        // SAFETY: the places are locals.
        api.checked(|err| unsafe { (api.ahoy_queue_new)(&raw mut queue, err) })?;
        let set_hash = match contestant.hash {
            // SAFETY: a setter of a request's hash takes the request, the hash and the error.
            Some(name) => Some(unsafe { std::mem::transmute::<Handle, HashFn>(api.symbol(name)?) }),
            None => None,
        };
        let set_group = api.symbol("ahoy_request_set_group").ok();
        // SAFETY: the setter takes the request, the group's name and the error.
        let set_group =
            set_group.map(|symbol| unsafe { std::mem::transmute::<Handle, GroupFn>(symbol) });
        let is_hedge = api.symbol("ahoy_attempt_is_hedge").ok();
        // SAFETY: as every accessor of a flag it takes the handle alone.
        let is_hedge =
            is_hedge.map(|symbol| unsafe { std::mem::transmute::<Handle, HedgeFn>(symbol) });
        let mut endpoints = vec![0; 1 << 16];
        for (index, port) in ports.iter().enumerate() {
            endpoints[usize::from(*port)] = index as u16 + 1;
        }
        Ok(Self { api, clients, queue, set_hash, set_group, is_hedge, endpoints })
    }

    /// Makes all calls and waits for their ends, but not for long.
    pub(crate) fn run(&self, load: &Load, seed: u64, zero: u64, others: &[u32]) -> Driven {
        let (calls, usage) = match load.arrivals {
            Arrivals::Lone { pause_ms } => self.lone(load, seed, zero, others, pause_ms * MS),
            _ => self.open_loop(load, seed, zero, others),
        };
        Driven { calls, usage, open_circuits: Some(self.open_circuits()) }
    }

    fn open_loop(&self, load: &Load, seed: u64, zero: u64, others: &[u32]) -> (Vec<Call>, Usage) {
        let moments = schedule(load, seed);
        let deadline_ms = load.deadline_ms();
        let mut calls: Vec<Call> = moments.iter().map(|at| Call::open(*at, deadline_ms)).collect();
        let submitting = AtomicBool::new(true);
        let (refused, usage) = thread::scope(|scope| {
            let submit = scope.spawn(|| {
                let result = self.submit(load, seed, zero, others, &moments);
                submitting.store(false, Ordering::Release);
                result
            });
            self.take(load, zero, &moments, &mut calls, &submitting);
            submit.join().unwrap_or_default()
        });
        for (index, late_us, status) in refused {
            let call = &mut calls[index];
            call.late_us = late_us;
            if status != 0 {
                call.status = status;
            }
        }
        (calls, usage)
    }

    /// One call after the other.
    fn lone(
        &self,
        load: &Load,
        seed: u64,
        zero: u64,
        others: &[u32],
        pause: u64,
    ) -> (Vec<Call>, Usage) {
        clock::wake_exactly();
        let before = usage::Snapshot::take(others);
        let (mut calls, mut moments) = (Vec::new(), Vec::new());
        clock::sleep_until(zero.saturating_sub(load.warm_up_ms * MS));
        while now() < zero + load.end_ms * MS {
            let id = calls.len();
            let at = now() as i64 - zero as i64;
            moments.push(at);
            calls.push(Call::open(at, load.deadline_ms()));
            calls[id].status = self.submit_one(load, seed, id as u64);
            if calls[id].status == 0 {
                calls[id].status = -1;
                let give_up = now() + (load.deadline_ms() + 3_000) * MS;
                while calls[id].status == -1 && now() < give_up {
                    self.take_some(zero, &moments, &mut calls);
                }
            }
            clock::sleep_until(now() + pause);
        }
        (calls, before.until_now(others))
    }

    fn open_circuits(&self) -> u64 {
        let balancers = self.clients.iter().map(|client| client.balancer);
        balancers.map(|balancer| self.open_circuits_of(balancer)).sum()
    }

    fn open_circuits_of(&self, balancer: Handle) -> u64 {
        let api = self.api;
        // SAFETY: the balancer is alive, the endpoint is freed once.
        unsafe {
            let count = (api.ahoy_balancer_endpoint_count)(balancer);
            let is_open = |index: &usize| {
                let mut endpoint = ptr::null_mut();
                let none = ptr::null_mut::<Handle>();
                (api.ahoy_balancer_endpoint_at)(balancer, *index, &raw mut endpoint, none);
                let state = (api.ahoy_endpoint_state)(endpoint);
                (api.ahoy_endpoint_free)(endpoint);
                state > 0
            };
            (0..count).filter(is_open).count() as u64
        }
    }

    /// Submits each call at its moment; tells how late each was, and those that were refused.
    fn submit(
        &self,
        load: &Load,
        seed: u64,
        zero: u64,
        others: &[u32],
        moments: &[i64],
    ) -> (Vec<(usize, u32, i32)>, Usage) {
        clock::wake_exactly();
        let count_from = (load.count_from_ms * MS) as i64;
        let mut before = None;
        let mut submitted = Vec::with_capacity(moments.len());
        for (index, moment) in moments.iter().enumerate() {
            if before.is_none() && *moment >= count_from {
                before = Some(usage::Snapshot::take(others));
            }
            let at = zero.saturating_add_signed(*moment);
            clock::sleep_until(at);
            let late = now().saturating_sub(at) / US;
            let status = self.submit_one(load, seed, index as u64);
            submitted.push((index, late as u32, status));
        }
        let usage = before.map_or_else(Usage::default, |before| before.until_now(others));
        (submitted, usage)
    }

    fn submit_one(&self, load: &Load, seed: u64, id: u64) -> i32 {
        let api = self.api;
        let (method, path) = (c(&load.method), c(&format!("/work/{id}")));
        let mut request = ptr::null_mut();
        let none = ptr::null_mut::<*mut c_void>();
        let which = draw::hash(seed ^ CLIENT, id, 0) as usize % self.clients.len();
        // SAFETY: all handles are alive, and the request is freed once.
        unsafe {
            let status =
                (api.ahoy_request_new)(method.as_ptr(), path.as_ptr(), &raw mut request, none);
            if status != 0 {
                return status;
            }
            if let Some(set_hash) = self.set_hash {
                set_hash(request, draw::hash(seed ^ KEY, id, 0), none);
            }
            if let (Some(set_group), Some(share)) = (self.set_group, load.groups) {
                // The draw by which the servers take long.
                let long = draw::unit(seed, id, 0) < share;
                let group: CString = c(if long { "long" } else { "short" });
                set_group(request, group.as_ptr(), none);
            }
            let status =
                (api.ahoy_client_submit)(self.clients[which].client, request, self.queue, id, none);
            (api.ahoy_request_free)(request);
            status
        }
    }

    /// Takes completions until all calls have ended, or long after the last deadline.
    fn take(
        &self,
        load: &Load,
        zero: u64,
        moments: &[i64],
        calls: &mut [Call],
        submitting: &AtomicBool,
    ) {
        let last = zero.saturating_add_signed(moments.last().copied().unwrap_or_default());
        let give_up = last + (load.deadline_ms() + 3_000) * MS;
        let mut open = moments.len();
        while open > 0 && (submitting.load(Ordering::Acquire) || now() < give_up) {
            let Some(count) = self.take_some(zero, moments, calls) else { return };
            open -= count;
        }
    }

    /// Takes what has ended, or waits a little; nothing where the queue is broken.
    fn take_some(&self, zero: u64, moments: &[i64], calls: &mut [Call]) -> Option<usize> {
        let mut room = [ptr::null_mut(); 256];
        let mut count = 0;
        // SAFETY: the queue is alive and there is room for as many as said.
        let status = unsafe {
            (self.api.ahoy_queue_next_batch)(
                self.queue,
                50,
                room.as_mut_ptr(),
                room.len(),
                &raw mut count,
                ptr::null_mut(),
            )
        };
        let at = now();
        for completion in &room[..count] {
            self.note(*completion, at, zero, moments, calls);
        }
        (status == 0).then_some(count)
    }

    fn note(&self, completion: Handle, at: u64, zero: u64, moments: &[i64], calls: &mut [Call]) {
        let api = self.api;
        // SAFETY: the completion is ours and freed last; so are response and error; what they lend is read before.
        unsafe {
            let tag = (api.ahoy_completion_tag)(completion) as usize;
            if let (Some(call), Some(moment)) = (calls.get_mut(tag), moments.get(tag)) {
                call.took_us = at.saturating_sub(zero.saturating_add_signed(*moment)) / US;
                call.status = (api.ahoy_completion_status)(completion);
                let response = (api.ahoy_completion_take_response)(completion);
                if response.is_null() {
                    let error = (api.ahoy_completion_take_error)(completion);
                    self.attempts(call, (api.ahoy_error_attempt_count)(error), |index| {
                        (api.ahoy_error_attempt_at)(error, index)
                    });
                    (api.ahoy_error_free)(error);
                } else {
                    call.http = (api.ahoy_response_status)(response);
                    call.work_us =
                        number((api.ahoy_response_header)(response, c"x-work-us".as_ptr()));
                    self.attempts(call, (api.ahoy_response_attempt_count)(response), |index| {
                        (api.ahoy_response_attempt_at)(response, index)
                    });
                    (api.ahoy_response_free)(response);
                }
            }
            (api.ahoy_completion_free)(completion);
        }
    }

    fn attempts(&self, call: &mut Call, count: usize, at: impl Fn(usize) -> Handle) {
        call.attempts = count as u32;
        let first = at(0);
        if !first.is_null() {
            // SAFETY: the attempt is alive as long as its owner.
            let url = unsafe { (self.api.ahoy_attempt_url)(first) };
            let index = self.endpoints[port(url)];
            call.first = index.checked_sub(1);
        }
        if let Some(is_hedge) = self.is_hedge {
            // SAFETY: as above.
            call.hedged = (0..count).any(|index| unsafe { is_hedge(at(index)) });
        }
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        for client in &self.clients {
            // SAFETY: the clients are ours. The queue stays: its process is about to end.
            unsafe { (self.api.ahoy_client_free)(client.client) };
            // SAFETY: as above.
            unsafe { (self.api.ahoy_balancer_free)(client.balancer) };
        }
    }
}

/// The port at the end of a URL without a path; 0 for none.
fn port(url: *const c_char) -> usize {
    if url.is_null() {
        return 0;
    }
    // SAFETY: the library's text ends with NUL.
    let bytes = unsafe { CStr::from_ptr(url) }.to_bytes();
    let digits = bytes.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let value = |value: usize, digit: &u8| value * 10 + usize::from(digit.wrapping_sub(b'0') & 15);
    digits.iter().take(5).fold(0, value) & 0xffff
}

fn number(text: *const c_char) -> u64 {
    crate::api::text(text).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_from_a_url() {
        assert_eq!(port(c"http://127.0.0.1:40123".as_ptr()), 40_123);
        assert_eq!(port(ptr::null()), 0);
    }
}
