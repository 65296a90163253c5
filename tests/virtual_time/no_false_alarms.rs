//! Calls in which nothing is wrong, in virtual time: no leg is taken for encrypted, unintelligible
//! or silent, whatever it sends and however it sends it.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::virtual_phone::{ms, rtp, settings, Arriving, Phone};
use callrec::base::time::Instant;
use callrec::wire::g711::Law;

/// Long enough for the first second of a source and two samples of one packet in 50.
const SECONDS: usize = 110;
/// Signals repeat after so long.
const PERIOD: usize = 10;

/// How a leg is sent.
#[derive(Clone, Copy)]
struct Stream {
    port: usize,
    payload_type: u8,
    /// Bytes and ticks of a millisecond, and milliseconds of a packet.
    bytes: usize,
    ticks: usize,
    packet: usize,
}

impl Stream {
    /// Packets from `from` on that repeat these bytes for so many seconds.
    fn packets(self, from: Instant, period: &[u8], seconds: usize) -> Vec<Arriving> {
        let len = self.packet * self.bytes;
        let count = seconds * 1000 / self.packet;
        let mut codes = period.iter().copied().cycle();
        let packet = |number: usize| {
            let payload: Vec<u8> = codes.by_ref().take(len).collect();
            let timestamp = (number * self.packet * self.ticks) as u32;
            let ssrc = 5 + self.port as u32;
            let bytes = rtp(self.payload_type, number as u16, timestamp, ssrc, &payload);
            (from + ms((number * self.packet) as u64), self.port, bytes)
        };
        (0..count).map(packet).collect()
    }
}

/// A leg of G.711 or G.722 in packets of 20 ms.
fn stream(port: usize, payload_type: u8) -> Stream {
    Stream {
        port,
        payload_type,
        bytes: 8,
        ticks: 8,
        packet: 20,
    }
}

fn big_endian(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_be_bytes()).collect()
}

fn encoded(law: Law, samples: &[i16]) -> Vec<u8> {
    let codes = samples
        .iter()
        .map(|sample| law.encode_one((*sample).into()));
    codes.collect()
}

/// Records this for so many seconds; nothing may be told of a leg.
fn assert_quiet(what: &str, stream: impl FnOnce(Instant) -> Vec<Arriving>, seconds: usize) {
    let phone = recorded(what, stream, seconds);
    assert_eq!(phone.counted("unknown_payload"), 0, "{what}");
}

/// The same, where some packets carry no audio.
fn recorded(what: &str, stream: impl FnOnce(Instant) -> Vec<Arriving>, seconds: usize) -> Phone {
    let mut phone = Phone::new(settings());
    let id = phone.start("&formats=96:L16/16000,97:L16/8000");
    let mut stream = stream(phone.now + ms(7));
    stream.sort_by_key(|(at, ..)| *at);
    phone.send(stream);
    phone.run_for(ms(seconds as u64 * 1000));
    let response = phone.stop(id);
    assert!(response.contains("heard=both"), "{what}: {response}");
    let about_legs = |event: &&String| {
        ["intelligible", "audio"]
            .iter()
            .any(|word| event.contains(word))
    };
    let told: Vec<&String> = phone.events.iter().filter(about_legs).collect();
    assert!(told.is_empty(), "{what}: {told:?}");
    for nothing in ["encrypted", "late", "bug"] {
        assert_eq!(phone.counted(nothing), 0, "{what}: {nothing}");
    }
    phone
}

/// Both legs send this.
fn assert_both_quiet(what: &str, leg: impl Fn(usize) -> Stream, period: &[u8]) {
    let both = |from: Instant| {
        let [near, far] = [0, 1].map(|port| leg(port).packets(from, period, SECONDS));
        [near, far].concat()
    };
    assert_quiet(what, both, SECONDS);
}

#[test]
fn no_signal_is_taken_for_ciphertext() {
    for (name, samples) in crate::signals::all(8000, PERIOD) {
        for law in [Law::Mu, Law::A] {
            let codes = encoded(law, &samples);
            let leg = |port| stream(port, law.payload_type());
            assert_both_quiet(&format!("{name}, {law:?}"), leg, &codes);
        }
    }
}

#[test]
fn no_linear_signal_is_taken_for_ciphertext_or_swapped() {
    for (payload_type, rate) in [(96, 16_000), (97, 8000)] {
        for (name, samples) in crate::signals::all(rate, PERIOD) {
            let leg = |port| Stream {
                bytes: rate / 500,
                ticks: rate / 1000,
                ..stream(port, payload_type)
            };
            assert_both_quiet(&format!("{name}, {rate} Hz"), leg, &big_endian(&samples));
        }
    }
}

#[test]
#[ignore = "needs ffmpeg: scripts/test installs it"]
fn no_g722_signal_is_taken_for_ciphertext() {
    for (name, samples) in crate::signals::all(16_000, PERIOD) {
        let codes = g722(&samples);
        assert_eq!(codes.len(), samples.len() / 2, "{name}");
        assert_both_quiet(&format!("{name}, G.722"), |port| stream(port, 9), &codes);
    }
}

