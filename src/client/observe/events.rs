//! Events for the host: to its function, or on a queue that it reads when it likes.

use std::sync::Arc;
use std::time::SystemTime;

use super::attribution;
use super::event_record::EventRecord;
use crate::client::completion::queue::Queue;
use crate::event::{Event, Observer};
use crate::runtime::host::callback;
use crate::runtime::process;

/// The host's function.
pub type OnEvent = Arc<dyn Fn(&EventRecord) + Send + Sync>;

/// Where events go.
#[derive(Clone)]
pub struct EventSink {
    to: Destination,
    /// The process that it was made in: a forked child must not touch its parent's queue.
    made_in: u32,
}

#[derive(Clone)]
enum Destination {
    Function(OnEvent),
    Queue(Arc<Queue>),
}

impl std::fmt::Debug for EventSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventSink").field("made_in", &self.made_in).finish_non_exhaustive()
    }
}

impl EventSink {
    /// To a function of the host, on the thread where the event happens; in a forked child as well.
    #[must_use]
    pub fn function(function: OnEvent) -> Self {
        Self { to: Destination::Function(function), made_in: process::generation() }
    }

    /// To a queue, where the host reads them; not in a forked child.
    #[must_use]
    pub fn queue(queue: Arc<Queue>) -> Self {
        Self { to: Destination::Queue(queue), made_in: process::generation() }
    }
}

impl Observer for EventSink {
    fn observe(&self, event: &Event<'_>) {
        // The wall clock: events are for people and for other hosts.
        let Some(mut record) = EventRecord::of(event, SystemTime::now()) else { return };
        record.user_data = attribution::current();
        match &self.to {
            Destination::Function(function) => callback::run(|| function(&record)),
            Destination::Queue(queue) if self.made_in == process::generation() => {
                queue.push_event(record);
            }
            Destination::Queue(_) => {}
        }
    }
}
