//! One control client: its connection, and the reply that it is still to be sent.

use crate::base::limits::{MESSAGE_BYTES, REMARK_BYTES};
use crate::daemon::folder_walk::FileName;
use crate::io::control::Client;
use crate::proto::recorder::line_check::Remarks;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recorder::Recorder;

/// One client, or a free slot.
pub(super) struct ControlClient {
    pub(super) client: Client,
    pub(super) id: ClientId,
    /// It has sent a line.
    pub(super) has_sent: bool,
    pub(super) subscribed: bool,
    pub(super) reply: Reply,
    /// What the response to its last line adds.
    pub(super) remarks: Remarks,
}

/// The reply that a client is still to be sent; until then none of its lines is read.
pub(super) enum Reply {
    Nothing,
    /// A response that `deliver` will queue.
    Later,
    /// The counters.
    Stats,
    /// The running recordings: the response can be longer than the client's buffer.
    Status(StatusWalk),
    /// What is now, for a new subscriber; first the stick, with so many free bytes.
    Now(Option<u64>, StatusWalk),
    /// The recordings on the stick.
    List(Listed),
    /// The log of the intercom's calls.
    #[cfg(feature = "intercom")]
    Calls(CallWalk),
    /// After `Now`: what is now of the intercom, from the event with this number on.
    #[cfg(feature = "intercom")]
    IntercomNow(usize),
}

/// What follows when all was told of recordings and players.
#[cfg(feature = "intercom")]
const AFTER_NOW: Reply = Reply::IntercomNow(0);
#[cfg(not(feature = "intercom"))]
const AFTER_NOW: Reply = Reply::Nothing;

/// The progress of a list of calls.
#[cfg(feature = "intercom")]
#[derive(Clone, Copy)]
pub(super) struct CallWalk {
    /// The key of the call that was listed last, or of none; older ones follow.
    pub(super) before: u64,
    /// So many may follow.
    pub(super) left: usize,
    /// So many were listed.
    pub(super) count: usize,
}

/// A client that has room for more lines of its list of calls.
#[cfg(feature = "intercom")]
pub(super) struct CallReader<'a> {
    pub(super) client: &'a mut ControlClient,
    pub(super) walk: CallWalk,
}

#[cfg(feature = "intercom")]
impl CallReader<'_> {
    /// Queues a line about this call; `false` when there is no room for another one.
    pub(super) fn push(&mut self, key: u64, line: &[u8]) -> bool {
        self.walk.before = key;
        self.walk.left -= 1;
        self.walk.count += 1;
        self.client.reply = Reply::Calls(self.walk);
        self.client.client.push_line(line) && has_room(&self.client.client)
    }

    /// Queues the last line.
    pub(super) fn end(&mut self, line: &[u8]) {
        self.client.reply = Reply::Nothing;
        let client = &mut self.client.client;
        let queued = push_response(client, line, &mut self.client.remarks);
        debug_assert!(queued, "bug: room was checked");
    }
}

/// The progress of a list.
#[derive(Default)]
pub(super) struct Listed {
    /// The recording that was listed last.
    behind: FileName,
    pub(super) count: usize,
}

/// A client that has room for more lines of its list.
pub(super) struct ListReader<'a> {
    pub(super) client: &'a mut ControlClient,
}

/// The progress of a status response.
#[derive(Clone, Copy)]
pub(super) struct StatusWalk {
    pub(super) slot: usize,
    pub(super) count: usize,
    pub(super) id: Option<u32>,
}

impl ListReader<'_> {
    pub(super) fn client(&self) -> ClientId {
        self.client.id
    }

    /// The recording that was listed last.
    pub(super) fn behind(&self) -> &[u8] {
        match &self.client.reply {
            Reply::List(list) => &list.behind,
            _ => &[],
        }
    }

    pub(super) fn count(&self) -> usize {
        match &self.client.reply {
            Reply::List(list) => list.count,
            _ => 0,
        }
    }

    /// Queues a line about this recording; `false` when there is no room for another one.
    pub(super) fn push(&mut self, name: &FileName, line: &[u8]) -> bool {
        if let Reply::List(list) = &mut self.client.reply {
            list.behind.clone_from(name);
            list.count += 1;
        }
        let queued = line.is_empty() || self.client.client.push_line(line);
        queued && has_room(&self.client.client)
    }

    /// Queues the last line.
    pub(super) fn end(&mut self, line: &[u8]) {
        self.client.reply = Reply::Nothing;
        let client = &mut self.client.client;
        let queued = push_response(client, line, &mut self.client.remarks);
        debug_assert!(queued, "bug: room was checked");
    }
}

