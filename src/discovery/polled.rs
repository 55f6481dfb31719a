//! A source that is asked now and then.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::source::{Session, SessionEnd, Source, UpdateChannel};
use super::source_context::SourceContext;
use crate::endpoint::Host;

/// A question to a source.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, SessionEnd>> + Send + 'a>>;

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
    fn fetch<'a>(
        &'a mut self,
        context: &'a SourceContext,
        updates: &'a UpdateChannel,
    ) -> Fetching<'a>;
}

/// How a polled source begins a session and what it is called.
pub trait Poll: fmt::Debug + Send + Sync {
    /// What asks in one session.
    fn begin(&self, context: &SourceContext) -> Result<Box<dyn Fetch>, SessionEnd>;

    /// As [`Source::describe`].
    fn describe(&self) -> String;
}

/// Makes a source of what is asked: a fetch and a pause.
#[derive(Debug)]
pub struct Polled<P>(pub P);

impl<P: Poll> Source for Polled<P> {
    fn watch<'a>(&'a self, context: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
        Box::pin(async move {
            match self.0.begin(context) {
                Ok(mut fetch) => poll(&mut *fetch, context, updates).await,
                Err(ended) => ended,
            }
        })
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

async fn poll(
    fetch: &mut dyn Fetch,
    context: &SourceContext,
    updates: &UpdateChannel,
) -> SessionEnd {
    loop {
        match fetch.fetch(context, updates).await {
            Ok(Fetched { hosts, pause }) => {
                match hosts {
                    Some(hosts) => updates.list(hosts),
                    None => updates.alive(),
                }
                // Whether the time is up or a call wants a fresher list, the source is asked again.
                let _ = timeout(pause, context.refresh_requested()).await;
            }
            Err(ended) => return ended,
        }
    }
}
