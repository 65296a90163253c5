//! Senders that change their SSRC or their codec in the middle, in virtual time.

use crate::virtual_phone::{marked, missing, ms, rtp, settings, Arriving, Phone};
use callrec::base::limits::MAX_SOURCES;
use callrec::base::time::Instant;
use callrec::wire::g711::Law;

const SILENCE: [u8; 160] = [0xFF; 160];

/// Four hundred packets of 20 ms on a port; `packet` says payload type, SSRC and payload of each.
fn leg(begin: Instant, port: usize, packet: impl Fn(usize) -> (u8, u32, Vec<u8>)) -> Vec<Arriving> {
    let one = |n: usize| {
        let (kind, ssrc, payload) = packet(n);
        (
            begin + ms(20 * n as u64),
            port,
            rtp(kind, n as u16, n as u32 * 160, ssrc, &payload),
        )
    };
    (0..400).map(one).collect()
}

fn record(phone: &mut Phone, keys: &str, packets: Vec<Arriving>) -> Vec<u8> {
    let id = phone.start(keys);
    let count = packets.len() as u64;
    phone.send(packets);
    phone.run_for(ms(8000));
    phone.stop(id);
    assert_eq!((phone.counted("audio"), phone.counted("bug")), (count, 0));
    assert_eq!(
        (
            phone.counted("too_many_sources"),
            phone.counted("concealed"),
            phone.counted("late")
        ),
        (0, 0, 0)
    );
    phone.audio()
}

#[test]
fn all_eight_legs_of_a_conference_may_change_their_ssrc_at_any_time() {
    // Every so many packets each leg has a new SSRC; only one of them says anything.
    for changes in [400, 100, 60] {
        for speaker in [0, 7] {
            let mut phone = Phone::new(settings());
            let begin = phone.now + ms(7);
            let mut packets = vec![];
            for port in 0..8 {
                packets.extend(leg(begin, port, |n| {
                    let ssrc = (port * 1000 + (n + port) / changes) as u32;
                    (
                        0,
                        ssrc,
                        if port == speaker {
                            marked(n, 160)
                        } else {
                            SILENCE.to_vec()
                        },
                    )
                }));
            }
            let audio = record(&mut phone, "&legs=8", packets);
            let sent: Vec<Vec<u8>> = (0..400).map(|n| marked(n, 160)).collect();
            let lost = missing(&audio, &sent, 200);
            assert!(
                lost.is_empty(),
                "{lost:?} of leg {speaker} are lost, a new SSRC each {changes} packets"
            );
        }
    }
}

#[test]
fn a_sender_may_go_back_and_forth_between_the_two_laws() {
    let law = |n: usize, every: usize| if n / every % 2 == 0 { Law::Mu } else { Law::A };
    for every in [1, 2, 5, 20, 45] {
        for codec in [Law::Mu, Law::A] {
            let mut phone = Phone::new(settings());
            let sent = leg(phone.now + ms(7), 0, |n| {
                (law(n, every).payload_type(), 5, marked(n, 160))
            });
            let audio = record(&mut phone, &format!("&codec={}", codec.name()), sent);
            let recoded = |n: usize| -> Vec<u8> {
                let from = law(n, every);
                let code = |code: &u8| {
                    if from == codec {
                        *code
                    } else {
                        codec.encode_one(from.decode_one(*code).into())
                    }
                };
                marked(n, 160).iter().map(code).collect()
            };
            let expected: Vec<u8> = (0..400).flat_map(recoded).collect();
            let found = audio.windows(expected.len()).any(|run| run == expected);
            let frames: Vec<Vec<u8>> = (0..400).map(recoded).collect();
            assert!(
                found,
                "{codec:?}, each {every}: altered {:?}",
                missing(&audio, &frames, 100)
            );
        }
    }
}

#[test]
fn one_that_changes_to_g722_and_back_has_nothing_made_up() {
    for every in [1, 10] {
        let mut phone = Phone::new(settings());
        let kind = |n: usize| if n / every % 2 == 0 { 0 } else { 9 };
        let sent = leg(phone.now + ms(7), 0, |n| (kind(n), 5, marked(n, 160)));
        let audio = record(&mut phone, "", sent);
        let whole: Vec<Vec<u8>> = (0..400)
            .filter(|n| kind(*n) == 0)
            .map(|n| marked(n, 160))
            .collect();
        assert!(
            missing(&audio, &whole, 100 + every * 20).is_empty(),
            "each {every}"
        );
    }
}

#[test]
fn more_parties_than_places_are_counted_and_the_others_are_heard() {
    let mut phone = Phone::new(settings());
    let id = phone.start("&legs=1");
    let begin = phone.now + ms(7);
    let packets = (0..MAX_SOURCES + 4).flat_map(|party| {
        let later = begin + callrec::base::time::Duration::from_nanos(party as u64 * 1000);
        leg(later, 0, |n| {
            (
                0,
                party as u32,
                if party == 0 {
                    marked(n, 160)
                } else {
                    SILENCE.to_vec()
                },
            )
        })
    });
    phone.send(packets.collect::<Vec<_>>());
    phone.run_for(ms(8000));
    phone.stop(id);
    let heard = 400 * MAX_SOURCES as u64;
    assert_eq!(
        (phone.counted("audio"), phone.counted("too_many_sources")),
        (heard, 400 * 4)
    );
    let sent: Vec<Vec<u8>> = (0..400).map(|n| marked(n, 160)).collect();
    assert_eq!(missing(&phone.audio(), &sent, 200), [0usize; 0]);
}
