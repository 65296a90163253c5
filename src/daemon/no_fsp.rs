//! In place of the FSP service where it is not built.

use mio::Poll;

use crate::base::time::Instant;
use crate::config::Config;
use crate::daemon::disk::Disk;
use crate::io::random::Random;
use crate::proto::recorder::Recorder;

pub(super) struct Fsp;

impl Fsp {
    pub(super) fn open(_: &Config, _: &Poll, _: &mut Random) -> Result<Self, String> {
        Ok(Self)
    }

    pub(super) fn set_readable(&mut self) {}

    pub(super) fn has_more(&self) -> bool {
        false
    }

    pub(super) fn holds_stick(&mut self, _: Instant, _: &mut Disk) -> bool {
        false
    }

    pub(super) fn deadline(&self, _: &Disk) -> Option<Instant> {
        None
    }

    pub(super) fn handle_stick(&mut self) {}

    pub(super) fn turn(
        &mut self,
        _: Instant,
        _: &Config,
        _: &mut Disk,
        _: &mut Recorder,
        _: &mut Random,
        _: &Poll,
    ) {
    }
}