/// Encoded by ffmpeg.
fn g722(samples: &[i16]) -> Vec<u8> {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    let words = "-loglevel error -f s16le -ar 16000 -ac 1 -i - -c:a g722 -f g722 -";
    let mut child = Command::new("ffmpeg")
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&bytes).unwrap());
    let mut codes = vec![];
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut codes)
        .unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    codes
}

#[test]
fn packets_of_any_length_are_heard() {
    let speech = crate::signals::all(8000, PERIOD).remove(8).1;
    for packet in [10, 20, 30, 40, 60, 80, 120] {
        for law in [Law::Mu, Law::A] {
            let leg = |port| Stream {
                packet,
                ..stream(port, law.payload_type())
            };
            let what = format!("{law:?} in packets of {packet} ms");
            assert_both_quiet(&what, leg, &encoded(law, &speech));
        }
    }
}

/// A leg that sends comfort noise (RFC 3389) each `every` ms from second to second.
fn comfort_noise(
    from: Instant,
    port: usize,
    seconds: core::ops::Range<u64>,
    every: u64,
) -> Vec<Arriving> {
    let times = (seconds.start * 1000..seconds.end * 1000).step_by(every as usize);
    let packet = |(number, time): (u64, u64)| {
        let number = 30_000 + number;
        let bytes = rtp(
            13,
            number as u16,
            time as u32 * 8,
            5 + port as u32,
            &[70, 3, 9],
        );
        (from + ms(time), port, bytes)
    };
    (0..).zip(times).map(packet).collect()
}

#[test]
fn senders_that_fall_silent_are_not_missed() {
    // Parties take turns of 2 to 9 seconds; the one that listens sends comfort noise now and then.
    let speech = encoded(Law::Mu, &crate::signals::all(8000, PERIOD).remove(8).1);
    for every in [20, 400, 4500] {
        let call = |from: Instant| {
            let mut all = vec![];
            let mut sequence = [0u16; 2];
            let mut second = 0;
            for turn in 0..100u64 {
                let length = 2 + turn % 8;
                let [talks, listens] = if turn % 2 == 0 { [0, 1] } else { [1, 0] };
                for packet in 0..length * 50 {
                    let time = second * 1000 + packet * 20;
                    let at = from + ms(time);
                    let timestamp = time as u32 * 8;
                    let payload = &speech[packet as usize * 160..][..160];
                    let ssrc = 5 + talks as u32;
                    let bytes = rtp(0, sequence[talks], timestamp, ssrc, payload);
                    all.push((at, talks, bytes));
                    sequence[talks] = sequence[talks].wrapping_add(1);
                    if (packet * 20) % every == 0 {
                        let ssrc = 5 + listens as u32;
                        let bytes = rtp(13, sequence[listens], timestamp, ssrc, &[70]);
                        all.push((at, listens, bytes));
                        sequence[listens] = sequence[listens].wrapping_add(1);
                    }
                }
                second += length;
            }
            all
        };
        let seconds: u64 = (0..100).map(|turn| 2 + turn % 8).sum();
        let what = format!("comfort noise each {every} ms");
        assert_quiet(&what, call, seconds as usize);
    }
}

#[test]
fn keep_alives_are_no_leg() {
    let speech = encoded(Law::Mu, &crate::signals::all(8000, PERIOD).remove(8).1);
    let call = |from: Instant| {
        let mut all = stream(0, 0).packets(from, &speech, 600);
        all.extend(stream(1, 0).packets(from, &speech, 600));
        for second in (0..600u64).step_by(5) {
            let at = from + ms(second * 1000 + 3);
            let number = (second * 50) as u16;
            for port in [0, 1] {
                // Empty, one byte, an empty packet of a type of its own, four bytes of a dynamic
                // type, STUN, CR LF (RFC 6263 and common practice).
                for (payload_type, payload) in
                    [(0, &[][..]), (0, &[0xFF]), (20, &[]), (126, &[0; 4])]
                {
                    let bytes = rtp(payload_type, number, second as u32 * 8000, 99, payload);
                    all.push((at, port, bytes));
                }
                all.push((at, port, [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42].to_vec()));
                all.push((at, port, b"\r\n\r\n".to_vec()));
            }
        }
        all
    };
    let phone = recorded("keep-alives", call, 600);
    assert_eq!(phone.counted("audio"), 2 * 600 * 50);
    // Those of type 20.
    assert_eq!(phone.counted("unknown_payload"), 2 * 600 / 5);
}

#[test]
fn half_an_hour_on_hold_is_no_silence() {
    let all = crate::signals::all(8000, PERIOD);
    let [music, speech] = [1, 8].map(|number| encoded(Law::A, &all[number].1));
    for every in [200, 4500] {
        // The far end puts the call on hold and plays music; the phone sends comfort noise.
        let call = |from: Instant| {
            let mut all = stream(0, 8).packets(from, &speech, 60);
            all.extend(comfort_noise(from, 0, 60..1860, every));
            all.extend(stream(1, 8).packets(from, &music, 1860));
            all
        };
        assert_quiet(&format!("a hold with noise each {every} ms"), call, 1860);
    }
    // A hold in which the phone sends silence, as many do.
    let call = |from: Instant| {
        let silent = stream(0, 8).packets(from, &[Law::A.silence()], 1860);
        [silent, stream(1, 8).packets(from, &music, 1860)].concat()
    };
    assert_quiet("a hold with silence", call, 1860);
}
