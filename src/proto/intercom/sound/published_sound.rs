//! The media engine's RTP as tags of a published stream. Nothing is mixed and nothing waits for a
//! time: each sample gets the time stamp that follows from RTP's, and the one who plays has a jitter
//! buffer. Packets in the wrong order wait for each other; silence is made up while none come.

use crate::base::limits::sound::{HELD_PACKETS, SILENCE_AFTER_MS, SILENT_TAG_MS};
use crate::wire::g711::Law;
use crate::wire::rtp;

/// Samples of a millisecond.
const RATE: u32 = 8;
/// Time stamps that differ from the arrival by more than this are of another clock.
const MAX_ERROR_MS: u32 = 1000;
/// The longest packet: 60 ms.
const MAX_CODES: usize = 480;

/// The sound of one call.
#[derive(Debug)]
pub struct PublishedSound {
    /// Of silence.
    law: Law,
    source: Option<Source>,
    /// Where the last tag ended, in milliseconds since the stream began.
    end: u32,
    held: heapless::Vec<Held, HELD_PACKETS>,
    counts: PublishedCounts,
}

/// Packets that were not published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishedCounts {
    /// They came after their successors.
    pub late: u64,
    /// No RTP, or no G.711.
    pub foreign: u64,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    next_sequence: u16,
    /// The RTP time stamp that is `anchor_ms` of the stream.
    anchor: u32,
    anchor_ms: u32,
}

#[derive(Clone, Debug)]
struct Held {
    sequence: u16,
    timestamp: u32,
    law: Law,
    codes: heapless::Vec<u8, MAX_CODES>,
}

impl PublishedSound {
    /// A stream that begins now.
    pub fn new(law: Law) -> Self {
        Self {
            law,
            source: None,
            end: 0,
            held: heapless::Vec::new(),
            counts: PublishedCounts::default(),
        }
    }

    /// One that begins when so much of its time is over.
    pub fn beginning_at(law: Law, millis: u32) -> Self {
        Self {
            end: millis,
            ..Self::new(law)
        }
    }

    /// What was not published.
    pub fn counts(&self) -> PublishedCounts {
        self.counts
    }

    /// Takes a datagram that came `millis` after the stream began; `put` gets tags.
    pub fn handle_rtp(
        &mut self,
        millis: u32,
        datagram: &[u8],
        mut put: impl FnMut(Law, u32, &[u8]),
    ) {
        let Some((ssrc, packet)) = parse(datagram) else {
            self.counts.foreign += 1;
            return;
        };
        let known = self.source.filter(|source| source.ssrc == ssrc);
        if known.is_none() {
            self.flush(&mut put);
            self.source = Some(Source {
                ssrc,
                next_sequence: packet.sequence,
                anchor: packet.timestamp,
                anchor_ms: millis.max(self.end),
            });
        }
        let ahead = self.ahead(packet.sequence);
        if ahead < 0 {
            self.counts.late += 1;
            return;
        }
        self.correct_anchor(millis, packet.timestamp);
        if self.held.is_full() {
            // What is missing is not awaited any more.
            self.publish_first(&mut put);
        }
        let kept = self.held.push(packet);
        debug_assert!(kept.is_ok(), "bug: there is room for one more");
        self.publish_held(&mut put);
    }

    /// No datagram waits `millis` after the stream began: makes silence up.
    pub fn handle_idle(&mut self, millis: u32, mut put: impl FnMut(Law, u32, &[u8])) {
        if millis.wrapping_sub(self.end) >= SILENCE_AFTER_MS && !self.held.is_empty() {
            self.flush(&mut put);
        }
        let silence = [self.law.silence(); (SILENT_TAG_MS * RATE) as usize];
        while millis.wrapping_sub(self.end) >= SILENCE_AFTER_MS
            && millis.wrapping_sub(self.end) < u32::MAX / 2
        {
            put(self.law, self.end, &silence);
            self.end = self.end.wrapping_add(SILENT_TAG_MS);
        }
    }

    /// How far a sequence number is from the expected one.
    fn ahead(&self, sequence: u16) -> i16 {
        let next = self.source.map_or(sequence, |source| source.next_sequence);
        sequence.wrapping_sub(next) as i16
    }

    /// A sender that has paused its clock, or set it, goes on now.
    fn correct_anchor(&mut self, millis: u32, timestamp: u32) {
        let end = self.end;
        let stamp = self.stamp(timestamp);
        let Some(source) = &mut self.source else {
            return;
        };
        let error = stamp.wrapping_sub(millis) as i32;
        if error.unsigned_abs() > MAX_ERROR_MS {
            source.anchor = timestamp;
            source.anchor_ms = millis.max(end);
        }
    }

    fn stamp(&self, timestamp: u32) -> u32 {
        self.source.map_or(0, |source| {
            let since = timestamp.wrapping_sub(source.anchor) as i32 / RATE as i32;
            source.anchor_ms.wrapping_add(since as u32)
        })
    }

    fn publish(&mut self, packet: &Held, put: &mut dyn FnMut(Law, u32, &[u8])) {
        let mut stamp = self.stamp(packet.timestamp);
        if (stamp.wrapping_sub(self.end) as i32) < 0 {
            // Nothing overlaps: the sender's clock goes on where the last tag ended.
            stamp = self.end;
            if let Some(source) = &mut self.source {
                source.anchor = packet.timestamp;
                source.anchor_ms = stamp;
            }
        }
        put(packet.law, stamp, &packet.codes);
        self.end = stamp.wrapping_add(packet.codes.len() as u32 / RATE);
        if let Some(source) = &mut self.source {
            source.next_sequence = packet.sequence.wrapping_add(1);
        }
    }

