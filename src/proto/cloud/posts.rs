//! What a device tells the application server: one request at a time, those of a call in their
//! order. Those that fail are tried again, but for the call itself.

use core::fmt::{self, Display, Write};

use crate::base::limits::cloud::{MAX_BUSY_POSTS, MAX_POSTS, POST_ATTEMPTS, REQUEST_BYTES};
use crate::base::time::{Duration, Instant};
use crate::wire::cloud::message::{Kind, Reason, Sid};
use crate::wire::json::quote;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(4000);

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// What is told; `Call` places the call.
    pub kind: Kind,
    /// Of which call.
    pub sid: Sid,
    /// The called devices; only for `Call`.
    pub to: heapless::Vec<u32, 8>,
    /// Why, if there is a reason.
    pub reason: Reason,
}

/// A path or a body. As long as a request that is sent: one more length is one more copy of the
/// code that writes numbers and texts into it.
pub type Part = heapless::String<REQUEST_BYTES>;

impl Post {
    /// A request without reason.
    pub fn new(kind: Kind, sid: Sid) -> Self {
        Self {
            kind,
            sid,
            to: heapless::Vec::new(),
            reason: Reason::new(),
        }
    }

    /// Where it goes.
    pub fn path(&self) -> Part {
        let mut path = Part::new();
        let sid = core::str::from_utf8(&self.sid).unwrap_or_default();
        let _ = match self.kind {
            Kind::Call => path.write_str("/calls"),
            kind => write!(path, "/calls/{sid}/{}", kind.word()),
        };
        path
    }

    /// What it says; `from` is the device's own cid.
    pub fn body(&self, from: u32) -> Part {
        let mut body = Part::new();
        let written = self.write_body(from, &mut body);
        debug_assert!(written.is_ok(), "bug: a body is too long");
        body
    }

    fn write_body(&self, from: u32, body: &mut Part) -> fmt::Result {
        write!(body, "{{\"from\":{from}")?;
        if self.kind == Kind::Call {
            let sid = core::str::from_utf8(&self.sid).unwrap_or_default();
            write!(body, ",\"sid\":\"{sid}\",\"to\":")?;
            match &self.to[..] {
                [to] => write!(body, "{to}")?,
                to => write_list(body, to)?,
            }
        }
        if !self.reason.is_empty() {
            body.write_str(",\"reason\":")?;
            quote(body, &self.reason)?;
        }
        body.write_str("}")
    }
}

fn write_list(body: &mut Part, numbers: &[u32]) -> fmt::Result {
    // Not `{numbers:?}`: the phone's program and the box's have no such formatting.
    for (at, number) in numbers.iter().enumerate() {
        write!(body, "{}{number}", if at == 0 { "[" } else { "," })?;
    }
    body.write_str("]")
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The status of the response.
    Answered(u16),
    /// There was none in time.
    TimedOut,
    /// There is no connection, or what answers does not speak HTTP.
    Failed,
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "it answers {status}"),
            Self::TimedOut => f.write_str("it does not answer in time"),
            Self::Failed => f.write_str("no connection, or no HTTP"),
        }
    }
}

/// A request that waits.
struct Waiting {
    post: Post,
    /// How often it was sent.
    attempts: u32,
    not_before: Instant,
}

/// The requests that wait. Those of one call keep their order; one that is to be tried again holds
/// up no other call.
#[derive(Default)]
pub struct Posts {
    queue: heapless::Vec<Waiting, MAX_POSTS>,
    /// The place of the one that is on its way.
    sent: Option<usize>,
}

impl Posts {
    /// Adds a request. `false`: too many wait.
    pub fn push(&mut self, post: Post) -> bool {
        if post.kind == Kind::Busy && self.queue.len() >= MAX_BUSY_POSTS {
            return false;
        }
        let waiting = Waiting {
            post,
            attempts: 0,
            not_before: Instant::default(),
        };
        self.queue.push(waiting).is_ok()
    }

    /// The request that is to be sent now.
    pub fn poll(&mut self, now: Instant) -> Option<Post> {
        if self.sent.is_some() {
            return None;
        }
        let at = (0..self.queue.len()).find(|at| self.ready_at(*at) <= now)?;
        self.sent = Some(at);
        let waiting = self.queue.get_mut(at)?;
        waiting.attempts += 1;
        Some(waiting.post.clone())
    }

    /// When `poll` has one.
    pub fn next_deadline(&self) -> Instant {
        if self.sent.is_some() {
            return Instant::NEVER;
        }
        let ready = (0..self.queue.len()).map(|at| self.ready_at(at));
        ready.min().unwrap_or(Instant::NEVER)
    }

    /// When this one may be sent: after those of its call that were added before.
    fn ready_at(&self, at: usize) -> Instant {
        let (before, rest) = self.queue.split_at(at.min(self.queue.len()));
        let Some(waiting) = rest.first() else {
            return Instant::NEVER;
        };
        let sid = waiting.post.sid;
        if before.iter().any(|other| other.post.sid == sid) {
            return Instant::NEVER;
        }
        waiting.not_before
    }

    /// A request of this kind need not be sent any more.
    pub fn forget(&mut self, kind: Kind, sid: Sid) {
        let sent = self.sent;
        let is_it = |waiting: &Waiting| waiting.post.kind == kind && waiting.post.sid == sid;
        let at = self
            .queue
            .iter()
            .position(is_it)
            .filter(|at| Some(*at) != sent);
        let Some(at) = at else { return };
        self.queue.remove(at);
        self.sent = sent.map(|sent| sent - usize::from(sent > at));
    }

