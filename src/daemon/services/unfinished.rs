//! Completes recordings that were interrupted by a power failure or by pulling out the stick: at
//! start, and when a stick is inserted. A few files in each turn, so that nothing else is delayed.
//! Files in use are skipped, and no audio is deleted.

use log::{info, warn};

use crate::base::limits::REPAIRS_PER_TURN;
use crate::base::stats::Counter;
use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::daemon::disk::Disk;
use crate::daemon::service::Service;
use crate::daemon::turn::Work;
use crate::io::clock::Now;
use crate::io::dir::Names;
use crate::proto::recorder::Recorder;
use crate::recordings::repair::{self, Refusal, RepairOutcome};
use crate::wire::recording::name::is_recording_name;

/// The scan of the stick's files, while there is one.
#[derive(Default)]
pub(super) struct Unfinished {
    names: Option<Names>,
}

impl Service for Unfinished {
    fn handle_stick(&mut self, context: &mut Context) {
        let names = context.disk.dir().and_then(|dir| dir.names());
        self.names = names.ok();
    }

    fn turn(&mut self, _now: &Now, context: &mut Context) -> Work {
        for _ in 0..REPAIRS_PER_TURN {
            let Some(names) = &mut self.names else {
                return Work::Done;
            };
            let (Ok(_), Ok(Some(name))) = (context.disk.dir(), names.next_file()) else {
                self.names = None;
                return Work::Done;
            };
            repair(name, &mut context.disk, &mut context.recorder);
        }
        Work::Left
    }

    fn holds_stick(&mut self, _now: Instant, _context: &mut Context) -> bool {
        self.names.is_some()
    }
}

fn repair(name: &[u8], disk: &mut Disk, recorder: &mut Recorder) {
    if !is_recording_name(name) || recorder.in_use(name) {
        return;
    }
    let file = disk.dir().and_then(|dir| dir.open_file(name));
    let outcome = file.and_then(|file| repair::repair(&file, false));
    let name = core::str::from_utf8(name).unwrap_or("?");
    match outcome {
        Ok(RepairOutcome::Repaired { extent, .. }) => {
            recorder.stats.count(Counter::Repaired);
            info!(
                "{name}: completed after an interruption, {} frames",
                extent.frames
            );
        }
        Ok(RepairOutcome::Inconsistent | RepairOutcome::Refused(Refusal::Damaged)) => {
            warn!("{name}: {}", Refusal::Damaged.description());
        }
        Ok(_) => {}
        Err(error) => warn!("{name}: cannot be repaired: {error}"),
    }
}