    /// Held packets whose turn has come.
    fn publish_held(&mut self, put: &mut dyn FnMut(Law, u32, &[u8])) {
        while let Some(number) = self.held.iter().position(|it| self.ahead(it.sequence) <= 0) {
            let packet = self.held.swap_remove(number);
            if self.ahead(packet.sequence) == 0 {
                self.publish(&packet, put);
            } else {
                self.counts.late += 1;
            }
        }
    }

    /// The first of the held packets, and what follows it immediately.
    fn publish_first(&mut self, put: &mut dyn FnMut(Law, u32, &[u8])) {
        let sequences = self.held.iter().map(|held| self.ahead(held.sequence));
        let first = sequences.enumerate().min_by_key(|(_, ahead)| *ahead);
        if let Some((number, _)) = first {
            let packet = self.held.swap_remove(number);
            self.publish(&packet, put);
            self.publish_held(put);
        }
    }

    /// All held packets, in order.
    fn flush(&mut self, put: &mut dyn FnMut(Law, u32, &[u8])) {
        while !self.held.is_empty() {
            self.publish_first(put);
        }
    }
}

fn parse(datagram: &[u8]) -> Option<(u32, Held)> {
    let packet = rtp::Packet::parse(datagram).ok()?;
    let law = match packet.payload_type {
        0 => Law::Mu,
        8 => Law::A,
        _ => return None,
    };
    let codes = heapless::Vec::from_slice(packet.payload).ok()?;
    let held = Held {
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        law,
        codes,
    };
    Some((packet.ssrc, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32, ssrc: u32) -> Vec<u8> {
        let header = rtp::Packet {
            marker: false,
            payload_type: 0,
            sequence,
            timestamp,
            ssrc,
            payload: &[],
        };
        let codes = [sequence as u8; 160];
        header.emit_header().into_iter().chain(codes).collect()
    }

    /// Takes these packets, given by arrival, sequence number, time stamp and source; the tags by
    /// stamp and first code.
    fn published(packets: &[(u32, u16, u32, u32)]) -> (Vec<(u32, u8)>, PublishedSound) {
        let mut sound = PublishedSound::new(Law::Mu);
        let mut tags = vec![];
        for (millis, sequence, timestamp, ssrc) in packets {
            sound.handle_rtp(
                *millis,
                &packet(*sequence, *timestamp, *ssrc),
                |_, at, codes| {
                    tags.push((at, codes[0]));
                },
            );
        }
        (tags, sound)
    }

    #[test]
    fn stamps_follow_those_of_rtp_whatever_the_jitter() {
        let (tags, _) = published(&[
            (100, 7, u32::MAX - 159, 1),
            (180, 8, 0, 1),
            (181, 9, 160, 1),
            (182, 10, 320, 1),
        ]);
        assert_eq!(tags, [(100, 7), (120, 8), (140, 9), (160, 10)]);
    }

    #[test]
    fn packets_in_the_wrong_order_wait_for_each_other() {
        let (tags, sound) = published(&[
            (0, 65_535, 0, 1),
            (20, 1, 320, 1),
            (21, 0, 160, 1),
            (60, 2, 480, 1),
            (61, 0, 160, 1),
        ]);
        assert_eq!(tags, [(0, 255), (20, 0), (40, 1), (60, 2)]);
        assert_eq!(sound.counts().late, 1);
    }

    #[test]
    fn what_is_lost_is_not_awaited_for_ever() {
        let mut packets = vec![(0, 0, 0, 1)];
        packets.extend((2..12).map(|n| (20 * u32::from(n), n, 160 * u32::from(n), 1)));
        let (tags, _) = published(&packets);
        let expected = (2u8..12).map(|n| (20 * u32::from(n), n));
        assert_eq!(tags, Vec::from_iter([(0, 0)].into_iter().chain(expected)));
    }

    #[test]
    fn another_source_and_another_clock_go_on_now() {
        let (tags, _) = published(&[
            (0, 1, 0, 1),
            (500, 9, 77_777, 2),
            (520, 10, 77_937, 2),
            (5000, 11, 78_097, 2),
        ]);
        assert_eq!(tags, [(0, 1), (500, 9), (520, 10), (5000, 11)]);
    }

    #[test]
    fn silence_is_made_up_in_tags_of_100_ms_and_nothing_overlaps() {
        let mut sound = PublishedSound::new(Law::A);
        let mut tags = vec![];
        for millis in (0..=1000).step_by(20) {
            sound.handle_idle(millis, |law, at, codes| {
                tags.push((law, at, codes.to_vec()))
            });
        }
        assert_eq!(tags.len(), 9);
        assert_eq!(tags[8], (Law::A, 800, vec![0xD5; 800]));
        let mut next = vec![];
        sound.handle_rtp(1010, &packet(1, 0, 1), |_, at, _| next.push(at));
        sound.handle_rtp(1030, &packet(2, 160, 1), |_, at, _| next.push(at));
        assert_eq!(next, [1010, 1030]);
    }

    #[test]
    fn what_is_no_sound_is_counted() {
        let mut sound = PublishedSound::new(Law::Mu);
        let mut event = packet(1, 0, 1);
        event[1] = 101;
        for datagram in [&event[..], b"STUN", &[]] {
            sound.handle_rtp(0, datagram, |_, _, _| panic!("published"));
        }
        assert_eq!(sound.counts().foreign, 3);
    }
}
