//! The addresses of both kinds that a name has.
//!
//! Both are asked for of one candidate of the search list, and the next one follows only where it has neither. Looked for
//! one by one, the two kinds could be those of two hosts, and a request meant for one would go to the other.

use std::future::Future;
use std::pin::pin;

use hickory_resolver::proto::rr::Name;
use tokio::time::timeout;

use super::cached_name::{Answer, RESOLUTION_DELAY};
use super::lookup_error::LookupError;
use super::query::{self, QUESTIONS, Servers};
use super::search::Certainty;

/// Asks for the addresses of `name`, and tells the answers to the `wanted` ones of [`QUESTIONS`] as soon as they are known.
pub(super) async fn look_for(
    servers: &Servers,
    name: Name,
    wanted: &[usize],
    tell: impl Fn(usize, Answer),
) {
    let candidates = servers.search.candidates(name);
    let is_only = candidates.len() == 1;
    let mut so_far = None;
    for candidate in candidates {
        let ask = async |index: usize| {
            if is_only && !wanted.contains(&index) {
                return None;
            }
            let answer = query::ask(servers, candidate.name.clone(), QUESTIONS[index]).await;
            match answer {
                Answer::Nothing(..) | Answer::Failed(_) if !is_only => Some(answer),
                told => {
                    tell(index, told);
                    None
                }
            }
        };
        match both(ask(0), ask(1), is_only).await {
            (Some(first), Some(second)) => {
                let may_go_on = candidate.may_be_another(certainty(&first).max(certainty(&second)));
                so_far = Some(heavier(Some(heavier(so_far, first)), second));
                if !may_go_on {
                    break;
                }
            }
            // It has addresses, of one kind at least.
            (first, second) => {
                first.into_iter().for_each(|answer| tell(0, answer));
                second.into_iter().for_each(|answer| tell(1, answer));
                return;
            }
        }
    }
    if let Some(answer) = so_far {
        wanted.iter().for_each(|&index| tell(index, answer.clone()));
    }
}

/// What is still to be told of both kinds of address. A name that does not exist has neither (RFC 8020), so that the other
/// answer is waited for no longer than an address would be: some servers never answer to AAAA, and some deny a name that
/// has none.
async fn both(
    first: impl Future<Output = Option<Answer>>,
    second: impl Future<Output = Option<Answer>>,
    is_only: bool,
) -> (Option<Answer>, Option<Answer>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    tokio::select! {
        one = &mut first => {
            let other = beside(&one, second, is_only).await;
            (one, other)
        }
        one = &mut second => {
            let other = beside(&one, first, is_only).await;
            (other, one)
        }
    }
}

async fn beside(
    one: &Option<Answer>,
    other: impl Future<Output = Option<Answer>>,
    is_only: bool,
) -> Option<Answer> {
    match one {
        Some(Answer::Nothing(error, _)) if !is_only && *error == LookupError::no_such_name() => {
            timeout(RESOLUTION_DELAY, other).await.unwrap_or_else(|_| one.clone())
        }
        _ => other.await,
    }
}

/// What answers without addresses say together, for as long as all of them hold.
fn heavier(so_far: Option<Answer>, next: Answer) -> Answer {
    match (so_far, next) {
        (None, next) => next,
        (Some(Answer::Nothing(one, one_ttl)), Answer::Nothing(other, other_ttl)) => {
            let error = if other.weight() > one.weight() { other } else { one };
            Answer::Nothing(error, one_ttl.min(other_ttl))
        }
        (Some(failed @ Answer::Failed(_)), _) | (_, failed) => failed,
    }
}

