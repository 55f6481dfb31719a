//! Sessions with ZooKeeper and its messages, with what must hold for any; only in builds for fuzzing and in unit tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};

use super::members::Members;
use crate::discovery::wire::jute::{self, Body, Reply, Session};
use crate::endpoint::Host;

/// What a server sends: the same messages come out however it is cut, and another reader finds the same in each.
pub fn stream(piece: usize, bytes: &[u8]) {
    let found = messages(piece, bytes);
    assert_eq!(found, messages(bytes.len().max(1), bytes));
    let mut left = bytes;
    for message in &found {
        let (length, rest) = left.split_first_chunk::<4>().expect("a length");
        let (whole, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        assert_eq!(message, whole);
        left = rest;
        read(message);
    }
}

fn messages(piece: usize, bytes: &[u8]) -> Vec<Bytes> {
    let (mut received, mut found) = (BytesMut::new(), Vec::new());
    for part in bytes.chunks(piece) {
        received.extend_from_slice(part);
        loop {
            match jute::message(&mut received) {
                Ok(Some(message)) => found.push(message),
                Ok(None) => break,
                Err(_) => return found,
            }
        }
    }
    found
}

fn int(message: &[u8], at: usize) -> Option<i32> {
    let bytes = message.get(at..at + 4)?;
    Some(i32::from_be_bytes(bytes.try_into().expect("four")))
}

/// The bytes at `at` with their length before them, and what is behind.
fn counted(message: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = usize::try_from(int(message, at)?.max(0)).expect("not negative");
    Some((message.get(at + 4..at + 4 + length)?, at + 4 + length))
}

fn read(message: &[u8]) {
    if let Ok(session) = Session::read(message) {
        assert_eq!(int(message, 4), i32::try_from(session.timeout_ms).ok());
        assert!(session.timeout_ms > 0);
    }
    match Reply::read(message) {
        Err(_) => assert!(message.len() < 16 || int(message, 0) == Some(-1)),
        Ok(Reply::Event { path, .. }) => {
            assert_eq!(int(message, 0), Some(-1));
            assert_eq!(counted(message, 24).expect("a path").0, path.as_bytes());
        }
        Ok(Reply::Answer { xid, answer }) => {
            assert_eq!(int(message, 0), Some(xid));
            assert_eq!(int(message, 12) == Some(0), answer.is_ok());
            match answer {
                Ok(body) => read_body(&message[16..], body),
                Err(code) => assert!(!code.text().is_empty()),
            }
        }
    }
}

fn read_body(bytes: &[u8], body: Body<'_>) {
    if let Ok(names) = body.children() {
        assert_eq!(int(bytes, 0).expect("a number").max(0) as usize, names.len());
        let mut at = 4;
        for name in names {
            let (found, next) = counted(bytes, at).expect("a name");
            assert_eq!(found, name.as_bytes());
            at = next;
        }
    }
    if let Ok(data) = body.data() {
        assert_eq!(counted(bytes, 0).expect("data").0, data);
    }
}

/// Nodes come, go and change as `script` says, two bytes a step, while questions are answered or wait: in the end the
/// list is that of the server's nodes.
pub fn session(script: &[u8]) {
    let mut members = Members::new(PARENT, host);
    let mut server = Server { is_there: true, ..Server::default() };
    let mut list = None;
    exchange(&mut members, &mut server);
    let (steps, _) = script.as_chunks::<2>();
    for [what, argument] in steps {
        let (name, value) = (argument & 7, argument >> 3);
        match what % 8 {
            0 | 1 => server.put(name, value),
            2 => server.remove(name),
            3 => server.end(),
            4 => server.begin(),
            _ => server.answer(),
        }
        exchange(&mut members, &mut server);
        list = members.take_list().or(list);
    }
    while !server.asked.is_empty() {
        server.answer();
        exchange(&mut members, &mut server);
        list = members.take_list().or(list);
    }
    let list = list.expect("a list");
    let known: BTreeSet<_> = list.hosts.iter().map(|host| host.address.clone()).collect();
    let there = server
        .nodes
        .iter()
        .filter_map(|(name, value)| host(name, &[*value]).ok().flatten().map(|host| host.address));
    assert_eq!(known, there.collect());
}

const PARENT: &str = "/s";

/// A node drains with the value 0, and is bad with 1.
fn host(name: &str, value: &[u8]) -> Result<Option<Host>, &'static str> {
    match value {
        [0] => Ok(None),
        [value] if *value > 1 => Ok(Some(Host::new(format!("{name}-{value}"), 1))),
        _ => Err("bad"),
    }
}

