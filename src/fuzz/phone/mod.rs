//! A whole phone under fuzz: the daemon's own turn function with a virtual clock that is set
//! forward and back, and with sockets, a stick and servers that fail. Two invariants must always
//! hold: each datagram that was read is counted once, and each frame that was mixed is in a file,
//! was sent, or is counted as lost.

use crate::base::limits::MESSAGE_BYTES;
use crate::base::stats::Counter;
use crate::base::time::{Duration, Instant};
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::turn;
use crate::proto::recorder::{Recorder, Settings};
use crate::proto::recording::state::RecordingState;
use crate::wire::control::Message;

use devices::VirtualDevices;
use extent::{ms, SLOTS};
use input::{Step, StepReader};

mod devices;
mod extent;
mod input;
mod laws;
mod sockets;

/// Steps of one input: more find nothing that these do not.
const MAX_STEPS: usize = 200;
/// After this time, nothing more happens: it covers a server's timeouts, including those after its
/// loss.
const REST: Duration = Duration::from_millis(40_000);

/// The whole recorder: requests, datagrams, time, and all failures, in any order.
pub fn recorder(data: &[u8]) {
    let Some((settings, mut input)) = StepReader::begin(data) else {
        return;
    };
    let mut phone = VirtualPhone::new(settings);
    for _ in 0..MAX_STEPS {
        let Some(step) = input.next(phone.now) else {
            break;
        };
        phone.take(step);
    }
    phone.end();
}

struct VirtualPhone {
    recorder: Recorder,
    devices: VirtualDevices,
    now: Instant,
    /// The ids of started recordings, and the responses to their stop requests.
    started: Vec<String>,
    stopped: Vec<laws::Stopped>,
}

impl VirtualPhone {
    fn new(settings: Settings) -> Self {
        let mut recorder = Recorder::new(Settings {
            max_recordings: SLOTS,
            max_frames: 0,
            idle_frames: 0,
            ..settings
        });
        let now = Instant::from_nanos(1_000_000_000_000);
        recorder.handle_stick(now, heapless::Vec::from_slice(b"/mnt/usb").ok(), 1 << 30);
        let mut phone = Self {
            recorder,
            devices: VirtualDevices::new(now),
            now,
            started: vec![],
            stopped: vec![],
        };
        phone.deliver();
        phone
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Wait(length) => self.live(length),
            Step::Datagrams(slot, datagrams) => self.devices.sockets[slot].send(datagrams),
            Step::Line(line) => self.line(&line),
            Step::Stop(request, which, ago) => {
                let Some(id) = self.started.get(which % self.started.len().max(1)) else {
                    return;
                };
                let at = (self.now.nanos() / 1_000_000).saturating_sub(ago);
                self.line(format!("cmd={request}&id={id}&at_ms={at}").as_bytes());
            }
            Step::SetClock(by) => self.devices.set_clock(self.now, by),
            Step::StickFails(after, error) => self.devices.stick.fail(after, error),
            Step::StickStalls(length) => self.devices.stick.stall = length,
            Step::StickIsThere(there) => {
                let path =
                    there.then(|| heapless::Vec::from_slice(b"/mnt/usb").unwrap_or_default());
                self.devices.stick.there = there;
                self.recorder.handle_stick(self.now, path, 1 << 30);
                self.deliver();
            }
            Step::Server(slot, manner) => self.devices.servers[slot].manner = manner,
        }
        self.check();
    }

    /// Lets time pass; the loop wakes like that of the daemon.
    fn live(&mut self, length: Duration) {
        let until = self.now + length;
        while self.now < until {
            let next = self.recorder.next_deadline(self.now).unwrap_or(until);
            self.now = next.min(until).max(self.now + ms(1));
            self.turns();
        }
    }

    /// Runs turns as long as there is work, with an upper bound.
    fn turns(&mut self) {
        for _ in 0..4096 {
            if !self.turn() {
                return;
            }
        }
        panic!("the loop has something to do for ever");
    }

    fn turn(&mut self) -> bool {
        self.recorder.handle_turn(self.now);
        let mut again = false;
        for slot in 0..SLOTS {
            self.devices.look(slot, self.now);
            again |= turn::serve_slot(&mut self.devices, slot, self.now, &mut self.recorder, true);
            self.now = self.now.max(self.devices.now);
            if !self.recorder.accepts_packets(slot) {
                self.devices.sockets[slot].close();
            }
        }
        self.deliver();
        again
    }

    fn line(&mut self, line: &[u8]) {
        let random = [self.now.nanos() as u32 ^ 0x5A5A_1234, 2, 3];
        self.recorder
            .handle_line(self.now, ClientId(1), Some(line), random);
        self.turns();
    }

    fn deliver(&mut self) {
        let mut buffer = [0; MESSAGE_BYTES];
        while let Some((to, message)) = self.recorder.poll_output(&mut buffer) {
            assert!(Message::parse(message).is_ok());
            let text = String::from_utf8_lossy(message).into_owned();
            match to {
                To::Client(_) if text.starts_with("cmd=RecordStartResponse&result=success") => {
                    self.started
                        .extend(laws::value(&text, "id").map(str::to_owned));
                }
                To::Client(_) if text.starts_with("cmd=RecordStopResponse&result=success") => {
                    self.stopped.extend(laws::Stopped::parse(&text));
                }
                _ => {}
            }
        }
    }

    /// Stops everything, and lets the maximum time pass.
    fn end(&mut self) {
        // The response of a server to a start may still be pending.
        self.live(REST);
        for id in self.started.clone() {
            self.line(format!("cmd=RecordStopRequest&id={id}").as_bytes());
        }
        self.live(REST);
        if !self.recorder.is_idle() {
            let states = [0, 1].map(|slot| self.recorder.state(slot));
            assert!(
                states
                    .iter()
                    .all(|state| matches!(state, RecordingState::Free)),
                "a recording never ends: {states:?}"
            );
        }
        self.check();
        self.check_frames();
    }
}

impl VirtualPhone {
    /// Checks the invariants that always hold.
    fn check(&self) {
        assert_eq!(
            self.recorder.totals().of(Counter::Bug),
            0,
            "a bug was counted"
        );
        let sockets = self.devices.sockets.iter();
        let read: u64 = sockets.map(|sockets| sockets.released).sum();
        assert_eq!(
            laws::datagrams(&self.recorder.totals()),
            read,
            "each datagram is counted once"
        );
    }

    fn check_frames(&self) {
        let totals = self.recorder.totals();
        let mixed = totals.of(Counter::Frames);
        let lost = totals.of(Counter::FramesLost) + totals.of(Counter::UploadDropped);
        let stored = self.devices.stick.frames();
        let servers = self.devices.servers.iter();
        let sent: u64 = servers.map(|server| server.frames).sum();
        assert!(
            mixed <= stored + sent + lost,
            "{mixed} mixed: {stored} stored, {sent} sent, {lost} lost"
        );
        if sent == 0 {
            assert!(
                stored <= mixed,
                "{stored} frames are in files, {mixed} were mixed"
            );
        }
        for stopped in &self.stopped {
            let frames = self.devices.stick.frames_of(&stopped.files);
            // Some frames of a recording that began on the server are there.
            assert!(
                frames == stopped.frames || sent > 0 || lost > 0,
                "{stopped:?}: {frames} frames are in its files"
            );
        }
    }
}
