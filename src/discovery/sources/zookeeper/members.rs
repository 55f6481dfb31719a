//! What a session knows of a service's nodes: which children there are, what each says, and what to ask next.
//!
//! No clock and no socket: messages go in, requests and lists come out. A watch fires once and is set again by the
//! question that its event leads to, so that no change falls between two questions. A watch of the children does not
//! fire when one of them changes its content: each child is watched itself.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::discovery::source::SessionEnd;
use crate::discovery::wire::jute::{AUTH, Body, Change, ErrorCode, PING, Reply, Request};
use crate::discovery::wire::{Entries, Entry};
use crate::endpoint::Host;

/// How many questions may be under way: a long list is asked in one stream, and the buffers of both sides stay small.
const UNDER_WAY: usize = 256;

/// The children of one node.
#[derive(Debug)]
pub(super) struct Members<R> {
    path: String,
    /// Reads a node's name and content: a host, none that takes calls, or what is wrong.
    read: R,
    nodes: BTreeMap<String, Entry>,
    to_ask: VecDeque<Operation>,
    under_way: HashMap<i32, Operation>,
    last_xid: i32,
    /// Whether every child was heard once.
    is_complete: bool,
    /// Whether something changed since the list was last taken.
    is_changed: bool,
    skipped: Vec<String>,
}

/// What a server is asked to read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operation {
    /// Whether the parent is there.
    Exists,
    Children,
    Data(String),
}

impl<R: Fn(&str, &[u8]) -> Result<Option<Host>, &'static str>> Members<R> {
    /// The children of `path`, each read by `read`.
    pub(super) fn new(path: &str, read: R) -> Self {
        Self {
            path: path.to_owned(),
            read,
            nodes: BTreeMap::new(),
            to_ask: VecDeque::from([Operation::Children]),
            under_way: HashMap::new(),
            last_xid: 0,
            is_complete: false,
            is_changed: true,
            skipped: Vec::new(),
        }
    }

    /// The next request to send, if there is one and not too many are under way.
    pub(super) fn next_request(&mut self) -> Option<Vec<u8>> {
        if self.under_way.len() >= UNDER_WAY {
            return None;
        }
        let operation = self.to_ask.pop_front()?;
        self.last_xid = if self.last_xid == i32::MAX { 1 } else { self.last_xid + 1 };
        let encoded = match &operation {
            Operation::Exists => Request::Exists(&self.path).encoded(self.last_xid),
            Operation::Children => Request::Children(&self.path).encoded(self.last_xid),
            Operation::Data(name) => Request::Data(&self.child(name)).encoded(self.last_xid),
        };
        self.under_way.insert(self.last_xid, operation);
        Some(encoded)
    }

    /// The whole list, once every child was heard, and then whenever it changed.
    pub(super) fn take_list(&mut self) -> Option<Entries> {
        let is_of_list = |operation: &Operation| *operation != Operation::Exists;
        if !self.is_complete {
            let mut open = self.to_ask.iter().chain(self.under_way.values());
            self.is_complete = !open.any(is_of_list);
        }
        if !self.is_complete || !std::mem::take(&mut self.is_changed) {
            return None;
        }
        Some(self.nodes.values().collect())
    }

    /// Whether the list was told once, so that silence means that it holds.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// What was wrong with nodes that were passed over since this was last asked; never their content.
    pub(super) fn take_skipped(&mut self) -> Vec<String> {
        std::mem::take(&mut self.skipped)
    }

    /// Takes one message of the server.
    ///
    /// # Errors
    /// Says why the session is of no more use.
    pub(super) fn receive(&mut self, message: &[u8]) -> Result<(), SessionEnd> {
        match Reply::read(message).map_err(SessionEnd::Failed)? {
            Reply::Event { change, path } => self.changed(change, path),
            Reply::Answer { xid: AUTH | PING, answer } => drop(answer.map_err(ended)?),
            Reply::Answer { xid, answer } => {
                let stray = || SessionEnd::Failed("an answer to no question".to_owned());
                let operation = self.under_way.remove(&xid).ok_or_else(stray)?;
                self.answered(operation, answer)?;
            }
        }
        Ok(())
    }

    fn changed(&mut self, change: Change, path: &str) {
        if path == self.path {
            if change != Change::Other {
                self.ask(Operation::Children);
            }
            return;
        }
        let name = path.strip_prefix(&self.path).map(|name| name.trim_start_matches('/'));
        let Some(name) = name.filter(|name| self.nodes.contains_key(*name)) else { return };
        match change {
            Change::Deleted => self.forget(name),
            Change::Data => self.ask(Operation::Data(name.to_owned())),
            _ => {}
        }
    }

    fn answered(
        &mut self,
        operation: Operation,
        answer: Result<Body<'_>, ErrorCode>,
    ) -> Result<(), SessionEnd> {
        match (operation, answer) {
            (Operation::Children, Ok(body)) => {
                self.renew(&body.children().map_err(SessionEnd::Failed)?)
            }
            (Operation::Data(name), Ok(body)) => {
                self.learn(&name, body.data().map_err(SessionEnd::Failed)?);
            }
            // Created meanwhile.
            (Operation::Exists, Ok(_)) => self.ask(Operation::Children),
            // The question has set a watch for the creation.
            (Operation::Exists, Err(code)) if code.is_no_node() => {}
            (Operation::Children, Err(code)) if code.is_no_node() => {
                self.renew(&[]);
                self.ask(Operation::Exists);
            }
            (Operation::Data(name), Err(code)) if code.is_no_node() => self.forget(&name),
            // One of several that have rules of their own; the others may be read.
            (Operation::Data(name), Err(code)) if code.is_no_auth() => {
                self.note(&name, Err("may not be read"));
            }
            (_, Err(code)) => return Err(ended(code)),
        }
        Ok(())
    }

    /// Takes over the names of the children that there are.
    fn renew(&mut self, names: &[&str]) {
        let mut new: HashSet<&str> = names.iter().copied().collect();
        // Each name is looked up once: of 10,000 children all but one are those of before.
        let gone = self.nodes.extract_if(.., |name, _| !new.remove(name.as_str()));
        self.is_changed |= gone.filter(|(_, entry)| !matches!(entry, Ok(None))).count() > 0;
        for name in names.iter().filter(|name| !new.is_empty() && new.contains(*name)) {
            self.nodes.insert((*name).to_owned(), Ok(None));
            self.ask(Operation::Data((*name).to_owned()));
        }
    }

    fn learn(&mut self, name: &str, data: &[u8]) {
        let entry = (self.read)(name, data);
        self.note(name, entry.map(|host| host.map(Arc::new)));
    }

    fn note(&mut self, name: &str, entry: Entry) {
        // Without one it was deleted while it was asked.
        let Some(node) = self.nodes.get_mut(name) else { return };
        if let Err(problem) = entry {
            self.skipped.push(format!("node {name:?}: {problem}"));
        }
        if *node != entry {
            *node = entry;
            self.is_changed = true;
        }
    }

    /// Also the name: a node that is made again under it is asked and watched again.
    fn forget(&mut self, name: &str) {
        self.is_changed |= self.nodes.remove(name).is_some_and(|entry| entry != Ok(None));
    }

    /// Asks it, unless it waits to be asked: the answer will be as new. A child's watch fires once for each question,
    /// so that no two of them wait.
    fn ask(&mut self, operation: Operation) {
        if operation != Operation::Children || !self.to_ask.contains(&operation) {
            self.to_ask.push_back(operation);
        }
    }

    fn child(&self, name: &str) -> String {
        format!("{}/{name}", self.path.trim_end_matches('/'))
    }
}

