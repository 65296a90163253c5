//! Requests about the stick: its state, deleting recordings, ejecting it. One at a time, a bounded
//! step in each turn.

use std::io;

use crate::base::limits::play::HEADS_PER_TURN;
use crate::base::limits::{NAME_BYTES, SIDECAR_BYTES, TEXT_BYTES};
use crate::base::stats::Counter;
use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::daemon::disk::Disk;
use crate::daemon::folder_walk::{FolderWalk, WalkStep};
use crate::daemon::service::Service;
use crate::daemon::services::listing::read_sidecar;
use crate::daemon::turn::Work;
use crate::io::clock::Now;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recorder::reason::{reason, stick_reason, Reason};
use crate::proto::recorder::request::StickRequest;
use crate::proto::recorder::Recorder;
use crate::proto::recording::file_writer::DiskError;
use crate::wire::control::Text;
use crate::wire::json::Object;
use crate::wire::recording::name::{is_recording_name, sidecar_name};

/// The request that is being carried out.
#[derive(Default)]
pub(super) struct StickRequests {
    current: Option<(ClientId, State)>,
}

#[allow(clippy::large_enum_variant)] // there is one, and it does not move
enum State {
    Deleting(Deletion),
    Ejecting(Ejection),
}

/// Deleting a recording, or all parts of its call.
struct Deletion {
    file: Text<NAME_BYTES>,
    /// The call whose parts are deleted, from the sidecar of `file`.
    call: Option<CallKey>,
    walk: FolderWalk,
    count: u32,
}

/// What all parts of a call have in common.
#[derive(PartialEq, Eq)]
struct CallKey {
    id: u32,
    remote_number: Text<TEXT_BYTES>,
}

/// ```text
/// Ending -> Detached -> unmounted, or attached again because another program uses it
/// recordings,   every service has closed
/// sidecars      its files
/// ```
enum Ejection {
    Ending,
    Detached,
}

impl Service for StickRequests {
    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        if self.current.is_none() {
            let Some((client, request)) = context.stick_requests.pop_front() else {
                return Work::Done;
            };
            self.begin(client, request, context);
        }
        let Some((client, state)) = self.current.take() else {
            return more(context);
        };
        let state = match state {
            State::Deleting(deletion) => delete(client, deletion, context).map(State::Deleting),
            State::Ejecting(ejection) => eject(now, client, ejection, context).map(State::Ejecting),
        };
        // While recordings end, the loop is woken by their own deadlines, then by `next_deadline`.
        let waits = matches!(state, Some(State::Ejecting(Ejection::Ending)));
        self.current = state.map(|state| (client, state));
        match self.current {
            Some(_) if waits => Work::Done,
            Some(_) => Work::Left,
            None => more(context),
        }
    }

    fn next_deadline(&self, _now: Instant, context: &Context) -> Instant {
        let ending = matches!(self.current, Some((_, State::Ejecting(Ejection::Ending))));
        if ending && !context.recorder.uses_stick() {
            Instant::default()
        } else {
            Instant::NEVER
        }
    }

    fn holds_stick(&mut self, _now: Instant, _context: &mut Context) -> bool {
        matches!(self.current, Some((_, State::Deleting(_))))
    }
}

impl StickRequests {
    fn begin(&mut self, client: ClientId, request: StickRequest, context: &mut Context) {
        match request {
            StickRequest::Status => {
                let free = context.disk.free_bytes();
                context.recorder.answer_stick_status(client, free);
            }
            StickRequest::Delete(file, all) => {
                match Deletion::begin(file, all, &mut context.disk, &context.recorder) {
                    Ok(deletion) => self.current = Some((client, State::Deleting(deletion))),
                    Err(reason) => context.recorder.answer_deleted(client, Err(reason)),
                }
            }
            StickRequest::Eject => {
                if context.recorder.handle_eject() {
                    self.current = Some((client, State::Ejecting(Ejection::Ending)));
                } else {
                    let reason = context.recorder.no_stick();
                    context.recorder.refuse_eject(client, &reason);
                }
            }
        }
    }
}

/// Further requests wait.
fn more(context: &Context) -> Work {
    if context.stick_requests.is_empty() {
        Work::Done
    } else {
        Work::Left
    }
}

