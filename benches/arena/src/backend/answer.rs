//! How a request ends: by an answer in the manner of the hour, or with its connection.

use std::io::Write;

use super::fleet::{Connection, Running, Timer};
use super::http;
use super::server::reset;
use crate::clock::{MS, US, now};
use crate::plan::Mode;

impl Running {
    /// Frees a job's slot and counts what it worked.
    pub(super) fn finish(&mut self, index: usize, now: u64, worked: u64, abandoned: bool) {
        let Some(job) = self.jobs.remove(index) else { return };
        self.servers[job.server].busy -= 1;
        if self.since(now).is_some_and(|since| since >= self.plan.count_from_ms) {
            self.served.work_us += worked / US;
            self.served.abandoned_us += if abandoned { worked / US } else { 0 };
        }
    }

    /// Answers in the manner of the hour.
    pub(super) fn deliver(&mut self, index: usize, server: usize, cost: u64, at: u64) {
        let host = &self.servers[server];
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.job = None;
        if host.has(at, |mode| mode == Mode::Hang) {
            connection.hung = true;
        } else if host.has(at, |mode| mode == Mode::HalfReply) {
            let whole = http::answer(200, "");
            let _ = connection.socket.write_all(&whole[..whole.len() - http::BODY.len() / 2]);
            self.connections.remove(index);
        } else if host.has(at, |mode| mode == Mode::SlowBody) {
            let whole = http::answer(200, &format!("x-work-us: {}\r\n", cost / US));
            let _ = connection.socket.write_all(&whole[..whole.len() - http::BODY.len()]);
            connection.hung = true;
            let left = http::BODY.len() as u8;
            let serial = connection.serial;
            self.set_timer(at + BYTE_EVERY, Timer::Byte { connection: index, serial, left });
        } else {
            self.reply(index, 200, cost, "");
        }
    }

    pub(super) fn dribble(&mut self, index: usize, serial: u32, left: u8, at: u64) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        if connection.serial != serial {
            return;
        }
        let from = http::BODY.len() - usize::from(left);
        let _ = connection.socket.write_all(&http::BODY.as_bytes()[from..=from]);
        if left > 1 {
            let timer = Timer::Byte { connection: index, serial, left: left - 1 };
            return self.set_timer(at + BYTE_EVERY, timer);
        }
        connection.hung = false;
        self.take(index);
    }

    pub(super) fn reply(&mut self, index: usize, status: u16, cost: u64, more: &str) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        let server = connection.server;
        let mut headers = format!("x-endpoint: {server}\r\n{more}");
        if cost > 0 {
            headers += &format!("x-work-us: {}\r\n", cost / US);
            self.servers[server].answered(now());
        }
        if self.plan.reports_load {
            headers += &self.servers[server].load(self.plan.slots);
        }
        connection.job = None;
        // A few hundred bytes into an empty buffer; the loop notices a peer that has closed.
        let _ = connection.socket.write_all(&http::answer(status, &headers));
        self.take(index);
    }

    /// The client has closed.
    pub(super) fn gone(&mut self, index: usize) {
        let Some(connection) = self.connections.remove(index) else { return };
        self.leave(connection.job);
    }

    /// A job whose client is gone.
    pub(super) fn leave(&mut self, job: Option<usize>) {
        let Some(index) = job else { return };
        let Some(job) = self.jobs.get_mut(index) else { return };
        job.connection = None;
        let (server, began) = (job.server, job.began);
        if let (Some(began), true) = (began, self.plan.honours_cancel) {
            let now = now();
            self.finish(index, now, now - began, true);
            self.work(server, now);
        }
    }

    /// Resets connections of a server, with the work that they wait for.
    pub(super) fn drop_all(&mut self, server: usize, which: fn(&Connection) -> bool) {
        for index in 0..self.connections.places.len() {
            let Some(connection) = self.connections.get_mut(index) else { continue };
            if connection.server != server || !which(connection) {
                continue;
            }
            if let Some(connection) = self.connections.remove(index) {
                reset(connection.socket);
                self.leave(connection.job);
            }
        }
    }
}

/// Between two bytes of a slow body.
const BYTE_EVERY: u64 = 100 * MS;
