//! Players in virtual time: what is sent, when, and as one stream, whatever the file and the stick
//! are like.

use callrec::base::limits::play::{MAX_REJECTED_PARTS, PLAY_READ};
use callrec::base::limits::DATAGRAM_BYTES;
use callrec::base::time::{Duration, Instant};
use callrec::proto::playback::state::{PlayError, PlayerEvent, PlayerState};
use callrec::proto::playback::Player;
use callrec::proto::recorder::outbox::ClientId;
use callrec::proto::recording::file_writer::DiskError;
use callrec::wire::recording::probe::{Head, HEAD_BYTES};
use callrec::wire::rtp::Packet;

use crate::virtual_player::{audio, header, ms, part, Stage, BEGIN, FIRST};

#[test]
fn an_hour_is_sent_without_drift_however_late_the_loop_wakes() {
    const FRAMES: usize = 180_000;
    let mut stage = Stage::new([(FIRST, part(1, 0, FRAMES))]);
    stage.lateness = 1_900_000;
    stage.begin(0);
    stage.run_for(ms(3_600_000));
    assert_eq!(stage.sent.len(), FRAMES);
    let begun = stage.sent[0].0;
    for (n, (at, _)) in stage.sent.iter().enumerate() {
        let due = begun + ms(20 * n as u64);
        assert!(
            *at + ms(2) >= due && *at < due + ms(2),
            "packet {n} at {at:?}, due {due:?}"
        );
    }
    stage.run_for(ms(40));
    assert_eq!(stage.changes.last(), Some(&PlayerEvent::Finished));
    assert_eq!(stage.player.position_ms(), 3_600_000);
    assert_eq!(
        stage.player.next_deadline(),
        Instant::NEVER,
        "nothing wakes the loop any more"
    );
    assert!(stage.longest_read <= PLAY_READ);
}

#[test]
fn what_is_sent_is_what_was_recorded() {
    let mut stage = Stage::playing([(FIRST, part(1, 0, 500))]);
    assert_eq!(
        (stage.player.duration_ms(), stage.player.period_ms()),
        (10_000, 20)
    );
    assert_eq!(stage.run_out(), (0..500).collect::<Vec<_>>());
    assert_eq!(stage.markers(), [0]);
    let first = Packet::parse(&stage.sent[0].1).unwrap();
    assert_eq!(
        (first.ssrc, first.sequence),
        (0xAABB_CCDD, 0xFFF0),
        "its own stream, not the recording's"
    );
    // The last frame is heard before the end is told.
    assert_eq!(stage.changes.last(), Some(&PlayerEvent::Finished));
}

#[test]
fn a_pause_is_a_gap_in_time_alone() {
    let mut stage = Stage::playing([(FIRST, part(1, 0, 200))]);
    stage.run_for(ms(1005));
    assert!(stage.player.pause(true) && !stage.player.pause(true));
    assert_eq!(
        (stage.player.position_ms(), stage.player.next_deadline()),
        (1020, Instant::NEVER)
    );
    stage.run_for(ms(123_456));
    assert_eq!(stage.sent.len(), 51);
    assert!(stage.player.pause(false) && !stage.player.pause(false));
    assert_eq!(stage.run_out(), (0..200).collect::<Vec<_>>());
    assert_eq!(stage.markers(), [0, 51]);
    assert_eq!(stage.sent[51].0, BEGIN + ms(1005 + 123_456), "at once");
}

#[test]
fn a_pause_shorter_than_a_period_moves_nothing() {
    let mut stage = Stage::playing([(FIRST, part(1, 0, 20))]);
    stage.run_for(ms(105));
    stage.player.pause(true);
    stage.run_for(ms(10));
    stage.player.pause(false);
    stage.run_out();
    assert!(stage
        .sent
        .iter()
        .zip(0..)
        .all(|((at, _), n)| *at == BEGIN + ms(20 * n)));
}

