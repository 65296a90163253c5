//! Order, loss and pauses.

use super::*;
use crate::base::limits::SAMPLE_RATE;

#[test]
fn frames_come_out_as_they_were_sent() {
    let mut receiver = Receiver::new(false);
    for number in 0..1000 {
        assert_eq!(receiver.frame(number * 20, number), PacketOutcome::Audio);
        assert_eq!(
            receiver.frames.len() as u64,
            (number + 1).saturating_sub(REORDER_FRAMES)
        );
    }
    let (frames, stream) = receiver.finish();
    assert_eq!(
        (frames, stream.lost(), stream.silence()),
        (marks(0..1000), 0, 0)
    );
    let last = packet(10 + 999, 5000 + 999 * 160, &[]);
    assert_eq!(stream.header(999)[..], last[..]);
}

#[test]
fn lost_late_and_doubled_packets_each_have_their_place() {
    let mut receiver = Receiver::new(false);
    for number in (0..200u64).filter(|n| !(50..60).contains(n) && *n != 100 && *n != 120) {
        receiver.frame(number * 20, number);
        match number {
            105 => assert_eq!(
                receiver.frame(2100, 100),
                PacketOutcome::Audio,
                "five frames late"
            ),
            106 => assert_eq!(receiver.frame(2120, 100), PacketOutcome::Duplicate),
            150 => assert_eq!(
                receiver.frame(3000, 120),
                PacketOutcome::Late,
                "thirty frames late"
            ),
            _ => {}
        }
    }
    let (frames, stream) = receiver.finish();
    let mut expected = marks(0..200);
    (50..60).chain([120]).for_each(|lost| expected[lost] = 0);
    assert_eq!(frames, expected);
    assert_eq!((stream.lost(), stream.silence()), (10, 11));
    assert_eq!(
        (
            count(&stream, PacketOutcome::Late),
            count(&stream, PacketOutcome::Duplicate)
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
        let mut receiver = Receiver::new(false);
        let rest = (0..100).filter(|number| !order.contains(number));
        for (at, number) in order.iter().copied().chain(rest).enumerate() {
            assert_eq!(
                receiver.frame(600 + at as u64, number),
                PacketOutcome::Audio,
                "{number} of {order:?}"
            );
            assert_eq!(
                receiver.frame(600 + at as u64, number),
                PacketOutcome::Duplicate,
                "{number} of {order:?}"
            );
        }
        let (frames, stream) = receiver.finish();
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
    let mut receiver = Receiver::new(false);
    (1..=REORDER_FRAMES)
        .for_each(|number| assert_eq!(receiver.frame(number * 20, number), PacketOutcome::Audio));
    receiver.stream.handle_drained(ms(1000));
    assert_eq!(receiver.frame(1000, 0), PacketOutcome::Late);
    let (frames, _) = receiver.finish();
    assert_eq!(frames, marks(1..REORDER_FRAMES + 1));
    // Nor does a packet from long ago make room for itself.
    let mut receiver = Receiver::new(false);
    receiver.frame(0, 50);
    assert_eq!(
        (receiver.frame(20, 10), receiver.frame(20, 51)),
        (PacketOutcome::Late, PacketOutcome::Audio)
    );
    assert_eq!(receiver.finish().0, marks(50..52));
}

#[test]
fn packets_of_any_length_become_frames() {
    for size in [1usize, 40, 80, 160, 240, 480, 1280] {
        let mut receiver = Receiver::new(false);
        let codes: Vec<u8> = (0..32_000u32).map(|n| (n / 160 % 200) as u8 + 1).collect();
        for (number, chunk) in codes.chunks(size).enumerate() {
            let timestamp = (number * size) as u32;
            let at = u64::from(timestamp) * 1000 / u64::from(SAMPLE_RATE);
            assert_eq!(
                receiver.put(at, &packet(number as u16, timestamp, chunk)),
                PacketOutcome::Audio,
                "{size}"
            );
        }
        let (frames, stream) = receiver.finish();
        assert_eq!((frames, stream.silence()), (marks(0..200), 0), "{size}");
    }
}

#[test]
fn a_pause_is_silence_or_nothing() {
    for (cut, silence) in [(false, 3 * 60 * 50), (true, 0)] {
        let mut receiver = Receiver::new(cut);
        (0..100).for_each(|number| {
            assert_eq!(receiver.frame(number * 20, number), PacketOutcome::Audio)
        });
        receiver.stream.handle_drained(ms(2400));
        receiver.drain();
        assert_eq!(
            receiver.frames,
            marks(0..100),
            "nothing waits during the pause"
        );
        // The timestamp runs on, the sequence does not.
        for number in 100..200u64 {
            let timestamp = 5000 + (number as u32 + 9000) * 160;
            let bytes = packet(10 + number as u16, timestamp, &[mark(number); 160]);
            assert_eq!(
                receiver.put(180_000 + number * 20, &bytes),
                PacketOutcome::Audio
            );
        }
        let (frames, stream) = receiver.finish();
        let expected = [marks(0..100), vec![0; silence], marks(100..200)].concat();
        assert_eq!((frames, stream.lost()), (expected, 0), "{cut}");
    }
}

#[test]
fn with_pauses_cut_lost_packets_are_still_silence() {
    let mut receiver = Receiver::new(true);
    (0..100)
        .chain(150..200)
        .for_each(|number| assert_eq!(receiver.frame(number * 20, number), PacketOutcome::Audio));
    let (frames, stream) = receiver.finish();
    assert_eq!(
        (frames.len(), stream.lost(), stream.silence()),
        (200, 50, 50)
    );
}

#[test]
fn silence_that_may_not_be_given_out_yet_waits() {
    let mut stream = Receiver::new(false).stream;
    let from = FROM.parse().unwrap();
    let behind = packet(1, 100 * 160, &[2; 160]);
    let first = packet(0, 0, &[1; 160]);
    let handled = stream.handle_packet(ms(0), from, Some(&first));
    assert_eq!(handled, Ok(PacketOutcome::Audio));
    assert_eq!(
        stream.handle_packet(ms(2000), from, Some(&behind)),
        Err(FramesPending)
    );
    assert!(matches!(
        stream.poll_output(200, 0),
        Some(StreamOutput::Frame(0, ..))
    ));
    assert!(stream.poll_output(200, 0).is_none() && stream.has_output());
    assert_eq!(
        stream.poll_output(200, 40),
        Some(StreamOutput::Silence(1, 40))
    );
    assert_eq!(
        stream.poll_output(200, u64::MAX),
        Some(StreamOutput::Silence(41, 39))
    );
    assert_eq!(
        stream.handle_packet(ms(2000), from, Some(&behind)),
        Ok(PacketOutcome::Audio)
    );
    stream.handle_end();
    assert_eq!(
        stream.poll_output(200, 20),
        Some(StreamOutput::Silence(80, 20))
    );
    assert!(matches!(
        stream.poll_output(200, 0),
        Some(StreamOutput::Frame(100, ..))
    ));
    assert!(stream.poll_output(200, 9).is_none() && !stream.has_output());
}

#[test]
fn what_waited_in_the_network_is_kept() {
    let mut receiver = Receiver::new(false);
    (0..100)
        .for_each(|number| assert_eq!(receiver.frame(number * 20, number), PacketOutcome::Audio));
    (100..350).for_each(|number| assert_eq!(receiver.frame(7000, number), PacketOutcome::Audio));
    (350..400)
        .for_each(|number| assert_eq!(receiver.frame(number * 20, number), PacketOutcome::Audio));
    assert_eq!(receiver.finish().0, marks(0..400));
}

#[test]
fn a_sender_that_begins_anew_goes_on_behind_what_there_is() {
    let mut receiver = Receiver::new(false);
    (0..100)
        .for_each(|number| assert_eq!(receiver.frame(number * 20, number), PacketOutcome::Audio));
    let verdicts: Vec<PacketOutcome> = (0..50u64)
        .map(|n| {
            receiver.put(
                5000 + n * 20,
                &packet(40_000 + n as u16, 9 + n as u32 * 160, &[mark(100 + n); 160]),
            )
        })
        .collect();
    assert_eq!(
        (verdicts[0], verdicts[1], verdicts[49]),
        (
            PacketOutcome::OddSequence,
            PacketOutcome::Audio,
            PacketOutcome::Audio
        )
    );
    let (frames, _) = receiver.finish();
    assert_eq!(frames.len(), 100 + 152 + 49, "the gap is as long as it was");
    assert_eq!(frames[252..], marks(101..150));
}
