//! Whether each leg of a recording is heard: who sends what cannot be decoded, and who is silent.
//!
//! A leg is unintelligible after 25 packets within 5 s of a payload type that is not decoded, or
//! encrypted, and none between them that is; it is intelligible again after 25 packets that are. A
//! port is silent when for 5 s neither audio nor comfort noise has come. Each change is told once,
//! and at most one of a port in 10 s.

use crate::base::limits::{
    MAX_MONITORED, MAX_PORTS, MONITOR_PACKETS, MONITOR_PAUSE, NO_AUDIO, UNINTELLIGIBLE_WITHIN,
};

/// Why nothing of a leg is heard although it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unintelligible {
    /// A payload type that is not decoded.
    PayloadType(u8),
    /// Payloads longer than their timestamps say, by what SRTP adds, or as even as ciphertext.
    Encrypted,
    /// Linear samples whose bytes are swapped.
    ByteOrder,
}

/// What others must know of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// What a port gets cannot be decoded.
    Unintelligible(usize, Unintelligible),
    /// It can be decoded again.
    Intelligible(usize),
    /// Nothing comes to this port, or to none.
    NoAudio(Option<usize>),
    /// Something comes again.
    Audio(Option<usize>),
}

/// A source that has sent what cannot be decoded.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    port: usize,
    ssrc: u32,
    /// Where the run of packets began that agree.
    since: i64,
    run: Run,
    told: bool,
}

/// Packets in a row that agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Undecodable(u32),
    Decodable(u32),
}

/// Which parties of a call are in its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Two ports, two sources of one port, a mix, or the only leg there is.
    Both,
    /// One of several legs.
    One,
    /// Nothing.
    None,
}

impl Heard {
    /// The word in messages and sidecars.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::One => "one",
            Self::None => "none",
        }
    }
}

/// What is known of a port.
#[derive(Clone, Copy, Debug, Default)]
struct PortState {
    /// When audio or comfort noise came last, in samples since the recording began.
    heard_at: i64,
    /// Samples of audio that came: 32 bits are 149 hours.
    samples: u32,
    /// It was told that this port is silent.
    silence_told: bool,
    /// No event of this port before.
    quiet_until: i64,
}

/// All ports of a recording.
#[derive(Debug, Default)]
pub struct LegMonitor {
    ports: [PortState; MAX_PORTS],
    suspects: heapless::Vec<Suspect, MAX_MONITORED>,
    /// It was told that nothing comes at all.
    silence_told: bool,
    /// Two sources have talked on one port, or a mix has come: both parties are heard.
    has_both: bool,
    /// What was unintelligible last, for those who look at the recording later.
    pub unintelligible: Option<Unintelligible>,
    events: heapless::Deque<LegEvent, MAX_PORTS>,
}

impl LegMonitor {
    /// The next thing to be told.
    pub fn take_event(&mut self) -> Option<LegEvent> {
        self.events.pop_front()
    }

    /// Milliseconds of audio that came to a port, silence included.
    pub fn heard_ms(&self, port: usize) -> u64 {
        self.ports
            .get(port)
            .map_or(0, |port| u64::from(port.samples / 8))
    }

    /// When audio or comfort noise came last to any port, in samples since the recording began.
    pub fn heard_at(&self) -> i64 {
        let times = self.ports.iter().map(|port| port.heard_at);
        times.max().unwrap_or(0)
    }

    /// Which parties are in a recording of so many ports, of which the last is the local stream's.
    pub fn heard(&self, ports: usize) -> Heard {
        let ports = self.ports.get(..ports).unwrap_or(&self.ports);
        let heard = ports.iter().filter(|port| port.samples > 0).count();
        let mix = ports.last().is_some_and(|port| port.samples > 0);
        match heard {
            0 => Heard::None,
            1 if !mix && !self.has_both && ports.len() > 2 => Heard::One,
            _ => Heard::Both,
        }
    }

    /// Audio of this many samples was taken.
    #[inline]
    pub fn handle_audio(&mut self, port: usize, ssrc: u32, at: i64, samples: usize) {
        if let Some(state) = self.ports.get_mut(port) {
            state.heard_at = at;
            state.samples = state.samples.wrapping_add(samples as u32);
        }
        if !self.suspects.is_empty() {
            self.clear_suspect(port, ssrc, at);
        }
    }