#[test]
fn a_jump_goes_on_in_the_same_stream() {
    let mut stage = Stage::playing([(FIRST, part(1, 0, 3000))]);
    stage.run_for(ms(205));
    assert!(stage.player.seek(40_000) && stage.player.position_ms() == 40_000);
    stage.run_for(ms(100));
    assert!(stage.player.seek(10_019));
    stage.run_for(ms(100));
    assert!(!stage.player.seek(60_001), "behind the end");
    stage.player.pause(true);
    assert!(stage.player.seek(59_980));
    stage.run_for(ms(5000));
    stage.player.pause(false);
    let expected = [0..11, 2000..2005, 500..505, 2999..3000]
        .into_iter()
        .flatten();
    assert_eq!(stage.run_out(), expected.collect::<Vec<_>>());
    assert_eq!(stage.markers(), [0, 11, 16, 21]);
    assert_eq!(stage.changes.last(), Some(&PlayerEvent::Finished));
}

#[test]
fn a_start_may_be_anywhere_up_to_the_end() {
    for (position, frames) in [(0, 50), (1, 50), (999, 1), (980, 1), (1000, 0)] {
        let mut stage = Stage::new([(FIRST, part(1, 0, 50))]);
        stage.begin(position);
        assert_eq!(stage.run_out().len(), frames, "{position}");
        assert_eq!(stage.changes.last(), Some(&PlayerEvent::Finished));
    }
    let mut stage = Stage::new([(FIRST, part(1, 0, 50))]);
    stage.begin(1001);
    assert_eq!(stage.run_out().len(), 0);
    assert_eq!(
        stage.changes,
        [PlayerEvent::Refused(ClientId(1), PlayError::TooShort)]
    );
}

