//! A request's body that the host produces while it is sent.
//!
//! One call at a time draws from a source, and in it one attempt at a time: what an earlier attempt left
//! behind in a transport must never draw again, or bytes would go missing from the next one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};

/// What produces the bytes.
pub trait Produce: Send + Sync {
    /// Puts the next bytes into `buffer`, which has room for one at least.
    fn produce(&self, buffer: &mut [u8]) -> Produced;

    /// Whether it could go back to the first byte.
    fn can_rewind(&self) -> bool;

    /// Goes back to the first byte; false where that failed.
    fn rewind(&self) -> bool;
}

/// What came of producing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Produced {
    /// This number of bytes is in the buffer.
    Data(usize),
    /// There are no more.
    End,
    /// Nothing yet; [`BodySource::resume`] says when to ask again.
    NotReady,
    /// There will be none, and the body is not complete.
    Failed,
}

/// A body that is drawn piece by piece.
pub struct BodySource {
    produce: Box<dyn Produce>,
    length: Option<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A call draws from it.
    held: bool,
    /// Which attempt may draw.
    turn: u64,
    /// Bytes were drawn since the start or the last rewind.
    touched: bool,
    /// The host said that there is more, since the producer was last asked.
    resumed: bool,
    waiting: Option<Waker>,
    /// Since when the attempt waits for the host.
    waits_since: Option<Instant>,
    /// What it has waited before.
    wait: BodyWait,
    /// Why the call must fail.
    fault: Option<&'static str>,
}

/// How long an attempt waited for its body. That time is the host's, and none of the endpoint's.
#[derive(Clone, Copy, Debug, Default)]
pub struct BodyWait {
    /// All of it.
    pub total: Duration,
    /// When it ended last: now, where it has not.
    pub until: Option<Instant>,
    /// It has not.
    pub goes_on: bool,
}

impl BodyWait {
    fn add(&mut self, since: Instant, until: Instant) {
        self.total += until.saturating_duration_since(since);
        self.until = Some(until);
    }
}

impl BodySource {
    /// A body of `length` bytes, or of as many as come.
    #[must_use]
    pub fn new(produce: Box<dyn Produce>, length: Option<u64>) -> Self {
        Self { produce, length, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks again a producer that was not ready; before it says so, the next such answer is not
    /// waited on.
    pub fn resume(&self) {
        let mut state = self.lock();
        state.resumed = true;
        let waiting = state.waiting.take();
        if let Some(since) = state.waits_since.take() {
            state.wait.add(since, Instant::now());
        }
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Takes the source for one call.
    ///
    /// # Errors
    /// Another call has it, or an earlier one drew bytes that cannot be drawn again.
    pub fn hold(self: &Arc<Self>) -> Result<BodyReader, Error> {
        let mut state = self.lock();
        let problem = match (state.held, state.touched && !self.produce.can_rewind()) {
            (true, _) => "is in use by another call",
            (false, true) => "was read by an earlier call and cannot be rewound",
            (false, false) => {
                state.held = true;
                state.fault = None;
                drop(state);
                return Ok(BodyReader { source: Arc::clone(self) });
            }
        };
        Err(Error::new(ErrorKind::InUse, format!("request: its body's source {problem}")))
    }
}

impl fmt::Debug for BodySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodySource").field("length", &self.length).finish_non_exhaustive()
    }
}

/// One call's hold on a source. Dropping it ends what its attempts draw.
#[derive(Debug)]
pub struct BodyReader {
    source: Arc<BodySource>,
}

impl BodyReader {
    /// The length of the body, where it is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.source.length
    }

    /// Whether the body can be drawn from its start.
    #[must_use]
    pub fn can_repeat(&self) -> bool {
        !self.source.lock().touched || self.source.produce.can_rewind()
    }

