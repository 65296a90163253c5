//! Recordings that power or a pulled stick left unfinished are made whole: at start, and when a stick
//! comes. A few files in each turn, so that nothing else waits. Never a file in use; no audio is deleted.

use log::{info, warn};

use crate::base::limits::REPAIRS_PER_TURN;
use crate::base::stats::Counter;
use crate::daemon::disk::Disk;
use crate::io::dir::Names;
use crate::proto::recorder::Recorder;
use crate::recordings::repair::{repair, Refusal, RepairOutcome};
use crate::wire::recording::is_recording_name;

/// A walk over the stick's files.
pub(super) struct Repair {
    names: Names,
}

impl Repair {
    pub(super) fn begin(disk: &mut Disk) -> Option<Self> {
        Some(Self {
            names: disk.dir().ok()?.names().ok()?,
        })
    }

    /// Looks at the next files; `false` at the end.
    pub(super) fn step(&mut self, disk: &mut Disk, recorder: &mut Recorder) -> bool {
        for _ in 0..REPAIRS_PER_TURN {
            let (Ok(dir), Ok(Some(name))) = (disk.dir(), self.names.next_file()) else {
                return false;
            };
            if !is_recording_name(name) || recorder.in_use(name) {
                continue;
            }
            let outcome = dir.open_file(name).and_then(|file| repair(&file, false));
            let name = core::str::from_utf8(name).unwrap_or("?");
            match outcome {
                Ok(RepairOutcome::Repaired { extent, .. }) => {
                    recorder.stats.count(Counter::Repaired);
                    info!("{name}: made whole, {} frames", extent.frames);
                }
                Ok(RepairOutcome::Inconsistent | RepairOutcome::Refused(Refusal::Damaged)) => {
                    warn!("{name}: {}", Refusal::Damaged.description())
                }
                Ok(_) => {}
                Err(error) => warn!("{name}: cannot be repaired: {error}"),
            }
        }
        true
    }
}