fn certainty(answer: &Answer) -> Certainty {
    match answer {
        Answer::Addresses(..) | Answer::Nothing(..) => Certainty::Certain,
        Answer::Failed(error) if error.is_said() => Certainty::Refused,
        Answer::Failed(_) => Certainty::Silent,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
    use std::time::Duration;

    use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
    use hickory_resolver::proto::rr::{RData, Record, RecordType};
    use tokio::runtime::Handle;

    use super::*;
    use crate::transport::dns::records::{NameServers, RecordKind, Unanswered};
    use crate::transport::dns::resolver::{Resolver, Source};
    use crate::transport::dns::search::SearchList;
    use crate::transport::dns::settings::Settings;

    fn name_of(text: &str) -> Name {
        query::name(text).unwrap()
    }

    /// What a name server says of a name's addresses of one kind.
    #[derive(Clone, Copy)]
    enum Said {
        Address,
        /// The name exists, and has none.
        None,
        NoSuchName,
        Fails,
        Nothing,
    }

    /// A name server that says this of a name; whether addresses of IPv4 are asked for comes along.
    fn name_server(says: impl Fn(&str, bool) -> Said + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let query = Message::from_vec(&buffer[..length]).unwrap();
                let asked = &query.queries[0];
                let is_v4 = asked.query_type() == RecordType::A;
                let mut reply = Message::response(query.metadata.id, OpCode::Query);
                reply.add_query(asked.clone());
                match says(&asked.name().to_utf8(), is_v4) {
                    Said::Address => {
                        let data = match is_v4 {
                            true => RData::A(Ipv4Addr::LOCALHOST.into()),
                            false => RData::AAAA(Ipv6Addr::LOCALHOST.into()),
                        };
                        reply.add_answer(Record::from_rdata(asked.name().clone(), 60, data));
                    }
                    Said::None => {}
                    Said::NoSuchName => reply.metadata.response_code = ResponseCode::NXDomain,
                    Said::Fails => reply.metadata.response_code = ResponseCode::ServFail,
                    Said::Nothing => continue,
                }
                socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
            }
        });
        address
    }

    /// What a name is found to be where such a server is asked and the list is `a.test b.test`: by a client's resolver, and
    /// by a source of endpoints that goes by records.
    async fn found(
        name: &str,
        says: impl Fn(&str, bool) -> Said + Clone + Send + 'static,
    ) -> (Result<Vec<IpAddr>, String>, [Result<usize, Unanswered>; 2]) {
        let address = name_server(says);
        let limit = Duration::from_millis(600);
        let domains = vec![name_of("a.test."), name_of("b.test.")];
        let search = SearchList { domains, ndots: 1 };
        let settings = Settings { search, ..Settings::at(&[address], limit) };
        let servers = query::servers_of(&settings).unwrap();
        let records = NameServers::with(settings);
        let resolver = Resolver::with_source(Handle::current(), Source::Given(Ok(servers)));
        let by_resolver = resolver.lookup(name).await.map_err(|error| error.to_string());
        let records = records.unwrap();
        let of_kind = async |kind| {
            records.ask(name, kind, false).await.map(|records| records.addresses.len())
        };
        (by_resolver, [of_kind(RecordKind::Aaaa).await, of_kind(RecordKind::A).await])
    }

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    fn nothing(is_name: bool) -> Result<usize, Unanswered> {
        Err(Unanswered::Nothing { is_name, ttl: None })
    }

    #[tokio::test]
    async fn both_families_are_those_of_one_name() {
        let (resolved, records) = found("svc", |name, is_v4| match (name, is_v4) {
            ("svc.a.test.", true) | ("svc.b.test.", false) => Said::Address,
            ("svc.a.test." | "svc.b.test.", _) => Said::None,
            _ => Said::NoSuchName,
        })
        .await;
        assert_eq!((resolved, records), (Ok(vec![V4]), [nothing(true), Ok(1)]));
    }

    #[tokio::test]
    async fn a_wildcard_in_the_list_takes_no_family_of_a_full_name() {
        for denied in [Said::None, Said::NoSuchName] {
            let says = move |name: &str, is_v4| match (name, is_v4) {
                ("api.test.", true) => Said::Address,
                ("api.test.", false) => denied,
                _ => Said::Address,
            };
            let (resolved, records) = found("api.test", says).await;
            assert_eq!((resolved, records[1].clone()), (Ok(vec![V4]), Ok(1)));
            assert!(records[0].is_err());
        }
    }

    #[tokio::test]
    async fn the_next_one_is_asked_for_where_there_is_neither() {
        let (resolved, records) = found("svc", |name, _| match name {
            "svc.a.test." => Said::None,
            "svc.b.test." => Said::Address,
            _ => Said::NoSuchName,
        })
        .await;
        assert_eq!((resolved, records), (Ok(vec![V6, V4]), [Ok(1), Ok(1)]));
    }

    #[tokio::test]
    async fn servers_that_fail_for_one_of_the_list_are_asked_for_the_next() {
        let (resolved, records) = found("svc", |name, _| match name {
            "svc.a.test." => Said::Fails,
            _ => Said::Address,
        })
        .await;
        assert_eq!((resolved, records), (Ok(vec![V6, V4]), [Ok(1), Ok(1)]));
    }

    #[tokio::test]
    async fn servers_that_fail_for_the_name_itself_are_asked_for_no_other() {
        for said in [Said::Fails, Said::Nothing] {
            let says = move |name: &str, _| if name == "api.test." { said } else { Said::Address };
            let (resolved, records) = found("api.test", says).await;
            assert!(resolved.unwrap_err().starts_with("name service "));
            assert!(records.iter().all(|it| matches!(it, Err(Unanswered::Failed(_)))));
        }
    }

    #[tokio::test]
    async fn a_failure_or_a_name_without_addresses_is_told_rather_than_that_there_is_no_name() {
        let failing = |name: &str, _| match name {
            "svc.a.test." => Said::Fails,
            _ => Said::NoSuchName,
        };
        let (resolved, records) = found("svc", failing).await;
        assert_eq!(resolved.unwrap_err(), "name service failed");
        assert!(records.iter().all(|it| matches!(it, Err(Unanswered::Failed(_)))));
        let empty = |name: &str, _| match name {
            "api.test." => Said::None,
            _ => Said::NoSuchName,
        };
        let (resolved, records) = found("api.test", empty).await;
        assert_eq!(resolved.unwrap_err(), "name has no address at present");
        assert_eq!(records, [nothing(true), nothing(true)]);
        let (resolved, records) = found("svc", |_, _| Said::NoSuchName).await;
        assert_eq!(resolved.unwrap_err(), "no such name");
        assert_eq!(records, [nothing(false), nothing(false)]);
    }

    #[tokio::test]
    async fn a_full_name_is_completed_by_no_list() {
        let address = name_server(|name, _| match name {
            "node.a.test." => Said::Address,
            _ => Said::NoSuchName,
        });
        let search = SearchList { domains: vec![name_of("a.test.")], ndots: 1 };
        let settings = Settings::at(&[address], Duration::from_secs(5));
        let records = NameServers::with(Settings { search, ..settings }).unwrap();
        assert!(records.ask("node", RecordKind::A, false).await.is_ok());
        let full = records.ask_full("node", RecordKind::A, false).await;
        assert_eq!(full, Err(Unanswered::Nothing { is_name: false, ttl: None }));
    }

    #[tokio::test]
    async fn servers_that_never_answer_to_aaaa_hold_up_no_search() {
        let says = |name: &str, is_v4| match (name, is_v4) {
            (_, false) => Said::Nothing,
            ("svc.b.test.", true) => Said::Address,
            _ => Said::NoSuchName,
        };
        let (resolved, records) = found("svc", says).await;
        assert_eq!((resolved, records[1].clone()), (Ok(vec![V4]), Ok(1)));
    }
}