    /// Comfort noise came: the leg is there, and silent.
    pub fn handle_noise(&mut self, port: usize, at: i64) {
        if let Some(state) = self.ports.get_mut(port) {
            state.heard_at = at;
        }
    }

    /// A packet came that cannot be decoded.
    #[inline(never)]
    pub fn handle_undecodable(&mut self, port: usize, ssrc: u32, at: i64, why: Unintelligible) {
        let position = self
            .position(port, ssrc)
            .unwrap_or_else(|| self.add(port, ssrc, at));
        let Some(suspect) = self.suspects.get_mut(position) else {
            return;
        };
        suspect.run = match suspect.run {
            Run::Undecodable(count) if at - suspect.since <= UNINTELLIGIBLE_WITHIN => {
                Run::Undecodable(count + 1)
            }
            _ => {
                suspect.since = at;
                Run::Undecodable(1)
            }
        };
        let enough = matches!(suspect.run, Run::Undecodable(count) if count >= MONITOR_PACKETS);
        if enough && !suspect.told && may_tell(&mut self.ports, port, at) {
            suspect.told = true;
            self.unintelligible = Some(why);
            let _ = self.events.push_back(LegEvent::Unintelligible(port, why));
        }
    }

    fn position(&self, port: usize, ssrc: u32) -> Option<usize> {
        let same = |suspect: &Suspect| suspect.port == port && suspect.ssrc == ssrc;
        self.suspects.iter().position(same)
    }

    /// A new suspect; where there is no room for one more, the oldest goes.
    fn add(&mut self, port: usize, ssrc: u32, at: i64) -> usize {
        if self.suspects.is_full() {
            let suspects = self.suspects.iter().enumerate();
            let oldest = suspects.min_by_key(|(_, suspect)| suspect.since);
            let oldest = oldest.map_or(0, |(position, _)| position);
            self.suspects.swap_remove(oldest);
        }
        let _ = self.suspects.push(Suspect {
            port,
            ssrc,
            since: at,
            run: Run::Decodable(0),
            told: false,
        });
        self.suspects.len() - 1
    }

    #[inline(never)]
    fn clear_suspect(&mut self, port: usize, ssrc: u32, at: i64) {
        let Some(position) = self.position(port, ssrc) else {
            return;
        };
        let suspect = &mut self.suspects[position];
        suspect.run = match suspect.run {
            Run::Decodable(count) => Run::Decodable(count + 1),
            Run::Undecodable(_) => Run::Decodable(1),
        };
        let enough = matches!(suspect.run, Run::Decodable(count) if count >= MONITOR_PACKETS);
        if !enough {
            return;
        }
        if suspect.told {
            if !may_tell(&mut self.ports, port, at) {
                return; // a later packet tells it
            }
            let _ = self.events.push_back(LegEvent::Intelligible(port));
        }
        self.suspects.swap_remove(position);
    }

    /// All that came until `now` has been given. The last of `ports` is the local stream's.
    /// `sources_of` says how many sources of a port are heard.
    pub fn handle_drained(&mut self, now: i64, ports: usize, sources_of: impl Fn(usize) -> usize) {
        let ports = ports.min(MAX_PORTS);
        let silent = |state: &PortState| now - state.heard_at > NO_AUDIO;
        if self.ports[..ports].iter().all(silent) {
            if !self.silence_told {
                self.silence_told = true;
                let _ = self.events.push_back(LegEvent::NoAudio(None));
            }
            return;
        }
        if core::mem::take(&mut self.silence_told) {
            let _ = self.events.push_back(LegEvent::Audio(None));
        }
        let Some(legs) = ports.checked_sub(1) else {
            return;
        };
        // A mix, or two parties on one port: no other port is expected to be heard.
        let mix = &self.ports[legs];
        let has_mix = mix.samples > 0 && !silent(mix);
        let has_all = has_mix || (0..legs).any(|port| sources_of(port) > 1);
        self.has_both |= has_all;
        for port in 0..legs {
            let is_silent = silent(&self.ports[port]) && !has_all;
            let told = self.ports[port].silence_told;
            if is_silent != told && may_tell(&mut self.ports, port, now) {
                self.ports[port].silence_told = is_silent;
                let event = if is_silent {
                    LegEvent::NoAudio(Some(port))
                } else {
                    LegEvent::Audio(Some(port))
                };
                let _ = self.events.push_back(event);
            }
        }
    }