    /// Why the call must fail, where the source failed it.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        self.source.lock().fault
    }

    /// How long the present attempt has waited for the host so far.
    #[must_use]
    pub fn wait(&self, now: Instant) -> BodyWait {
        let state = self.source.lock();
        let mut wait = state.wait;
        if let Some(since) = state.waits_since {
            wait.add(since, now);
            wait.goes_on = true;
        }
        wait
    }

    /// The same of an attempt that has ended, or of which the head has come: what is waited from here on counts anew.
    pub fn take_wait(&self, now: Instant) -> BodyWait {
        let wait = self.wait(now);
        let mut state = self.source.lock();
        state.wait = BodyWait::default();
        state.waits_since = state.waits_since.map(|_| now);
        wait
    }

    /// The body from its start, for one attempt; an earlier attempt draws no more.
    ///
    /// # Errors
    /// It cannot be rewound, or it failed in an earlier attempt.
    pub fn reader(&self) -> Result<AttemptBody, BodySourceFailure> {
        let source = &self.source;
        let mut state = source.lock();
        state.turn += 1;
        (state.waiting, state.waits_since, state.wait) = (None, None, BodyWait::default());
        let (turn, touched, fault) = (state.turn, state.touched, state.fault);
        drop(state);
        // What failed once may say next that it has ended, and half a body would pass for a whole one.
        if let Some(fault) = fault {
            return Err(BodySourceFailure(fault));
        }
        // Without the lock: the host may call back.
        if touched && !(source.produce.can_rewind() && source.produce.rewind()) {
            return Err(source.fail("body source could not be rewound"));
        }
        source.lock().touched = false;
        let (source, left) = (Arc::clone(source), source.length);
        Ok(AttemptBody { source, turn, left, gives_way: false })
    }
}

impl Drop for BodyReader {
    fn drop(&mut self) {
        let mut state = self.source.lock();
        state.held = false;
        state.turn += 1;
        state.waiting = None;
    }
}

impl BodySource {
    fn fail(&self, fault: &'static str) -> BodySourceFailure {
        let mut state = self.lock();
        state.fault.get_or_insert(fault);
        // Nor does a further call begin where it broke off.
        state.touched = true;
        drop(state);
        BodySourceFailure(fault)
    }
}

/// One attempt's way through the body.
#[derive(Debug)]
pub struct AttemptBody {
    source: Arc<BodySource>,
    turn: u64,
    /// What is missing from the stated length.
    left: Option<u64>,
    /// The last piece is sent, and limits and cancels have their look, before the next one is asked for.
    gives_way: bool,
}

impl AttemptBody {
    /// Whether the stated length is reached.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.left == Some(0)
    }

    /// What is missing from the stated length.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        self.left
    }

    /// The next piece of at most `room` bytes, at least one; `None` at the end. Where a length was
    /// stated, neither less nor more is taken: a body of another length would be read as a part of
    /// the next request.
    pub fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
    ) -> Poll<Option<Result<Vec<u8>, BodySourceFailure>>> {
        if self.is_complete() {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut self.gives_way) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.begin_turn(cx) {
            ReadTurn::Own => {}
            ReadTurn::Waiting => return Poll::Pending,
            ReadTurn::Over => {
                return Poll::Ready(Some(Err(BodySourceFailure(
                    "body source is drawn by another attempt",
                ))));
            }
        }
        let mut buffer = vec![0; room];
        let (produced, was_quick) = self.produce(&mut buffer);
        match produced {
            Produced::Data(count) => self.give(buffer, count, was_quick),
            Produced::End if self.left.is_some() => self.fail("body source ended too early"),
            Produced::End => {
                self.left = Some(0);
                Poll::Ready(None)
            }
            Produced::Failed => self.fail("body source failed"),
            Produced::NotReady => {
                self.wait(cx);
                Poll::Pending
            }
        }
    }

    /// Asks the host for the next bytes. Whether it was quick, or else counted as a wait.
    fn produce(&self, buffer: &mut [u8]) -> (Produced, bool) {
        let asked = Instant::now();
        let produced = self.source.produce.produce(buffer);
        let took = asked.elapsed();
        if took >= QUICK {
            self.source.lock().wait.add(asked, asked + took);
        }
        (produced, took < QUICK)
    }

    /// The piece of which the host has filled `count` bytes.
    fn give(
        &mut self,
        mut piece: Vec<u8>,
        count: usize,
        was_quick: bool,
    ) -> Poll<Option<Result<Vec<u8>, BodySourceFailure>>> {
        if self.left.is_some_and(|left| count as u64 > left) {
            return self.fail("body source gave more than its length");
        }
        if !(1..=piece.len()).contains(&count) {
            return self.fail("body source gave a length that cannot be");
        }
        let is_small = count < piece.len() / 2;
        piece.truncate(count);
        if is_small {
            piece.shrink_to_fit();
        }
        self.gives_way = is_small || !was_quick;
        self.left = self.left.map(|left| left - count as u64);
        self.source.lock().touched = true;
        Poll::Ready(Some(Ok(piece)))
    }

    fn fail<T>(&self, fault: &'static str) -> Poll<Option<Result<T, BodySourceFailure>>> {
        Poll::Ready(Some(Err(self.source.fail(fault))))
    }

    fn begin_turn(&self, cx: &Context<'_>) -> ReadTurn {
        let mut state = self.source.lock();
        if !state.held || state.turn != self.turn {
            return ReadTurn::Over;
        }
        if let Some(waiting) = &mut state.waiting {
            waiting.clone_from(cx.waker());
            return ReadTurn::Waiting;
        }
        state.resumed = false;
        ReadTurn::Own
    }

    fn wait(&self, cx: &Context<'_>) {
        let mut state = self.source.lock();
        // A turn of the driver's loop lies between: a host that always resumes must not stall the others.
        match state.resumed {
            true => cx.waker().wake_by_ref(),
            false => {
                state.waiting = Some(cx.waker().clone());
                state.waits_since = Some(Instant::now());
            }
        }
    }
}

