use std::net::UdpSocket;
use std::path::{Path, PathBuf};

use super::*;
use crate::base::limits::server::{SHARED_SILENCE_FRAMES_PER_TURN, SILENCE_FRAMES_PER_TURN};
use crate::base::limits::RTP_FRAME_BYTES;
use crate::base::time::Duration;
use crate::io::clock;
use crate::server::record::counters::Counters;
use crate::server::record::turn::Bench;
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

const MINUTE: u64 = 60 * 50;

/// A recording in virtual time, with a real port and a real folder.
struct Run {
    path: PathBuf,
    recording: Recording,
    media: UdpSocket,
    to: SocketAddr,
    bench: Bench,
    counters: Counters,
    now: Now,
}

impl Run {
    fn new(name: &str, format: Format, file_limit: u64) -> Self {
        let path =
            std::env::temp_dir().join(format!("callrec-recording-{name}-{}", std::process::id()));
        let archive = Arc::new(Archive::open(path.to_str().unwrap()).unwrap());
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        let inlet = Inlet::open(local, 0).unwrap();
        let to = SocketAddr::new(local, inlet.port());
        let start = Start {
            id: b"1".as_slice().try_into().unwrap(),
            device: b"d".as_slice().try_into().unwrap(),
            law: Law::Mu,
            call: Call::default(),
        };
        let storing = Storing {
            format,
            file_limit,
            cut_pauses: false,
        };
        let now = clock::now();
        let recording =
            Recording::begin(&archive, storing, &now, start, local, (to.port(), inlet)).unwrap();
        let media = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self {
            path,
            recording,
            media,
            to,
            bench: Bench::default(),
            counters: Counters::new(),
            now,
        }
    }

    /// A packet with this sequence number, at the time of this frame; all of it is this code.
    fn send(&self, sequence: u16, frame: u64, code: u8) {
        let timestamp = (frame * 160) as u32;
        let head = Packet {
            marker: false,
            payload_type: 0,
            sequence,
            timestamp,
            ssrc: 7,
            payload: &[],
        };
        let bytes = [&head.emit_header()[..], &[code; 160]].concat();
        assert_eq!(self.media.send_to(&bytes, self.to).unwrap(), bytes.len());
    }

    /// A turn at the time of this frame; the bytes that it has added to the files.
    fn turn(&mut self, frame: u64) -> u64 {
        let before = self.bytes();
        self.now.monotonic = self.recording.began_at + Duration::from_millis(frame * 20);
        let Bench { batch, room } = &mut self.bench;
        room.begin_turn();
        let mut turn = Turn {
            now: &self.now,
            room,
            counters: &mut self.counters,
        };
        self.recording.work(&mut turn, batch).1.unwrap();
        self.bytes() - before
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path.join("d")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = paths
            .filter(|path| path.extension().unwrap() == "wav")
            .collect();
        paths.sort_by_key(|path| (path.to_str().unwrap().len(), path.clone()));
        paths
    }

    fn bytes(&self) -> u64 {
        self.files()
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum()
    }

    fn finish(&mut self) {
        let room = &mut self.bench.room;
        let mut turn = Turn {
            now: &self.now,
            room,
            counters: &mut self.counters,
        };
        self.recording.end(turn.now.monotonic, Why::Stopped);
        assert!(self.recording.finish(&mut turn));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The first code of each frame of a file.
fn codes(path: &Path, format: Format) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let (head, size, skip) = if format == Format::Phone {
        (76, 172, 12)
    } else {
        (58, 160, 0)
    };
    bytes[head..]
        .chunks(size)
        .map(|frame| frame[skip])
        .collect()
}

#[test]
fn a_pause_costs_nothing_while_it_lasts_and_is_written_in_pieces_behind_it() {
    for (name, format) in [("phone", Format::Phone), ("wav", Format::Wav)] {
        let mut run = Run::new(name, format, 0);
        run.send(0, 0, 1);
        run.send(1, 1, 2);
        run.turn(10);
        run.turn(50);
        let written: u64 = (1..60).map(|minute| run.turn(minute * MINUTE)).sum();
        assert_eq!(written, 0, "nothing has come for an hour");
        // The phone goes on: its packets wait until the pause has been written.
        let hour = 60 * MINUTE;
        (0..100u16).for_each(|n| run.send(2 + n, hour + u64::from(n), 3 + n as u8));
        let most = (SILENCE_FRAMES_PER_TURN + SHARED_SILENCE_FRAMES_PER_TURN + 256)
            * RTP_FRAME_BYTES as u64;
        let mut turns = 0;
        while run.recording.stream.taken() < hour {
            let added = run.turn(hour + 100 + turns * 10);
            assert!(added <= most, "{added} bytes in one turn");
            turns += 1;
        }
        assert!(turns > 3, "{turns}");
        run.turn(hour + 200);
        run.finish();
        let found = codes(&run.files()[0], format);
        let expected = [
            vec![1, 2],
            vec![0xFF; hour as usize - 2],
            (3..103).collect::<Vec<u8>>(),
        ]
        .concat();
        assert!(
            found == expected,
            "{} frames of {}",
            found.len(),
            expected.len()
        );
    }
}

#[test]
fn a_recording_that_ends_in_a_long_pause_is_whole_over_all_its_parts() {
    let mut run = Run::new("parts", Format::Phone, 1 << 20);
    run.send(0, 0, 1);
    run.turn(50);
    run.send(1, 30 * MINUTE, 2);
    run.turn(30 * MINUTE + 10);
    assert!(
        !run.recording.held_back.is_empty(),
        "the pause is not written in one turn"
    );
    run.recording.end(run.now.monotonic, Why::Stopped);
    assert!(
        !run.recording
            .is_over(run.now.monotonic + Duration::from_millis(60_000)),
        "more is to be written"
    );
    run.finish();
    let files = run.files();
    let found: Vec<u8> = files
        .iter()
        .flat_map(|path| codes(path, Format::Phone))
        .collect();
    let expected = [vec![1], vec![0xFF; 30 * MINUTE as usize - 1], vec![2]].concat();
    assert!(
        files.len() > 10 && found == expected,
        "{} files, {} frames",
        files.len(),
        found.len()
    );
}
