//! The streams of a call: what this device publishes is made up, what it plays is counted.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::sim::intercom::output::say;
use crate::sim::intercom::play::play_stream;
use crate::sim::intercom::publish::publish_stream;
use crate::sim::intercom::stream_state::StreamState;
use crate::wire::intercom::{peer_type, Party};

/// Which streams a call has, as URLs; empty if there is none.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamPlan {
    pub(super) publish: String,
    pub(super) play: String,
    /// A door shows a picture, from before the answer on.
    pub(super) has_picture: bool,
}

/// The streams of a running call.
pub(super) struct Streams {
    shared: Arc<StreamState>,
    threads: Vec<JoinHandle<()>>,
    plays: bool,
}

impl StreamPlan {
    /// The plan of a device whose streams are at `server`, HOST:PORT.
    pub(super) fn new(server: &str, own: &Party, peer: &Party) -> Self {
        Self {
            publish: url(server, own),
            play: url(server, peer),
            has_picture: own.peer_type == peer_type::OUTER_BOX,
        }
    }
}

/// A door's sound is in the stream of its picture; everyone else has one for the sound alone.
fn url(server: &str, party: &Party) -> String {
    let id = if party.audio.is_empty() {
        &party.video
    } else {
        &party.audio
    };
    let id = String::from_utf8_lossy(id);
    match id {
        id if id.is_empty() || id.contains("://") => id.into(),
        id => format!("http://{server}/stream/{id}"),
    }
}

impl Streams {
    /// The call begins to ring.
    pub(super) fn begin(plan: &StreamPlan) -> Self {
        let shared = Arc::new(StreamState::default());
        let mut this = Self {
            shared: shared.clone(),
            threads: vec![],
            plays: !plan.play.is_empty(),
        };
        if !plan.publish.is_empty() {
            let (plan, shared) = (plan.clone(), shared.clone());
            let publish = move || publish_stream(&plan.publish, plan.has_picture, &shared);
            this.threads.push(std::thread::spawn(publish));
        }
        if this.plays {
            let play_url = plan.play.clone();
            this.threads
                .push(std::thread::spawn(move || play_stream(&play_url, &shared)));
        }
        this
    }

    /// The call was answered.
    pub(super) fn handle_answer(&self) {
        self.shared.is_answered.store(true, Ordering::SeqCst);
    }

    /// The call is over; prints what was heard and seen if it was answered.
    pub(super) fn end(self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            let _ = thread.join();
        }
        let was_answered = self.shared.is_answered.load(Ordering::SeqCst);
        if was_answered && self.plays {
            let sound_ms = self.shared.sound_ms.load(Ordering::SeqCst);
            let pictures = self.shared.pictures.load(Ordering::SeqCst);
            say(&format!("heard sound_ms={sound_ms} pictures={pictures}"));
        }
    }
}