impl Deletion {
    fn begin(
        file: Text<NAME_BYTES>,
        all: bool,
        disk: &mut Disk,
        recorder: &Recorder,
    ) -> Result<Self, Reason> {
        check_unused(&file, recorder)?;
        let exists = disk.dir().and_then(|dir| dir.open_file(&file));
        exists.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                reason("not-found", &"there is no such recording on the stick")
            }
            _ => stick_reason(disk.classify(&error)),
        })?;
        let call = if all { call_of(&file, disk) } else { None };
        if call.as_ref().is_some_and(|call| recorder.records(call.id)) {
            return Err(reason("busy", &"the call is being recorded"));
        }
        Ok(Self {
            file,
            call,
            walk: FolderWalk::new(b"", false, is_recording_name),
            count: 0,
        })
    }

    /// Finds and deletes the next part; `Ok(true)` when all are deleted.
    fn step(&mut self, disk: &mut Disk, recorder: &mut Recorder) -> io::Result<bool> {
        if self.call.is_none() {
            let file = self.file.clone();
            return self.remove(&file, disk, recorder).map(|()| true);
        }
        for _ in 0..HEADS_PER_TURN {
            let name = match self.walk.next(disk.dir()?)? {
                WalkStep::Name(name) => name,
                WalkStep::Later => return Ok(false),
                WalkStep::End => return Ok(true),
            };
            let is_part = name == self.file || call_of(&name, disk) == self.call;
            if is_part && check_unused(&name, recorder).is_ok() {
                return self.remove(&name, disk, recorder).map(|()| false);
            }
        }
        Ok(false)
    }

    /// Deletes the sidecar first: a recording without one is still a recording.
    fn remove(&mut self, name: &[u8], disk: &mut Disk, recorder: &mut Recorder) -> io::Result<()> {
        // A deleted file occupies space as long as it is open.
        #[cfg(feature = "fsp")]
        disk.readers.close();
        let dir = disk.dir()?;
        if let Some(sidecar) = sidecar_name(name) {
            match dir.remove(&sidecar) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        dir.remove(name)?;
        self.count += 1;
        recorder.stats.count(Counter::Deleted);
        Ok(())
    }
}

/// One step; `None` when it is done, and answered.
fn delete(client: ClientId, mut deletion: Deletion, context: &mut Context) -> Option<Deletion> {
    let outcome = match deletion.step(&mut context.disk, &mut context.recorder) {
        Ok(false) => return Some(deletion),
        Ok(true) => Ok(deletion.count),
        Err(error) => Err(stick_reason(context.disk.classify(&error))),
    };
    context.recorder.answer_deleted(client, outcome);
    None
}

fn check_unused(name: &[u8], recorder: &Recorder) -> Result<(), Reason> {
    if recorder.in_use(name) {
        return Err(reason("busy", &"the file is being recorded"));
    }
    if recorder.plays(name) {
        return Err(reason("busy", &"the file is being played"));
    }
    Ok(())
}

/// The call that a file belongs to; `None` if it has no sidecar that says it.
fn call_of(name: &[u8], disk: &mut Disk) -> Option<CallKey> {
    let mut text = [0; SIDECAR_BYTES];
    let len = read_sidecar(disk.dir().ok()?, name, &mut text)?;
    let sidecar = Object::parse(&text[..len]).ok()?;
    let id = sidecar.text::<10>("id");
    Some(CallKey {
        id: core::str::from_utf8(&id).ok()?.parse().ok()?,
        remote_number: sidecar.text("remote_number"),
    })
}

/// One step; `None` when it is done, and answered.
fn eject(
    now: &Now,
    client: ClientId,
    ejection: Ejection,
    context: &mut Context,
) -> Option<Ejection> {
    let outcome = match ejection {
        Ejection::Ending if !context.recorder.end_on_stick(now.monotonic) => {
            return Some(Ejection::Ending)
        }
        Ejection::Ending if context.detach_stick() => return Some(Ejection::Detached),
        Ejection::Ending => Err(stick_reason(DiskError::Lost)),
        Ejection::Detached => context.unmount_stick().map_err(|error| {
            if error.raw_os_error() == Some(libc::EBUSY) {
                let words = "another program uses the stick";
                return reason("busy", &words);
            }
            stick_reason(context.disk.classify(&error))
        }),
    };
    context.recorder.answer_ejected(client, outcome);
    None
}