    /// Nothing is left to be told.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The request on its way has an outcome. Returns it if it is the last one; else it is tried
    /// again later.
    pub fn handle_outcome(&mut self, now: Instant, outcome: Outcome) -> Option<Post> {
        let at = self.sent.take()?;
        let waiting = self.queue.get_mut(at)?;
        if waiting.attempts < attempts_at(&waiting.post, outcome) {
            let pause = Duration::from_millis(1000 << (waiting.attempts - 1).min(4));
            waiting.not_before = now + pause.min(LONGEST_PAUSE);
            return None;
        }
        Some(self.queue.remove(at).post)
    }
}

/// How often a request is sent that has this outcome.
fn attempts_at(post: &Post, outcome: Outcome) -> u32 {
    match (outcome, post.kind) {
        // The token is read again: it may have been replaced.
        (Outcome::Answered(401), _) => 2,
        (Outcome::Answered(..500), _) => 1,
        // A call is placed once. That a second caller was told is not worth a second attempt.
        (_, Kind::Call | Kind::Busy) => 1,
        _ => POST_ATTEMPTS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: Sid = *b"0123456789abcdef";

    fn at(millis: u64) -> Instant {
        Instant::default() + Duration::from_millis(millis)
    }

    #[test]
    fn requests_are_written() {
        let mut post = Post::new(Kind::Call, SID);
        let _ = post.to.push(2);
        assert_eq!(post.path(), "/calls");
        assert_eq!(
            post.body(1),
            r#"{"from":1,"sid":"0123456789abcdef","to":2}"#
        );
        let _ = post.to.push(3);
        assert_eq!(
            post.body(1),
            r#"{"from":1,"sid":"0123456789abcdef","to":[2,3]}"#
        );
        let mut post = Post::new(Kind::Decline, SID);
        assert_eq!(post.path(), "/calls/0123456789abcdef/decline");
        assert_eq!(post.body(7), r#"{"from":7}"#);
        post.reason = Reason::from_slice(b"no \"time\"").unwrap();
        assert_eq!(post.body(7), r#"{"from":7,"reason":"no \"time\""}"#);
    }

    #[test]
    fn one_after_the_other_and_again_when_it_fails() {
        let mut posts = Posts::default();
        assert!(posts.push(Post::new(Kind::Ringing, SID)));
        assert!(posts.push(Post::new(Kind::Accept, SID)));
        assert_eq!(posts.poll(at(0)).unwrap().kind, Kind::Ringing);
        assert_eq!(posts.poll(at(0)), None, "one at a time");
        assert_eq!(posts.handle_outcome(at(0), Outcome::Failed), None);
        assert_eq!(
            (posts.poll(at(999)), posts.next_deadline()),
            (None, at(1000))
        );
        assert_eq!(posts.poll(at(1000)).unwrap().kind, Kind::Ringing);
        let done = posts.handle_outcome(at(1100), Outcome::Answered(200));
        assert_eq!(done.unwrap().kind, Kind::Ringing);
        for (attempt, pause) in [1000, 2000, 4000, 4000].into_iter().enumerate() {
            let now = at(10_000 * (attempt as u64 + 1));
            assert_eq!(posts.poll(now).unwrap().kind, Kind::Accept);
            assert_eq!(posts.handle_outcome(now, Outcome::Answered(503)), None);
            assert_eq!(posts.next_deadline(), now + Duration::from_millis(pause));
        }
        assert!(posts.poll(at(60_000)).is_some());
        let done = posts.handle_outcome(at(60_000), Outcome::TimedOut);
        assert_eq!(
            done.unwrap().kind,
            Kind::Accept,
            "the fifth attempt is the last"
        );
        assert!(posts.is_empty() && posts.next_deadline() == Instant::NEVER);
    }

    #[test]
    fn a_request_that_fails_holds_up_its_own_call_alone() {
        const OTHER: Sid = *b"fedcba9876543210";
        let mut posts = Posts::default();
        for (kind, sid) in [(Kind::End, SID), (Kind::Call, OTHER), (Kind::Keep, SID)] {
            assert!(posts.push(Post::new(kind, sid)));
        }
        assert_eq!(posts.poll(at(0)).unwrap().kind, Kind::End);
        assert_eq!(posts.handle_outcome(at(0), Outcome::TimedOut), None);
        assert_eq!(posts.poll(at(0)).unwrap().kind, Kind::Call);
        let done = posts.handle_outcome(at(500), Outcome::Answered(201));
        assert_eq!(done.unwrap().sid, OTHER);
        assert_eq!(
            (posts.poll(at(500)), posts.next_deadline()),
            (None, at(1000))
        );
        assert_eq!(posts.poll(at(1000)).unwrap().kind, Kind::End);
        assert!(posts
            .handle_outcome(at(1000), Outcome::Answered(200))
            .is_some());
        assert_eq!(posts.poll(at(1000)).unwrap().kind, Kind::Keep);
    }

    #[test]
    fn a_call_is_placed_once() {
        let mut posts = Posts::default();
        assert!(posts.push(Post::new(Kind::Call, SID)));
        assert!(posts.poll(at(0)).is_some());
        assert!(posts
            .handle_outcome(at(0), Outcome::Answered(502))
            .is_some());
    }

    #[test]
    fn strangers_do_not_fill_the_queue() {
        let mut posts = Posts::default();
        let taken = (0..100)
            .filter(|_| posts.push(Post::new(Kind::Busy, SID)))
            .count();
        assert_eq!(taken, MAX_BUSY_POSTS);
        assert!(posts.push(Post::new(Kind::End, SID)));
    }
}
