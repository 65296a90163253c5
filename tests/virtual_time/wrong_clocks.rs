//! Legs whose RTP clock runs at another rate than their bytes, in virtual time.

use crate::virtual_phone::{marked, missing, ms, rtp, settings, value, Arriving, Phone, Random};
use callrec::wire::g722::Decoder;

const PACKETS: usize = 600;

/// A leg of packets of `len` bytes, `ticks` apart by their timestamps; those that `lost` names do
/// not arrive.
fn leg(
    phone: &Phone,
    kind: u8,
    len: usize,
    ticks: u32,
    lost: impl Fn(usize) -> bool,
) -> (Vec<Vec<u8>>, Vec<Arriving>) {
    let sent: Vec<Vec<u8>> = (0..PACKETS * 160 / len).map(|n| marked(n, len)).collect();
    let from = phone.now + ms(7);
    let mut random = Random(9);
    let packet = |(n, payload): (usize, &Vec<u8>)| {
        let at = from + ms((n * len / 8) as u64 + random.below(8));
        (
            at,
            0,
            rtp(kind, n as u16, 77 + n as u32 * ticks, 0x5EED, payload),
        )
    };
    let packets: Vec<Arriving> = sent.iter().enumerate().map(packet).collect();
    let came = packets.into_iter().enumerate().filter(|(n, _)| !lost(*n));
    (sent, came.map(|(_, packet)| packet).collect())
}

/// Records them; the frames that the recording has, and its audio.
fn record(phone: &mut Phone, packets: Vec<Arriving>) -> (usize, Vec<u8>) {
    let id = phone.start("");
    let count = packets.len() as u64;
    phone.send(packets);
    phone.run_for(ms(12_060));
    let answer = phone.stop(id);
    assert_eq!(
        (
            phone.counted("audio"),
            phone.counted("late"),
            phone.counted("bug")
        ),
        (count, 0, 0)
    );
    (
        value(&answer, "frames").unwrap().parse().unwrap(),
        phone.audio(),
    )
}

#[test]
fn a_clock_that_runs_at_another_rate_than_the_bytes_loses_nothing() {
    for (len, ticks) in [
        (160, 320),
        (160, 960),
        (160, 80),
        (240, 480),
        (80, 160),
        (320, 640),
    ] {
        let mut phone = Phone::new(settings());
        let (sent, packets) = leg(&phone, 0, len, ticks, |_| false);
        let (frames, audio) = record(&mut phone, packets);
        let what = format!("{ticks} ticks for {len} bytes");
        assert!((602..=604).contains(&frames), "{what}: {frames} frames");
        let whole = sent.concat();
        assert!(
            audio.windows(whole.len()).any(|run| run == whole),
            "{what}: {:?}",
            missing(&audio, &sent, 300)
        );
        assert_eq!(
            phone.counted("concealed") + phone.counted("skew_steps"),
            0,
            "{what}"
        );
        assert_eq!(phone.counted("wrong_clock"), 1, "{what}");
    }
}

#[test]
fn what_such_a_leg_loses_on_the_way_keeps_its_place() {
    let lost = |n: usize| n > 40 && n % 25 == 0;
    let mut phone = Phone::new(settings());
    let (sent, packets) = leg(&phone, 8, 160, 320, lost);
    let id = phone.start("&codec=PCMA");
    phone.send(packets);
    phone.run_for(ms(12_060));
    phone.stop(id);
    let audio = phone.audio();
    let start = audio.windows(160).position(|run| run == sent[0]).unwrap();
    let there = |n: &usize| audio[start + n * 160..][..160] == sent[*n];
    assert_eq!(
        (0..PACKETS).filter(there).count(),
        (0..PACKETS).filter(|n| !lost(*n)).count()
    );
    assert_eq!(phone.counted("wrong_clock"), 1);
}

#[test]
fn g722_with_a_clock_of_16_khz_is_decoded_as_it_came() {
    let mut phone = Phone::new(settings());
    let (sent, packets) = leg(&phone, 9, 160, 320, |_| false);
    let (frames, audio) = record(&mut phone, packets);
    assert!((602..=604).contains(&frames), "{frames} frames");
    let mut decoder = Decoder::default();
    let law = callrec::wire::g711::Law::Mu;
    let decoded: Vec<u8> = sent
        .concat()
        .iter()
        .map(|code| law.encode_one(decoder.decode(*code).into()))
        .collect();
    assert!(audio.windows(decoded.len()).any(|run| run == decoded));
}

#[test]
fn a_leg_may_change_its_clock_in_the_middle_and_back() {
    let mut phone = Phone::new(settings());
    let sent: Vec<Vec<u8>> = (0..PACKETS).map(|n| marked(n, 160)).collect();
    let (from, mut timestamp) = (phone.now + ms(7), 5u32);
    let packet = |(n, payload): (usize, &Vec<u8>)| {
        timestamp = timestamp.wrapping_add(if (200..400).contains(&n) { 320 } else { 160 });
        (
            from + ms(20 * n as u64),
            0,
            rtp(0, n as u16, timestamp, 0x5EED, payload),
        )
    };
    let packets = sent.iter().enumerate().map(packet).collect();
    let (frames, audio) = record(&mut phone, packets);
    assert!((602..=604).contains(&frames), "{frames} frames");
    let whole = sent.concat();
    assert!(
        audio.windows(whole.len()).any(|run| run == whole),
        "{:?}",
        missing(&audio, &sent, 300)
    );
    assert_eq!(phone.counted("wrong_clock"), 2);
}

#[test]
fn pauses_that_the_sender_meant_are_no_wrong_clock() {
    for gap in [40, 100, 400] {
        let mut phone = Phone::new(settings());
        let sent: Vec<Vec<u8>> = (0..60).map(|n| marked(n, 160)).collect();
        let from = phone.now + ms(7);
        let packet = |(n, payload): (usize, &Vec<u8>)| {
            let at = n as u64 * (20 + gap);
            (
                from + ms(at),
                0,
                rtp(0, n as u16, at as u32 * 8, 0x5EED, payload),
            )
        };
        phone.send(sent.iter().enumerate().map(packet).collect::<Vec<_>>());
        let id = phone.start("");
        phone.run_for(ms(26_000));
        phone.stop(id);
        let audio = phone.audio();
        let start = audio.windows(160).position(|run| run == sent[0]).unwrap();
        let place = |n: usize| start + n * (20 + gap as usize) * 8;
        assert!(
            (0..60).all(|n| audio[place(n)..][..160] == sent[n]),
            "{gap} ms"
        );
        assert_eq!(
            (phone.counted("wrong_clock"), phone.counted("concealed")),
            (0, 0),
            "{gap} ms"
        );
    }
}

/// Whether the reader had moved ahead before the rate was found, and back then, depends on when the
/// daemon reads.
#[test]
fn no_packet_of_such_a_leg_is_taken_for_a_duplicate_whenever_the_call_begins() {
    for offset in (0..600).step_by(10) {
        let mut phone = Phone::new(settings());
        let (_, mut packets) = leg(&phone, 9, 160, 320, |n| n >= 560);
        for (at, _, _) in &mut packets {
            *at = *at + ms(offset);
        }
        record(&mut phone, packets);
        assert_eq!(phone.counted("duplicate"), 0, "{offset} ms");
    }
}
