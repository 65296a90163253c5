//! What strangers, odd clocks and floods may do to a recording.

use super::*;

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
            let mut receiver = Receiver::new(cut);
            for number in 0..3000u64 {
                let bytes = packet(number as u16, timestamp(number), &[mark(number); 160]);
                receiver.put(number * 20, &bytes);
                assert!(
                    receiver.frames.len() as u64 <= number + 52,
                    "{which} {number} {}",
                    receiver.frames.len()
                );
            }
            let (frames, stream) = receiver.finish();
            assert!(
                (2990..=3054).contains(&frames.len()),
                "{which} {}",
                frames.len()
            );
            let audio = count(&stream, PacketOutcome::Audio);
            assert!(audio > 2900, "{which}: the audio is kept: {audio}");
        }
    }
}

#[test]
fn a_flood_is_cut_and_a_fast_clock_is_not() {
    let mut receiver = Receiver::new(false);
    (0..10_000).for_each(|number| {
        receiver.frame(number, number);
    });
    assert!(
        receiver.finish().0.len() <= 500 + 51 + 400,
        "20 times as fast as time"
    );
    let mut receiver = Receiver::new(false);
    for number in 0..8 * 3600 * 50 {
        let at = number * 20 * 9995 / 10_000;
        assert_eq!(
            receiver.frame(at, number),
            PacketOutcome::Audio,
            "500 ppm for eight hours"
        );
    }
}

#[test]
fn two_packets_far_apart_make_no_more_silence_than_one_second() {
    for gap in [60, 400, 449] {
        let mut receiver = Receiver::new(false);
        assert_eq!(receiver.frame(0, 0), PacketOutcome::Audio);
        assert_eq!(receiver.frame(0, gap), PacketOutcome::Audio);
        let (frames, _) = receiver.finish();
        assert!(
            frames.len() <= 50,
            "{gap}: {} frames in no time",
            frames.len()
        );
    }
}

#[test]
fn strangers_and_other_sources_are_counted_not_heard() {
    let mut receiver = Receiver::new(false);
    let put = |receiver: &mut Receiver, from: &str, bytes: &[u8]| {
        receiver
            .stream
            .handle_packet(ms(0), from.parse().unwrap(), Some(bytes))
            .unwrap()
    };
    let good = packet(1, 0, &[9; 160]);
    assert_eq!(
        put(&mut receiver, "10.0.0.6:4000", &good),
        PacketOutcome::Stranger
    );
    assert_eq!(put(&mut receiver, FROM, b"no RTP"), PacketOutcome::NotRtp);
    assert_eq!(
        put(
            &mut receiver,
            "10.0.0.5:9",
            &[0x80, 200, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5]
        ),
        PacketOutcome::Rtcp
    );
    assert_eq!(
        put(&mut receiver, FROM, &packet(0, 0, &[])),
        PacketOutcome::Empty
    );
    assert_eq!(
        put(&mut receiver, FROM, &packet(0, 0, &[1; 1281])),
        PacketOutcome::Oversize
    );
    assert_eq!(
        receiver
            .stream
            .handle_packet(ms(0), FROM.parse().unwrap(), None),
        Ok(PacketOutcome::Oversize)
    );
    assert_eq!(
        put(&mut receiver, FROM, &good),
        PacketOutcome::Audio,
        "the first audio decides"
    );
    assert_eq!(
        put(&mut receiver, "10.0.0.5:4001", &packet(2, 160, &[9; 160])),
        PacketOutcome::Stranger
    );
    let mut spoofed = packet(2, 160, &[9; 160]);
    spoofed[11] ^= 1;
    assert_eq!(
        put(&mut receiver, FROM, &spoofed),
        PacketOutcome::OtherSource
    );
    let mut other_codec = packet(2, 160, &[9; 160]);
    other_codec[1] = 8;
    assert_eq!(
        put(&mut receiver, FROM, &other_codec),
        PacketOutcome::UnknownPayload
    );
    let (frames, stream) = receiver.finish();
    assert_eq!((frames, stream.lost()), (vec![9], 0));
    assert_eq!(stream.counts().iter().sum::<u64>(), 10);
}

#[test]
fn what_the_phone_had_recorded_when_we_began_is_kept_also_with_losses() {
    let mut receiver = Receiver::new(false);
    (0..400)
        .filter(|n| n % 20 != 7)
        .for_each(|number| assert_eq!(receiver.frame(10, number), PacketOutcome::Audio));
    (400..600).for_each(|number| {
        assert_eq!(
            receiver.frame((number - 400) * 20 + 10, number),
            PacketOutcome::Audio
        )
    });
    let (frames, stream) = receiver.finish();
    assert_eq!((frames.len(), stream.lost()), (600, 20));
}