fn ended(code: ErrorCode) -> SessionEnd {
    match code.is_refusal() {
        true => SessionEnd::Refused(code.text()),
        false => SessionEnd::Failed(code.text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `address:port` is a host, all else is bad.
    fn read(_: &str, data: &[u8]) -> Result<Option<Host>, &'static str> {
        let text = str::from_utf8(data).map_err(|_| "no text")?;
        let (address, port) = text.split_once(':').ok_or("no port")?;
        let host = Host::new(address, port.parse().map_err(|_| "no port")?);
        Ok((address != "drained").then_some(host))
    }

    type Reader = fn(&str, &[u8]) -> Result<Option<Host>, &'static str>;

    /// A server with the nodes of one parent, which answers what it is asked.
    struct Server {
        members: Members<Reader>,
        nodes: Vec<(&'static str, &'static str)>,
        is_there: bool,
        asked: Vec<(i32, String)>,
    }

    fn int(out: &mut Vec<u8>, number: i32) {
        out.extend_from_slice(&number.to_be_bytes());
    }

    fn text(out: &mut Vec<u8>, text: &str) {
        int(out, text.len() as i32);
        out.extend_from_slice(text.as_bytes());
    }

    fn message(xid: i32, error: i32, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        int(&mut out, xid);
        out.extend_from_slice(&[0; 8]);
        int(&mut out, error);
        out.extend_from_slice(body);
        out
    }

    fn server(nodes: &[(&'static str, &'static str)]) -> Server {
        let members = Members::new("/web", read as Reader);
        Server { members, nodes: nodes.to_vec(), is_there: true, asked: Vec::new() }
    }

    fn ports(ports: &[u16]) -> Option<Vec<u16>> {
        Some(ports.to_vec())
    }

    impl Server {
        /// Answers until nothing is asked; the ports of the new list, where there is one.
        fn run(&mut self) -> Option<Vec<u16>> {
            while let Some(request) = self.members.next_request() {
                let number =
                    |at: usize| i32::from_be_bytes(request[at..at + 4].try_into().unwrap());
                let path = str::from_utf8(&request[16..request.len() - 1]).unwrap().to_owned();
                let (xid, kind) = (number(4), number(8));
                let reply = self.reply(xid, kind, &path);
                self.asked.push((kind, path));
                self.members.receive(&reply).expect("a good answer");
            }
            let list = self.members.take_list();
            list.map(|entries| entries.hosts.iter().map(|host| host.port).collect())
        }

        fn reply(&self, xid: i32, kind: i32, path: &str) -> Vec<u8> {
            let mut body = Vec::new();
            match kind {
                _ if !self.is_there => return message(xid, -101, &[]),
                8 => {
                    int(&mut body, self.nodes.len() as i32);
                    self.nodes.iter().for_each(|(name, _)| text(&mut body, name));
                }
                4 if path == "/web/hidden" => return message(xid, -102, &[]),
                4 => match self.nodes.iter().find(|(name, _)| path == format!("/web/{name}")) {
                    Some((_, data)) => text(&mut body, data),
                    None => return message(xid, -101, &[]),
                },
                _ => {}
            }
            message(xid, 0, &body)
        }

        fn event(&mut self, kind: i32, path: &str) {
            let mut body = Vec::new();
            int(&mut body, kind);
            int(&mut body, 3);
            text(&mut body, path);
            self.members.receive(&message(-1, 0, &body)).expect("a good event");
        }
    }

    #[test]
    fn the_first_list_comes_whole_and_then_after_each_change() {
        let mut server = server(&[("a", "h:1"), ("b", "h:2")]);
        assert_eq!(server.members.take_list(), None);
        assert_eq!(server.run(), ports(&[1, 2]));
        server.nodes = vec![("b", "h:2"), ("c", "h:3")];
        server.event(4, "/web");
        assert_eq!(server.run(), ports(&[2, 3]));
        server.nodes[0].1 = "h:20";
        server.event(3, "/web/b");
        assert_eq!(server.run(), ports(&[20, 3]));
        server.event(3, "/web/b");
        assert_eq!(server.run(), None, "the same content again");
    }

    #[test]
    fn a_parent_that_is_missing_is_an_empty_list_and_waited_for() {
        let mut server = server(&[("a", "h:1")]);
        server.is_there = false;
        assert_eq!(server.run(), ports(&[]));
        assert_eq!(server.asked.last().unwrap().0, 3, "a watch of its creation");
        server.is_there = true;
        server.event(1, "/web");
        assert_eq!(server.run(), ports(&[1]));
        server.is_there = false;
        server.event(2, "/web/a");
        server.event(2, "/web");
        assert_eq!(server.run(), ports(&[]));
    }

    #[test]
    fn p15_a_bad_node_is_counted_and_the_others_serve() {
        let mut server = server(&[("a", "h:1"), ("b", "secret"), ("c", "drained:3")]);
        assert_eq!(server.run(), ports(&[1]));
        assert_eq!(server.members.take_skipped(), ["node \"b\": no port"]);
        assert_eq!(server.members.take_skipped(), [""; 0]);
        server.nodes[1].1 = "h:2";
        server.event(3, "/web/b");
        assert_eq!(server.run(), ports(&[1, 2]));
    }

    #[test]
    fn a_node_that_may_not_be_read_is_passed_over_and_the_others_serve() {
        let mut server = server(&[("a", "h:1"), ("hidden", "h:2")]);
        assert_eq!(server.run(), ports(&[1]));
        assert_eq!(server.members.take_skipped(), ["node \"hidden\": may not be read"]);
        server.nodes.remove(0);
        server.event(4, "/web");
        while let Some(request) = server.members.next_request() {
            let reply =
                server.reply(i32::from_be_bytes(request[4..8].try_into().unwrap()), 8, "/web");
            server.members.receive(&reply).expect("a good answer");
        }
        let left = server.members.take_list().unwrap();
        assert_eq!(left.unusable().as_deref(), Some("the only entry is unusable: may not be read"));
    }

    #[test]
    fn a_node_that_is_made_again_is_asked_and_watched_again() {
        let mut server = server(&[("a", "h:1")]);
        server.run();
        server.event(2, "/web/a");
        server.nodes[0].1 = "h:9";
        server.event(4, "/web");
        assert_eq!(server.run(), ports(&[9]));
        assert_eq!(server.asked.iter().filter(|(kind, _)| *kind == 4).count(), 2);
    }

    #[test]
    fn wrong_credentials_are_a_refusal_and_a_stray_answer_a_fault() {
        let mut server = server(&[]);
        let refused = server.members.receive(&message(AUTH, -115, &[]));
        assert_eq!(refused, Err(SessionEnd::Refused("authentication failed".to_owned())));
        server.members.next_request();
        assert!(matches!(
            server.members.receive(&message(1, -102, &[])),
            Err(SessionEnd::Refused(_))
        ));
        assert!(matches!(server.members.receive(&message(77, 0, &[])), Err(SessionEnd::Failed(_))));
        assert!(matches!(server.members.receive(&[1, 2]), Err(SessionEnd::Failed(_))));
    }

    #[test]
    fn p22_ten_thousand_nodes_are_asked_a_few_at_a_time() {
        let mut server = server(&[]);
        server.run();
        let names: Vec<String> = (0..10_000).map(|it| it.to_string()).collect();
        server.members.renew(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let sent = std::iter::from_fn(|| server.members.next_request()).count();
        assert_eq!(sent, UNDER_WAY);
    }
}
