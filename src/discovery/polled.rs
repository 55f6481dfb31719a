//! A source that is asked now and then.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::ground::Ground;
use super::source::{Ended, Session, Source, Teller};
use crate::endpoint::Host;

/// A question to a source.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, Ended>> + Send + 'a>>;

/// An answer, and when to ask again.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The whole list; `None` where it is the one that was told last.
    pub hosts: Option<Vec<Arc<Host>>>,
    /// How long the answer holds. A call that finds no endpoint cuts this short.
    pub pause: Duration,
}

/// Asks for the whole list. What it keeps from one answer to the next, such as a connection, lasts one session.
pub trait Fetch: Send {
    /// One question.
    fn fetch<'a>(&'a mut self, ground: &'a Ground, teller: &'a Teller) -> Fetching<'a>;
}

/// How a polled source begins a session and what it is called.
pub trait Poll: fmt::Debug + Send + Sync {
    /// What asks in one session.
    fn begin(&self, ground: &Ground) -> Result<Box<dyn Fetch>, Ended>;

    /// As [`Source::describe`].
    fn describe(&self) -> String;
}

/// Makes a source of what is asked: a fetch and a pause.
#[derive(Debug)]
pub struct Polled<P>(pub P);

impl<P: Poll> Source for Polled<P> {
    fn watch<'a>(&'a self, ground: &'a Ground, teller: &'a Teller) -> Session<'a> {
        Box::pin(async move {
            match self.0.begin(ground) {
                Ok(mut fetch) => poll(&mut *fetch, ground, teller).await,
                Err(ended) => ended,
            }
        })
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

async fn poll(fetch: &mut dyn Fetch, ground: &Ground, teller: &Teller) -> Ended {
    loop {
        match fetch.fetch(ground, teller).await {
            Ok(Fetched { hosts, pause }) => {
                match hosts {
                    Some(hosts) => teller.list(hosts),
                    None => teller.alive(),
                }
                // Whether the time is up or a call wants a fresher list, the source is asked again.
                let _ = timeout(pause, ground.nudged()).await;
            }
            Err(ended) => return ended,
        }
    }
}