impl ControlClient {
    /// A reply is pending.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.reply, Reply::Nothing)
    }

    /// There is work to do for the client, and room for the result.
    pub(super) fn has_work(&self) -> bool {
        let works = match self.reply {
            Reply::Nothing => self.client.has_more(),
            Reply::Later => false,
            Reply::Stats | Reply::Status(_) | Reply::Now(..) | Reply::List(_) => true,
            #[cfg(feature = "intercom")]
            Reply::Calls(_) | Reply::IntercomNow(_) => true,
        };
        works && has_room(&self.client)
    }

    /// Queues the counters, or lines of a status response, while there is room.
    pub(super) fn write_replies(&mut self, recorder: &Recorder) {
        let mut buffer = [0; MESSAGE_BYTES];
        while has_room(&self.client) {
            let line = match self.reply {
                Reply::Stats => {
                    self.reply = Reply::Nothing;
                    recorder.stats_line(&mut buffer)
                }
                Reply::Status(walk) => self.next_status(walk, recorder, &mut buffer),
                Reply::Now(free, walk) => match self.next_now(free, walk, recorder, &mut buffer) {
                    Some(line) => Some(line),
                    None => continue,
                },
                Reply::Nothing | Reply::Later | Reply::List(_) => return,
                #[cfg(feature = "intercom")]
                Reply::Calls(_) | Reply::IntercomNow(_) => return,
            };
            let queued = line.is_some_and(|line| match self.reply {
                Reply::Nothing => push_response(&mut self.client, line, &mut self.remarks),
                _ => self.client.push_line(line),
            });
            debug_assert!(queued, "bug: room was checked");
        }
    }

    /// The next event about what is now; `None` if there is none, and no further one either if the
    /// reply is complete.
    fn next_now<'a>(
        &mut self,
        free: Option<u64>,
        walk: StatusWalk,
        recorder: &Recorder,
        buffer: &'a mut [u8; MESSAGE_BYTES],
    ) -> Option<&'a [u8]> {
        if let Some(free) = free {
            self.reply = Reply::Now(None, walk);
            return recorder.stick_line(free, buffer);
        }
        let Some(slot) = recorder.next_status(walk.slot, None) else {
            self.reply = AFTER_NOW;
            return None;
        };
        let slot_after = StatusWalk {
            slot: slot + 1,
            ..walk
        };
        self.reply = Reply::Now(None, slot_after);
        recorder.event_line(slot, buffer)
    }

    pub(super) fn next_status<'a>(
        &mut self,
        walk: StatusWalk,
        recorder: &Recorder,
        buffer: &'a mut [u8; MESSAGE_BYTES],
    ) -> Option<&'a [u8]> {
        let Some(slot) = recorder.next_status(walk.slot, walk.id) else {
            self.reply = Reply::Nothing;
            return recorder.status_end(walk.count, buffer);
        };
        // The players follow the recordings, and have a count of their own.
        let is_recording = slot < recorder.slots();
        self.reply = Reply::Status(StatusWalk {
            slot: slot + 1,
            count: walk.count + usize::from(is_recording),
            id: walk.id,
        });
        recorder.status_line(slot, buffer)
    }
}

/// Queues a response, with what it adds about the client's line.
pub(super) fn push_response(client: &mut Client, line: &[u8], remarks: &mut Remarks) -> bool {
    if remarks.is_empty() {
        return client.push_line(line);
    }
    let remarks = core::mem::take(remarks);
    client.push(line) && client.push_line(remarks.as_bytes())
}

/// There is room for the longest message and what it adds.
pub(super) fn has_room(client: &Client) -> bool {
    client.room() > MESSAGE_BYTES + REMARK_BYTES + 1
}
