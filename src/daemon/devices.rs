//! The sockets, servers and stick of the recordings, as `proto::recorder::turn` wants them.

use mio::Poll;

use crate::base::time::Instant;
use crate::daemon::disk::Disk;
use crate::daemon::media::Media;
use crate::daemon::record_clients::Uplinks;
use crate::io::clock::{Clock, Now};
use crate::io::random::Random;
use crate::proto::recorder::turn::Outside;
use crate::proto::recorder::Recorder;

/// What the recordings of this phone are connected to.
pub(super) struct Devices<'a> {
    pub(super) media: &'a mut Media,
    pub(super) clock: &'a mut Clock,
    pub(super) uplinks: &'a mut Uplinks,
    pub(super) poll: &'a Poll,
    pub(super) random: &'a mut Random,
    pub(super) disk: &'a mut Disk,
    pub(super) now: Now,
}

impl Outside for Devices<'_> {
    fn drain(&mut self, place: usize, now: Instant, recorder: &mut Recorder) -> bool {
        self.media.drain(place, now, self.clock, recorder)
    }

    fn serve(&mut self, place: usize, now: Instant, recorder: &mut Recorder) {
        self.uplinks
            .work(place, now, self.poll, recorder, self.random);
    }

    fn store(&mut self, place: usize, _now: Instant, recorder: &mut Recorder) -> bool {
        self.disk.work(place, &self.now, recorder)
    }
}
