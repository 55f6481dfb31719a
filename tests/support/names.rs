//! A name server in the test's own process, over UDP and TCP, that answers as a function says.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

pub const A: u16 = 1;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    pub name: String,
    pub kind: u16,
    pub tcp: bool,
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Said {
    /// Nothing at all.
    Silence,
    /// The bytes after the question's number, whatever they are.
    Garbage(Vec<u8>),
    /// No such name (3), or that the server fails (2).
    Code(u8),
    /// Records, each with its time to live in seconds and its data.
    Records(Vec<(u32, Vec<u8>)>),
}

/// A server that runs until the process ends.
#[derive(Clone, Debug)]
pub struct Names {
    pub port: u16,
    asked: Arc<Mutex<Vec<(Instant, Question)>>>,
}

impl Names {
    pub fn start(answer: impl Fn(&Question) -> Said + Send + Sync + 'static) -> Self {
        let (udp, tcp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let names = Self { port: tcp.local_addr().unwrap().port(), asked: Arc::default() };
        let answer: Arc<dyn Fn(&Question) -> Said + Send + Sync> = Arc::new(answer);
        let (over_udp, say) = (names.clone(), Arc::clone(&answer));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                if let Some(reply) = over_udp.reply(&buffer[..length], false, &*say) {
                    udp.send_to(&reply, from).unwrap();
                }
            }
        });
        let over_tcp = names.clone();
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let (names, say) = (over_tcp.clone(), Arc::clone(&answer));
                std::thread::spawn(move || names.serve(stream, &*say));
            }
        });
        names
    }

    /// The option that names this server.
    pub fn option(&self) -> String {
        format!("dns_server=127.0.0.1:{}", self.port)
    }

    /// When questions of a kind came.
    pub fn asked(&self, kind: u16) -> Vec<Instant> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(_, question)| question.kind == kind).map(|(at, _)| *at).collect()
    }

    fn serve(
        &self,
        mut stream: std::net::TcpStream,
        answer: &(dyn Fn(&Question) -> Said + Send + Sync),
    ) {
        let mut length = [0; 2];
        while stream.read_exact(&mut length).is_ok() {
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            if stream.read_exact(&mut query).is_err() {
                return;
            }
            if let Some(reply) = self.reply(&query, true, answer) {
                let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
                if stream.write_all(&[&length[..], &reply].concat()).is_err() {
                    return;
                }
            }
        }
    }

    fn reply(
        &self,
        query: &[u8],
        tcp: bool,
        answer: &(dyn Fn(&Question) -> Said + Send + Sync),
    ) -> Option<Vec<u8>> {
        let (question, end) = question(query, tcp)?;
        self.asked.lock().unwrap().push((Instant::now(), question.clone()));
        let head = |code: u8, count: u16| {
            let mut reply = query[..2].to_vec();
            reply.extend([0x85, 0x80 | code, 0, 1]);
            reply.extend(count.to_be_bytes());
            reply.extend([0; 4]);
            reply.extend(&query[12..end]);
            reply
        };
        match answer(&question) {
            Said::Silence => None,
            Said::Garbage(bytes) => Some([&query[..2], &bytes].concat()),
            Said::Code(code) => Some(head(code, 0)),
            Said::Records(records) => {
                let mut reply = head(0, u16::try_from(records.len()).unwrap());
                for (ttl, data) in records {
                    reply.extend([0xc0, 12]);
                    reply.extend(question.kind.to_be_bytes());
                    reply.extend([0, 1]);
                    reply.extend(ttl.to_be_bytes());
                    reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
                    reply.extend(data);
                }
                Some(reply)
            }
        }
    }
}

fn question(query: &[u8], tcp: bool) -> Option<(Question, usize)> {
    let (mut at, mut name) = (12, String::new());
    while let Some(length) = query.get(at).copied().filter(|length| *length > 0) {
        let label = query.get(at + 1..at + 1 + usize::from(length))?;
        name += &format!("{}.", String::from_utf8_lossy(label).to_ascii_lowercase());
        at += 1 + usize::from(length);
    }
    let kind = u16::from_be_bytes(query.get(at + 1..at + 3)?.try_into().ok()?);
    Some((Question { name, kind, tcp }, at + 5))
}

/// The data of an SRV record whose server is a name.
pub fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Vec<u8> {
    let mut data: Vec<u8> =
        [priority, weight, port].iter().flat_map(|it| it.to_be_bytes()).collect();
    for label in target.split('.').filter(|label| !label.is_empty()) {
        data.push(u8::try_from(label.len()).unwrap());
        data.extend(label.as_bytes());
    }
    data.push(0);
    data
}

/// Counts up.
pub fn next(counter: &AtomicUsize) -> usize {
    counter.fetch_add(1, Ordering::SeqCst)
}