/// Hands over what the server says, and then asks it.
fn exchange<R>(members: &mut Members<R>, server: &mut Server)
where
    R: Fn(&str, &[u8]) -> Result<Option<Host>, &'static str>,
{
    for message in std::mem::take(&mut server.says) {
        members.receive(&message).expect("a good server's message");
    }
    while let Some(request) = members.next_request() {
        server.asked.push_back(request);
    }
    assert!(server.asked.len() <= 256);
}

/// A server with one parent and its children; watches fire once.
#[derive(Default)]
struct Server {
    is_there: bool,
    nodes: BTreeMap<String, u8>,
    asked: VecDeque<Vec<u8>>,
    says: Vec<Vec<u8>>,
    children_watched: bool,
    creation_watched: bool,
    watched: BTreeSet<String>,
}

impl Server {
    fn put(&mut self, name: u8, value: u8) {
        let name = format!("n{name}");
        if !self.is_there {
            return;
        }
        let is_new = self.nodes.insert(name.clone(), value).is_none();
        if self.watched.remove(&name) {
            self.event(3, &format!("{PARENT}/{name}"));
        }
        if is_new && std::mem::take(&mut self.children_watched) {
            self.event(4, PARENT);
        }
    }

    fn remove(&mut self, name: u8) {
        let name = format!("n{name}");
        if self.nodes.remove(&name).is_none() {
            return;
        }
        if self.watched.remove(&name) {
            self.event(2, &format!("{PARENT}/{name}"));
        }
        if std::mem::take(&mut self.children_watched) {
            self.event(4, PARENT);
        }
    }

    /// The parent goes, and its children before it.
    fn end(&mut self) {
        (0..8).for_each(|name| self.remove(name));
        self.is_there = false;
        let watched = std::mem::take(&mut self.children_watched);
        if std::mem::take(&mut self.creation_watched) || watched {
            self.event(2, PARENT);
        }
    }

    fn begin(&mut self) {
        let is_new = !std::mem::replace(&mut self.is_there, true);
        if is_new && std::mem::take(&mut self.creation_watched) {
            self.event(1, PARENT);
        }
    }

    /// Answers the question that has waited longest.
    fn answer(&mut self) {
        let Some(request) = self.asked.pop_front() else { return };
        let (xid, kind) = (int(&request, 4).expect("its number"), int(&request, 8));
        let path = counted(&request, 12).expect("its path").0;
        let path = str::from_utf8(path).expect("a text");
        match kind {
            Some(8) if self.is_there => {
                self.children_watched = true;
                let mut body = (self.nodes.len() as i32).to_be_bytes().to_vec();
                self.nodes.keys().for_each(|name| put(&mut body, name.as_bytes()));
                self.say(xid, 0, &body);
            }
            Some(3) => {
                self.creation_watched = true;
                self.say(xid, if self.is_there { 0 } else { NO_NODE }, &[]);
            }
            Some(4) => {
                let name = path.rsplit('/').next().expect("its name");
                let Some(value) = self.nodes.get(name) else { return self.say(xid, NO_NODE, &[]) };
                let mut body = Vec::new();
                put(&mut body, &[*value]);
                self.watched.insert(name.to_owned());
                self.say(xid, 0, &body);
            }
            _ => self.say(xid, NO_NODE, &[]),
        }
    }

    fn event(&mut self, kind: i32, path: &str) {
        let mut body = kind.to_be_bytes().to_vec();
        body.extend(3_i32.to_be_bytes());
        put(&mut body, path.as_bytes());
        self.say(-1, 0, &body);
    }

    fn say(&mut self, xid: i32, error: i32, body: &[u8]) {
        let mut message = xid.to_be_bytes().to_vec();
        message.extend([0; 8]);
        message.extend(error.to_be_bytes());
        message.extend(body);
        self.says.push(message);
    }
}

const NO_NODE: i32 = -101;

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as i32).to_be_bytes());
    out.extend(bytes);
}