fn four_parts() -> [(&'static str, Vec<u8>); 7] {
    [
        (FIRST, part(1, 0, 100)),
        ("Record_20260101_100001.wav", part(2, 100, 100)),
        ("Record_20260101_100002.wav", part(1, 100, 60)),
        ("Record_20260101_100002_2.wav", b"no recording".to_vec()),
        ("Record_20260101_100004.wav", part(1, 161, 100)),
        ("Record_20260101_100005.wav", part(1, 160, 1)),
        ("Record_20260101_100006.wav", part(1, 161, 39)),
    ]
}

#[test]
fn parts_are_found_by_their_source_and_number() {
    let mut stage = Stage::playing(four_parts());
    assert_eq!(stage.player.duration_ms(), 4000);
    assert_eq!(stage.run_out(), (0..200).collect::<Vec<_>>());
    assert_eq!(stage.markers(), [0], "no gap between two parts");
    assert!(stage
        .sent
        .iter()
        .zip(0..)
        .all(|((at, _), n)| *at == BEGIN + ms(20 * n)));
}

#[test]
fn jumps_go_across_parts_in_either_direction() {
    let mut stage = Stage::playing(four_parts());
    stage.run_for(ms(90));
    let mut expected: Vec<usize> = (0..5).collect();
    for position in [3200u32, 0, 3180, 2000, 1980, 3220, 2100, 3980] {
        assert!(stage.player.seek(position));
        stage.run_for(ms(20));
        expected.push(position as usize / 20);
    }
    assert_eq!(stage.run_out(), expected);
}

#[test]
fn a_part_that_is_gone_or_shorter_than_it_was_ends_early() {
    let mut stage = Stage::new(four_parts());
    stage.begin(0);
    while stage.player.state() != PlayerState::Playing {
        stage.turn();
    }
    stage.files.remove("Record_20260101_100002.wav");
    stage
        .files
        .get_mut("Record_20260101_100006.wav")
        .unwrap()
        .truncate(76 + 172 * 10 + 100);
    let expected = [0..100, 160..171].into_iter().flatten();
    assert_eq!(stage.run_out(), expected.collect::<Vec<_>>());
    assert_eq!(stage.changes.last(), Some(&PlayerEvent::Finished));
}

#[test]
fn the_search_for_parts_ends() {
    let mut player = Stage::playing([(FIRST, part(1, 0, 100))]).player;
    let start = player.start().clone();
    let begin = |player: &mut Player, first: &[u8]| {
        player.begin(ClientId(1), 5, start.clone(), [1, 2]);
        let length = first.len() as u64;
        player.handle_head(
            BEGIN,
            Head::parse(&first[..HEAD_BYTES], length).map_err(|_| PlayError::NoRecording),
        );
        assert_eq!(player.state(), PlayerState::Linking(ClientId(1)));
    };
    begin(&mut player, &part(1, 0, 100));
    let looked = (1..)
        .find(|_| !player.handle_candidate(b"x.wav", None))
        .unwrap();
    assert_eq!(looked, MAX_REJECTED_PARTS);
    assert!(!player.wants_older());
    // One that its limit has ended: another part should be somewhere.
    begin(&mut player, &part(1, 0, ((1 << 20) - 76) / 172));
    assert!((0..10_000).all(|_| player.handle_candidate(b"x.wav", None)));
    assert!(player.wants_older());
    // Any number of parts that follow each other: some of them are played.
    begin(&mut player, &part(1, 0, 100));
    let next = |n: usize| {
        let bytes = part(1, 100 * n, 100);
        Head::parse(&bytes[..HEAD_BYTES], bytes.len() as u64).ok()
    };
    assert!((1..1000)
        .find(|n| !player.handle_candidate(b"x.wav", next(*n)))
        .is_some());
}

#[test]
fn a_stick_that_stalls_delays_and_loses_nothing() {
    for (stall, shifts) in [(300, false), (400, false), (700, true), (4000, true)] {
        let mut stage = Stage::playing([(FIRST, part(1, 0, 400))]);
        stage.run_for(ms(55)); // a frame before the next read
        stage.read_takes = ms(stall);
        stage.run_for(ms(10));
        stage.read_takes = Duration::ZERO;
        stage.run_for(ms(0));
        if shifts {
            assert_eq!(stage.run_out(), (0..400).collect::<Vec<_>>());
        } else {
            // Caught up with: the times of the others stay.
            stage.run_for(ms(20_000));
            assert_eq!(stage.sent.len(), 400);
            assert_eq!(stage.sent[399].0, BEGIN + ms(399 * 20));
        }
        assert_eq!(stage.markers().len(), if shifts { 2 } else { 1 }, "{stall}");
    }
}

#[test]
fn three_seconds_are_read_ahead() {
    let mut stage = Stage::playing([(FIRST, part(1, 0, 1000))]);
    stage.run_for(ms(1000));
    let mut packet = [0; DATAGRAM_BYTES];
    let mut left = 0;
    // What can be sent without another read.
    while stage
        .player
        .poll_packet(stage.player.next_deadline(), &mut packet)
        .is_some()
    {
        left += 1;
    }
    assert!(
        (3000..9000).contains(&(left * 20)),
        "{left} frames: the reads take their time"
    );
}

#[test]
fn a_stick_that_is_slow_to_begin_does_not_stutter() {
    for position in [0, 7000] {
        let mut stage = Stage::new([(FIRST, part(1, 0, 500))]);
        stage.begin(position);
        stage.read_takes = ms(300);
        (0..6).for_each(|_| stage.turn()); // the file, its parts, four reads
        stage.read_takes = Duration::ZERO;
        assert_eq!(stage.run_out().len(), 500 - position as usize / 20);
        let first = stage.sent[0].0;
        assert!(first >= BEGIN + ms(1200));
        assert!((0..)
            .zip(&stage.sent)
            .all(|(n, (at, _))| *at == first + ms(n * 20)));
    }
}

#[test]
fn every_kind_of_file_is_played_as_far_as_it_goes() {
    let frames: Vec<u8> = (0..50).flat_map(audio).collect();
    let good = part(1, 0, 50);
    let swapped = [header(172, true, 50), good[76..].to_vec()].concat();
    let payloads = [header(160, false, 50), frames.clone()].concat();
    let unfinished = [header(172, false, 0), good[76..].to_vec()].concat();
    let promising = [header(172, false, 5000), good[76..].to_vec()].concat();
    let torn = [good.clone(), vec![1; 171]].concat();
    for (name, file) in [good, swapped, payloads, unfinished, promising, torn]
        .into_iter()
        .enumerate()
    {
        let mut stage = Stage::playing([(FIRST, file)]);
        assert_eq!(stage.run_out(), (0..50).collect::<Vec<_>>(), "{name}");
        assert_eq!(stage.markers(), [0]);
    }
    let mut empty = Stage::new([(FIRST, header(172, false, 0))]);
    empty.begin(0);
    assert!(empty.run_out().is_empty());
    assert_eq!(empty.changes.last(), Some(&PlayerEvent::Finished));
}

#[test]
fn a_frame_that_is_no_packet_is_a_gap() {
    let mut file = part(1, 0, 50);
    file[76 + 172 * 10..76 + 172 * 12].fill(0);
    let mut stage = Stage::playing([(FIRST, file)]);
    assert_eq!(stage.run_out(), (0..10).chain(12..50).collect::<Vec<_>>());
    assert_eq!(stage.markers(), [0, 10]);
    assert_eq!(stage.sent[47].0, BEGIN + ms(49 * 20));
}

#[test]
fn a_damaged_first_frame_makes_none_of_the_others_noise() {
    let mut file = part(1, 0, 50);
    file[76] ^= 0x40;
    assert_eq!(
        Stage::playing([(FIRST, file)]).run_out(),
        (1..50).collect::<Vec<_>>()
    );
}

#[test]
fn lengths_that_do_not_belong_together_are_refused() {
    for (at, byte) in [(64, 173), (65, 1), (68, 159), (69, 32)] {
        let mut file = part(1, 0, 50);
        file[at] = byte;
        let mut stage = Stage::new([(FIRST, file)]);
        stage.begin(0);
        assert!(stage.run_out().is_empty());
        assert_eq!(
            stage.changes,
            [PlayerEvent::Refused(ClientId(1), PlayError::Unplayable)]
        );
    }
}

#[test]
fn a_lost_stick_ends_it_wherever_it_stands() {
    for turns in 0..12 {
        let mut stage = Stage::new(four_parts());
        stage.begin(0);
        (0..turns).for_each(|_| stage.turn());
        if turns > 10 {
            stage.player.pause(true);
        }
        let begun = stage.player.is_active();
        stage.player.fail(DiskError::Lost);
        stage.changes.extend(stage.player.take_change());
        let expected = if begun {
            PlayerEvent::Failed(DiskError::Lost)
        } else {
            PlayerEvent::Refused(ClientId(1), PlayError::Stick(DiskError::Lost))
        };
        assert_eq!(stage.changes.last(), Some(&expected));
        assert!(stage.player.is_free() && stage.player.next_deadline() == Instant::NEVER);
    }
}

/// Plays whatever this is; what comes out are packets, no more than there can be, each at its time.
fn attack(file: Vec<u8>) {
    let most = file.len() as u64;
    let mut stage = Stage::new([
        (FIRST, file),
        ("Record_20260101_100009.wav", part(1, 50, 5)),
    ]);
    stage.begin(0);
    for _ in 0..200 {
        stage.run_for(ms(100));
    }
    assert!(stage.sent.len() as u64 <= most + 5);
    assert!(!stage.changes.is_empty());
    for (_, packet) in &stage.sent {
        assert!(Packet::parse(packet).is_ok_and(|packet| !packet.payload.is_empty()));
    }
}

#[test]
fn damaged_files_do_no_harm() {
    let good = part(1, 0, 50);
    (0..=300)
        .chain((300..good.len()).step_by(97))
        .for_each(|length| attack(good[..length].to_vec()));
    let flips = (0..88 * 8).chain((88 * 8..good.len() * 8).step_by(997));
    for bit in flips {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        attack(flipped);
    }
}