    /// The recording was paused: silence counts from here.
    pub fn handle_pause(&mut self, now: i64) {
        for port in &mut self.ports {
            port.heard_at = port.heard_at.max(now);
        }
    }
}

/// An event of this port may be told now; the next one may not for a while.
fn may_tell(ports: &mut [PortState; MAX_PORTS], port: usize, now: i64) -> bool {
    let Some(state) = ports.get_mut(port) else {
        return false;
    };
    let may = now >= state.quiet_until;
    if may {
        state.quiet_until = now + MONITOR_PAUSE;
    }
    may
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 8000;

    fn told(monitor: &mut LegMonitor) -> Vec<LegEvent> {
        core::iter::from_fn(|| monitor.take_event()).collect()
    }

    #[test]
    fn an_undecodable_leg_is_told_once_and_again_when_it_is_heard() {
        let mut monitor = LegMonitor::default();
        let g729 = Unintelligible::PayloadType(18);
        for n in 0..1000 {
            monitor.handle_undecodable(0, 5, n * 160, g729);
        }
        assert_eq!(told(&mut monitor), [LegEvent::Unintelligible(0, g729)]);
        for n in 1000..1024 {
            monitor.handle_audio(0, 5, n * 160, 160);
        }
        assert_eq!(told(&mut monitor), []);
        monitor.handle_audio(0, 5, 1024 * 160, 160);
        assert_eq!(told(&mut monitor), [LegEvent::Intelligible(0)]);
        assert_eq!(monitor.unintelligible, Some(g729));
    }

    #[test]
    fn a_leg_that_goes_back_and_forth_has_an_event_in_ten_seconds_at_most() {
        let mut monitor = LegMonitor::default();
        let mut events = 0;
        // A minute of packets, half a second of each kind in turn.
        for n in 0..3000 {
            let at = n * 160;
            if n / MONITOR_PACKETS as i64 % 2 == 0 {
                monitor.handle_undecodable(0, 5, at, Unintelligible::PayloadType(18));
            } else {
                monitor.handle_audio(0, 5, at, 160);
            }
            events += told(&mut monitor).len();
        }
        assert_eq!(events, 6);
    }

    #[test]
    fn a_packet_now_and_then_is_no_leg() {
        let mut monitor = LegMonitor::default();
        for n in 0..1000 {
            monitor.handle_undecodable(0, 5, n * SECOND, Unintelligible::PayloadType(18));
        }
        for n in 0..1000 {
            monitor.handle_undecodable(0, n, i64::from(n) * 160, Unintelligible::PayloadType(18));
        }
        assert_eq!(told(&mut monitor), []);
    }

    #[test]
    fn silence_is_told_of_all_ports_or_of_one_beside_another() {
        let mut monitor = LegMonitor::default();
        let one_source = |_| 1;
        monitor.handle_drained(4 * SECOND, 3, one_source);
        assert_eq!(told(&mut monitor), []);
        monitor.handle_drained(6 * SECOND, 3, one_source);
        assert_eq!(told(&mut monitor), [LegEvent::NoAudio(None)]);
        monitor.handle_audio(0, 5, 7 * SECOND, 160);
        monitor.handle_drained(7 * SECOND, 3, one_source);
        let events = [LegEvent::Audio(None), LegEvent::NoAudio(Some(1))];
        assert_eq!(told(&mut monitor), events);
        for second in 8..20 {
            monitor.handle_audio(0, 5, second * SECOND, 160);
            monitor.handle_audio(1, 6, second * SECOND, 160);
            monitor.handle_drained(second * SECOND, 3, one_source);
        }
        assert_eq!(told(&mut monitor), [LegEvent::Audio(Some(1))]);
    }

    #[test]
    fn two_parties_on_one_port_and_a_mix_are_whole() {
        for (port, sources) in [(0, 2), (2, 1)] {
            let mut monitor = LegMonitor::default();
            for second in 0..20 {
                monitor.handle_audio(port, 5, second * SECOND, 160);
                monitor.handle_drained(
                    second * SECOND,
                    3,
                    |asked| {
                        if asked == port {
                            sources
                        } else {
                            0
                        }
                    },
                );
            }
            assert_eq!(told(&mut monitor), [], "{port}");
        }
    }
}
