use super::*;
use crate::base::limits::SAMPLE_RATE;

const SSRC: u32 = 77;
const FROM: &str = "10.0.0.5:4000";

fn ms(millis: u64) -> Instant {
    Instant::from_nanos(1_000_000_000) + Duration::from_millis(millis)
}

fn packet(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let head = Packet {
        marker: false,
        payload_type: 0,
        sequence,
        timestamp,
        ssrc: SSRC,
        payload: &[],
    };
    [&head.emit_header()[..], payload].concat()
}

/// A stream and what it has given out: the first byte of each frame, 0 for silence.
struct Run {
    stream: Stream,
    frames: Vec<u8>,
}

impl Run {
    fn new(cut_pauses: bool) -> Self {
        let peer = FROM.parse::<SocketAddr>().unwrap().ip();
        Self {
            stream: Stream::new(Law::Mu, peer, cut_pauses, ms(0)),
            frames: vec![],
        }
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> Verdict {
        loop {
            let verdict = self.stream.put(ms(at), FROM.parse().unwrap(), Some(bytes));
            self.take();
            if verdict != Verdict::TakeFirst {
                return verdict;
            }
        }
    }

    /// The frame with this number of a sender that began at sequence 10, timestamp 5000; marked by it.
    fn frame(&mut self, at: u64, number: u64) -> Verdict {
        let bytes = packet(
            10u16.wrapping_add(number as u16),
            5000 + (number * 160) as u32,
            &[mark(number); 160],
        );
        self.put(at, &bytes)
    }

    fn take(&mut self) {
        while let Some(output) = self.stream.take(7, 5) {
            match output {
                Output::Frame(number, header, codes) => {
                    assert_eq!(number, self.frames.len() as u64);
                    assert_eq!(header[8..], SSRC.to_be_bytes());
                    self.frames.push(codes[0]);
                }
                Output::Silence(first, count) => {
                    assert!(count <= 5);
                    assert_eq!(first, self.frames.len() as u64);
                    self.frames.resize(self.frames.len() + count as usize, 0);
                }
            }
        }
    }

    fn finish(mut self) -> (Vec<u8>, Stream) {
        self.stream.finish();
        self.take();
        (self.frames, self.stream)
    }
}

fn mark(number: u64) -> u8 {
    (number % 200) as u8 + 1
}

fn marks(numbers: core::ops::Range<u64>) -> Vec<u8> {
    numbers.map(mark).collect()
}

fn count(stream: &Stream, verdict: Verdict) -> u64 {
    stream.counts()[verdict as usize]
}

#[test]
fn frames_come_out_as_they_were_sent() {
    let mut run = Run::new(false);
    for number in 0..1000 {
        assert_eq!(run.frame(number * 20, number), Verdict::Audio);
        assert_eq!(
            run.frames.len() as u64,
            (number + 1).saturating_sub(REORDER_FRAMES)
        );
    }
    let (frames, stream) = run.finish();
    assert_eq!(
        (frames, stream.lost(), stream.silence()),
        (marks(0..1000), 0, 0)
    );
    let last = packet(10 + 999, 5000 + 999 * 160, &[]);
    assert_eq!(stream.header(999)[..], last[..]);
}

#[test]
fn lost_late_and_doubled_packets_each_have_their_place() {
    let mut run = Run::new(false);
    for number in (0..200u64).filter(|n| !(50..60).contains(n) && *n != 100 && *n != 120) {
        run.frame(number * 20, number);
        match number {
            105 => assert_eq!(run.frame(2100, 100), Verdict::Audio, "five frames late"),
            106 => assert_eq!(run.frame(2120, 100), Verdict::Duplicate),
            150 => assert_eq!(run.frame(3000, 120), Verdict::Late, "thirty frames late"),
            _ => {}
        }
    }
    let (frames, stream) = run.finish();
    let mut expected = marks(0..200);
    (50..60).chain([120]).for_each(|lost| expected[lost] = 0);
    assert_eq!(frames, expected);
    assert_eq!((stream.lost(), stream.silence()), (10, 11));
    assert_eq!(
        (
            count(&stream, Verdict::Late),
            count(&stream, Verdict::Duplicate)
        ),
        (1, 1)
    );
}

#[test]
fn the_beginning_is_the_earliest_packet_of_the_first_ones_to_come() {
    let orders: [&[u64]; 4] = [
        &[1, 0],
        &[3, 1, 2, 0],
        &[7, 6, 5, 4, 3, 2, 1, 0],
        &[19, 0, 10, 2],
    ];
    for order in orders {
        let mut run = Run::new(false);
        let rest = (0..100).filter(|number| !order.contains(number));
        for (at, number) in order.iter().copied().chain(rest).enumerate() {
            assert_eq!(
                run.frame(600 + at as u64, number),
                Verdict::Audio,
                "{number} of {order:?}"
            );
            assert_eq!(
                run.frame(600 + at as u64, number),
                Verdict::Duplicate,
                "{number} of {order:?}"
            );
        }
        let (frames, stream) = run.finish();
        assert_eq!(
            (frames, stream.lost(), stream.silence()),
            (marks(0..100), 0, 0),
            "{order:?}"
        );
        assert_eq!(
            stream.header(99)[..],
            packet(10 + 99, 5000 + 99 * 160, &[])[..],
            "{order:?}"
        );
    }
}

#[test]
fn what_came_before_the_beginning_is_late_once_that_has_been_given_out() {
    let mut run = Run::new(false);
    (1..=REORDER_FRAMES)
        .for_each(|number| assert_eq!(run.frame(number * 20, number), Verdict::Audio));
    run.stream.handle_drained(ms(1000));
    assert_eq!(run.frame(1000, 0), Verdict::Late);
    let (frames, _) = run.finish();
    assert_eq!(frames, marks(1..REORDER_FRAMES + 1));
    // Nor does a packet from long ago make room for itself.
    let mut run = Run::new(false);
    run.frame(0, 50);
    assert_eq!(
        (run.frame(20, 10), run.frame(20, 51)),
        (Verdict::Late, Verdict::Audio)
    );
    assert_eq!(run.finish().0, marks(50..52));
}

#[test]
fn packets_of_any_length_become_frames() {
    for size in [1usize, 40, 80, 160, 240, 480, 1280] {
        let mut run = Run::new(false);
        let codes: Vec<u8> = (0..32_000u32).map(|n| (n / 160 % 200) as u8 + 1).collect();
        for (number, chunk) in codes.chunks(size).enumerate() {
            let timestamp = (number * size) as u32;
            let at = u64::from(timestamp) * 1000 / u64::from(SAMPLE_RATE);
            assert_eq!(
                run.put(at, &packet(number as u16, timestamp, chunk)),
                Verdict::Audio,
                "{size}"
            );
        }
        let (frames, stream) = run.finish();
        assert_eq!((frames, stream.silence()), (marks(0..200), 0), "{size}");
    }
}

#[test]
fn a_pause_is_silence_or_nothing() {
    for (cut, silence) in [(false, 3 * 60 * 50), (true, 0)] {
        let mut run = Run::new(cut);
        (0..100).for_each(|number| assert_eq!(run.frame(number * 20, number), Verdict::Audio));
        run.stream.handle_drained(ms(2400));
        run.take();
        assert_eq!(run.frames, marks(0..100), "nothing waits during the pause");
        // The timestamp runs on, the sequence does not.
        for number in 100..200u64 {
            let timestamp = 5000 + (number as u32 + 9000) * 160;
            let bytes = packet(10 + number as u16, timestamp, &[mark(number); 160]);
            assert_eq!(run.put(180_000 + number * 20, &bytes), Verdict::Audio);
        }
        let (frames, stream) = run.finish();
        let expected = [marks(0..100), vec![0; silence], marks(100..200)].concat();
        assert_eq!((frames, stream.lost()), (expected, 0), "{cut}");
    }
}

#[test]
fn with_pauses_cut_lost_packets_are_still_silence() {
    let mut run = Run::new(true);
    (0..100)
        .chain(150..200)
        .for_each(|number| assert_eq!(run.frame(number * 20, number), Verdict::Audio));
    let (frames, stream) = run.finish();
    assert_eq!(
        (frames.len(), stream.lost(), stream.silence()),
        (200, 50, 50)
    );
}

#[test]
fn no_timestamps_make_more_than_time_has_passed() {
    let jumps: [fn(u64) -> u32; 5] = [
        |n| n as u32 * 1280, // a clock of 64 kHz
        |n| n as u32 * 160 + ((n / 50) as u32).wrapping_mul(1_500_000_000), // a leap each second
        |n| 0u32.wrapping_sub(n as u32 * 160), // backwards
        |n| (n as u32).wrapping_mul(2_654_435_761), // anything
        |n| n as u32 * 160 + (n / 10) as u32 * 4000, // half a second, five times a second
    ];
    for (which, timestamp) in jumps.into_iter().enumerate() {
        for cut in [false, true] {
            let mut run = Run::new(cut);
            for number in 0..3000u64 {
                let bytes = packet(number as u16, timestamp(number), &[mark(number); 160]);
                run.put(number * 20, &bytes);
                assert!(
                    run.frames.len() as u64 <= number + 52,
                    "{which} {number} {}",
                    run.frames.len()
                );
            }
            let (frames, stream) = run.finish();
            assert!(
                (2990..=3054).contains(&frames.len()),
                "{which} {}",
                frames.len()
            );
            let audio = count(&stream, Verdict::Audio);
            assert!(audio > 2900, "{which}: the audio is kept: {audio}");
        }
    }
}

#[test]
fn a_flood_is_cut_and_a_fast_clock_is_not() {
    let mut run = Run::new(false);
    (0..10_000).for_each(|number| {
        run.frame(number, number);
    });
    assert!(
        run.finish().0.len() <= 500 + 51 + 400,
        "20 times as fast as time"
    );
    let mut run = Run::new(false);
    for number in 0..8 * 3600 * 50 {
        let at = number * 20 * 9995 / 10_000;
        assert_eq!(
            run.frame(at, number),
            Verdict::Audio,
            "500 ppm for eight hours"
        );
    }
}

#[test]
fn what_the_phone_had_recorded_when_we_began_is_kept_also_with_losses() {
    let mut run = Run::new(false);
    (0..400)
        .filter(|n| n % 20 != 7)
        .for_each(|number| assert_eq!(run.frame(10, number), Verdict::Audio));
    (400..600)
        .for_each(|number| assert_eq!(run.frame((number - 400) * 20 + 10, number), Verdict::Audio));
    let (frames, stream) = run.finish();
    assert_eq!((frames.len(), stream.lost()), (600, 20));
}

#[test]
fn two_packets_far_apart_make_no_more_silence_than_one_second() {
    for gap in [60, 400, 449] {
        let mut run = Run::new(false);
        assert_eq!(run.frame(0, 0), Verdict::Audio);
        assert_eq!(run.frame(0, gap), Verdict::Audio);
        let (frames, _) = run.finish();
        assert!(
            frames.len() <= 50,
            "{gap}: {} frames in no time",
            frames.len()
        );
    }
}

#[test]
fn silence_that_may_not_be_given_out_yet_waits() {
    let mut stream = Run::new(false).stream;
    let from = FROM.parse().unwrap();
    let behind = packet(1, 100 * 160, &[2; 160]);
    stream.put(ms(0), from, Some(&packet(0, 0, &[1; 160])));
    assert_eq!(
        stream.put(ms(2000), from, Some(&behind)),
        Verdict::TakeFirst
    );
    assert!(matches!(stream.take(200, 0), Some(Output::Frame(0, ..))));
    assert!(stream.take(200, 0).is_none() && stream.is_waiting());
    assert_eq!(stream.take(200, 40), Some(Output::Silence(1, 40)));
    assert_eq!(stream.take(200, u64::MAX), Some(Output::Silence(41, 39)));
    assert_eq!(stream.put(ms(2000), from, Some(&behind)), Verdict::Audio);
    stream.finish();
    assert_eq!(stream.take(200, 20), Some(Output::Silence(80, 20)));
    assert!(matches!(stream.take(200, 0), Some(Output::Frame(100, ..))));
    assert!(stream.take(200, 9).is_none() && !stream.is_waiting());
}

#[test]
fn what_waited_in_the_network_is_kept() {
    let mut run = Run::new(false);
    (0..100).for_each(|number| assert_eq!(run.frame(number * 20, number), Verdict::Audio));
    (100..350).for_each(|number| assert_eq!(run.frame(7000, number), Verdict::Audio));
    (350..400).for_each(|number| assert_eq!(run.frame(number * 20, number), Verdict::Audio));
    assert_eq!(run.finish().0, marks(0..400));
}

#[test]
fn a_sender_that_begins_anew_goes_on_behind_what_there_is() {
    let mut run = Run::new(false);
    (0..100).for_each(|number| assert_eq!(run.frame(number * 20, number), Verdict::Audio));
    let verdicts: Vec<Verdict> = (0..50u64)
        .map(|n| {
            run.put(
                5000 + n * 20,
                &packet(40_000 + n as u16, 9 + n as u32 * 160, &[mark(100 + n); 160]),
            )
        })
        .collect();
    assert_eq!(
        (verdicts[0], verdicts[1], verdicts[49]),
        (Verdict::OddSequence, Verdict::Audio, Verdict::Audio)
    );
    let (frames, _) = run.finish();
    assert_eq!(frames.len(), 100 + 152 + 49, "the gap is as long as it was");
    assert_eq!(frames[252..], marks(101..150));
}

#[test]
fn strangers_and_other_sources_are_counted_not_heard() {
    let mut run = Run::new(false);
    let put = |run: &mut Run, from: &str, bytes: &[u8]| {
        run.stream.put(ms(0), from.parse().unwrap(), Some(bytes))
    };
    let good = packet(1, 0, &[9; 160]);
    assert_eq!(put(&mut run, "10.0.0.6:4000", &good), Verdict::Stranger);
    assert_eq!(put(&mut run, FROM, b"no RTP"), Verdict::NotRtp);
    assert_eq!(
        put(
            &mut run,
            "10.0.0.5:9",
            &[0x80, 200, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5]
        ),
        Verdict::Rtcp
    );
    assert_eq!(put(&mut run, FROM, &packet(0, 0, &[])), Verdict::Empty);
    assert_eq!(
        put(&mut run, FROM, &packet(0, 0, &[1; 1281])),
        Verdict::Oversize
    );
    assert_eq!(
        run.stream.put(ms(0), FROM.parse().unwrap(), None),
        Verdict::Oversize
    );
    assert_eq!(
        put(&mut run, FROM, &good),
        Verdict::Audio,
        "the first audio decides"
    );
    assert_eq!(
        put(&mut run, "10.0.0.5:4001", &packet(2, 160, &[9; 160])),
        Verdict::Stranger
    );
    let mut spoofed = packet(2, 160, &[9; 160]);
    spoofed[11] ^= 1;
    assert_eq!(put(&mut run, FROM, &spoofed), Verdict::OtherSource);
    let mut other_codec = packet(2, 160, &[9; 160]);
    other_codec[1] = 8;
    assert_eq!(put(&mut run, FROM, &other_codec), Verdict::UnknownPayload);
    let (frames, stream) = run.finish();
    assert_eq!((frames, stream.lost()), (vec![9], 0));
    assert_eq!(stream.counts().iter().sum::<u64>(), 10);
}
