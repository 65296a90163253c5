//! Lists the recordings on the stick for a client: newest first, a few files in each turn, as fast
//! as the client reads.

use crate::base::limits::play::HEADS_PER_TURN;
use crate::base::limits::{MESSAGE_BYTES, SIDECAR_BYTES};
use crate::daemon::clients::Clients;
use crate::daemon::disk::Disk;
use crate::daemon::folder_walk::{FolderWalk, WalkStep};
use crate::daemon::services::playback::open;
use crate::daemon::turn::Work;
use crate::io::dir::Dir;
use crate::io::file::Input;
use crate::proto::playback::state::PlayError;
use crate::proto::recorder::listing;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recorder::Recorder;
use crate::proto::recording::file_writer::DiskError;
use crate::wire::control::Writer;
use crate::wire::recording::name::{is_recording_name, sidecar_name};

/// The current walk through the folder, and its client. For another client, a new walk begins where
/// that client's list stopped.
#[derive(Default)]
pub(super) struct Listing {
    walk: Option<(ClientId, FolderWalk)>,
}

impl Listing {
    /// Lists some files.
    pub(super) fn step(
        &mut self,
        disk: &mut Disk,
        clients: &mut Clients,
        recorder: &Recorder,
    ) -> Work {
        let last = self.walk.as_ref().map(|(client, _)| *client);
        let Some(mut reader) = clients.next_reader(last) else {
            return Work::Done;
        };
        let other = |(client, _): &(ClientId, FolderWalk)| *client != reader.client();
        if self.walk.as_ref().is_none_or(other) {
            self.walk = Some((
                reader.client(),
                FolderWalk::new(reader.behind(), true, is_recording_name),
            ));
        }
        let Some((_, walk)) = &mut self.walk else {
            return Work::Done;
        };
        let mut buffer = [0; MESSAGE_BYTES];
        for _ in 0..HEADS_PER_TURN {
            let error = match disk.dir().and_then(|dir| walk.next(dir)) {
                Ok(WalkStep::Name(name)) => match line(&name, disk, recorder, &mut buffer) {
                    Ok(len) if reader.push(&name, &buffer[..len]) => continue,
                    Ok(_) => return Work::Left,
                    Err(()) => Some(DiskError::Busy),
                },
                Ok(WalkStep::Later) => return Work::Left,
                Ok(WalkStep::End) => None,
                Err(error) => Some(disk.classify(&error)),
            };
            let len = last_line(reader.count(), error, &mut buffer).unwrap_or(0);
            reader.end(&buffer[..len]);
            self.walk = None;
            return Work::Left;
        }
        Work::Left
    }
}

/// The line about a recording; an error if it cannot be determined now.
fn line(name: &[u8], disk: &mut Disk, recorder: &Recorder, buffer: &mut [u8]) -> Result<usize, ()> {
    let opened = open(disk, name);
    if matches!(opened, Err(PlayError::Stick(DiskError::Busy))) {
        return Err(());
    }
    let head = opened.ok().map(|(_, head, bytes)| (head, bytes));
    let mut text = [0; SIDECAR_BYTES];
    let dir = disk.dir().ok();
    let len = dir.and_then(|dir| read_sidecar(dir, name, &mut text));
    let len = len.unwrap_or(0);
    let found = listing::FoundRecording {
        name,
        head,
        in_use: recorder.in_use(name),
        sidecar: &text[..len],
    };
    Ok(found.emit(buffer).unwrap_or(0))
}

/// The sidecar of a recording.
pub(super) fn read_sidecar(dir: &Dir, name: &[u8], text: &mut [u8]) -> Option<usize> {
    let (file, _) = Input::open(dir.fd(), &sidecar_name(name)?).ok()?;
    file.read(0, text).ok()
}

fn last_line(count: usize, error: Option<DiskError>, buffer: &mut [u8]) -> Option<usize> {
    let mut writer = Writer::new(buffer, "ListResponse");
    let reason = match error {
        None => {
            return writer
                .pair("result", "success")
                .pair("count", count)
                .finish()
        }
        Some(DiskError::Busy) => "busy: no file descriptor or memory is left",
        Some(_) => "stick-lost: the stick was removed, or cannot be read",
    };
    writer.pair("result", "failed").pair("reason", reason);
    writer.finish()
}