/// A function that hands out small pieces, or takes longer than this for one, may wait for the next: meanwhile nothing of
/// its call would move. What fills its buffer at once has more at hand, and several pieces go to the socket together.
const QUICK: Duration = Duration::from_millis(1);

enum ReadTurn {
    Own,
    /// The host has not said yet that there is more.
    Waiting,
    /// The call has ended, or another attempt draws.
    Over,
}

/// Why a body cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySourceFailure(&'static str);

impl fmt::Display for BodySourceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BodySourceFailure {}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Answers by a list, and counts its rewinds.
    struct Script {
        answers: Mutex<VecDeque<Produced>>,
        rewinds: Option<Arc<AtomicUsize>>,
    }

    impl Produce for Script {
        fn produce(&self, buffer: &mut [u8]) -> Produced {
            let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Produced::End);
            if let Produced::Data(count) = answer
                && let Some(start) = buffer.get_mut(..count)
            {
                start.fill(b'x');
            }
            answer
        }

        fn can_rewind(&self) -> bool {
            self.rewinds.is_some()
        }

        fn rewind(&self) -> bool {
            self.rewinds.as_ref().is_some_and(|count| count.fetch_add(1, Ordering::SeqCst) == 0)
        }
    }

    fn source(answers: &[Produced], length: Option<u64>, rewinds: bool) -> Arc<BodySource> {
        let answers = Mutex::new(answers.iter().copied().collect());
        let rewinds = rewinds.then(Arc::default);
        Arc::new(BodySource::new(Box::new(Script { answers, rewinds }), length))
    }

    /// Polls it where it need not give way first.
    fn poll(reader: &mut AttemptBody) -> Poll<Option<Result<Vec<u8>, BodySourceFailure>>> {
        let mut cx = Context::from_waker(Waker::noop());
        let must_wait = reader.gives_way && !reader.is_complete();
        assert!(!must_wait || reader.poll_piece(&mut cx, 8).is_pending());
        reader.poll_piece(&mut cx, 8)
    }

    fn is_fault(polled: &Poll<Option<Result<Vec<u8>, BodySourceFailure>>>) -> bool {
        matches!(polled, Poll::Ready(Some(Err(_))))
    }

    #[test]
    fn the_stated_length_is_kept() {
        let exact = source(&[Produced::Data(3), Produced::Data(2)], Some(5), false);
        let mut reader = exact.hold().unwrap().reader().unwrap();
        assert!(is_fault(&poll(&mut reader)), "the call has ended");
        let draw = exact.hold().unwrap();
        let mut reader = draw.reader().unwrap();
        assert_eq!(poll(&mut reader), Poll::Ready(Some(Ok(b"xxx".to_vec()))));
        assert_eq!(poll(&mut reader), Poll::Ready(Some(Ok(b"xx".to_vec()))));
        assert!(reader.is_complete());
        assert_eq!(poll(&mut reader), Poll::Ready(None));

        for (answers, length) in [
            (&[Produced::Data(3), Produced::End][..], Some(5)),
            (&[Produced::Data(3), Produced::Data(3)], Some(5)),
            (&[Produced::Data(3), Produced::Data(0)], None),
            (&[Produced::Data(3), Produced::Data(9)], None),
            (&[Produced::Data(3), Produced::Failed], None),
        ] {
            let draw = source(answers, length, false).hold().unwrap();
            let mut reader = draw.reader().unwrap();
            assert!(matches!(poll(&mut reader), Poll::Ready(Some(Ok(_)))));
            assert!(is_fault(&poll(&mut reader)), "{answers:?}");
            assert!(draw.fault().is_some());
            assert!(draw.reader().is_err(), "it would break off again, or seem to have ended");
        }
    }

    #[test]
    fn an_untouched_body_can_be_sent_again_and_another_only_after_a_rewind() {
        let fixed = source(&[Produced::NotReady, Produced::Data(1)], None, false);
        let draw = fixed.hold().unwrap();
        assert!(fixed.hold().is_err(), "one call at a time");
        let mut first = draw.reader().unwrap();
        assert!(poll(&mut first).is_pending() && draw.can_repeat());
        assert!(poll(&mut first).is_pending(), "not asked again unless resumed");
        let mut second = draw.reader().unwrap();
        assert!(is_fault(&poll(&mut first)), "its turn is over");
        assert!(matches!(poll(&mut second), Poll::Ready(Some(Ok(_)))));
        assert!(!draw.can_repeat() && draw.reader().is_err());
        drop(draw);
        assert!(fixed.hold().is_err(), "what was drawn is gone");

        let rewound = source(&[Produced::Data(1), Produced::Data(1)], None, true);
        let draw = rewound.hold().unwrap();
        assert!(!is_fault(&poll(&mut draw.reader().unwrap())) && draw.can_repeat());
        assert!(!is_fault(&poll(&mut draw.reader().unwrap())));
        assert!(draw.reader().is_err(), "its second rewind fails");
        assert!(draw.fault().is_some());
    }

    #[test]
    fn a_small_piece_is_sent_before_the_next_is_asked_for() {
        let answers = [Produced::Data(8), Produced::Data(3), Produced::Data(8)];
        let draw = source(&answers, None, false).hold().unwrap();
        let mut reader = draw.reader().unwrap();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        while !reader.gives_way {
            assert!(reader.poll_piece(&mut cx, 8).is_ready());
        }
        assert!(reader.poll_piece(&mut cx, 8).is_pending());
        assert_eq!(count.0.load(Ordering::SeqCst), 1, "it is polled again at once");
        assert!(reader.poll_piece(&mut cx, 8).is_ready());
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_resume_wakes_whether_it_comes_before_or_after() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let source = source(&[Produced::NotReady, Produced::Data(1)], None, false);
        let draw = source.hold().unwrap();
        let mut reader = draw.reader().unwrap();
        assert!(reader.poll_piece(&mut cx, 8).is_pending());
        source.resume();
        source.resume();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(reader.poll_piece(&mut cx, 8).is_ready());

        /// Resumes from inside, as a host on another thread may at that moment.
        struct Hasty(Mutex<Option<Arc<BodySource>>>);
        impl Produce for Hasty {
            fn produce(&self, _: &mut [u8]) -> Produced {
                self.0.lock().unwrap().as_ref().unwrap().resume();
                Produced::NotReady
            }
            fn can_rewind(&self) -> bool {
                false
            }
            fn rewind(&self) -> bool {
                false
            }
        }
        let hasty = Arc::new(Hasty(Mutex::default()));
        struct Shared(Arc<Hasty>);
        impl Produce for Shared {
            fn produce(&self, buffer: &mut [u8]) -> Produced {
                self.0.produce(buffer)
            }
            fn can_rewind(&self) -> bool {
                false
            }
            fn rewind(&self) -> bool {
                false
            }
        }
        let source = Arc::new(BodySource::new(Box::new(Shared(Arc::clone(&hasty))), None));
        *hasty.0.lock().unwrap() = Some(Arc::clone(&source));
        let draw = source.hold().unwrap();
        assert!(draw.reader().unwrap().poll_piece(&mut cx, 8).is_pending());
        assert_eq!(count.0.load(Ordering::SeqCst), 2, "it is asked again");
        *hasty.0.lock().unwrap() = None;
    }
}
