use std::net::UdpSocket;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::*;
use crate::base::limits::server::{SHARED_SILENCE_FRAMES_PER_TURN, SILENCE_FRAMES_PER_TURN};
use crate::base::limits::RTP_FRAME_BYTES;
use crate::base::time::Duration;
use crate::io::clock;
use crate::server::record::counters::Counters;
use crate::server::record::workspace::Workspace;
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

const MINUTE: u64 = 60 * 50;

/// A recording in virtual time, with a real port and a real folder.
struct Fixture {
    path: PathBuf,
    recording: ServerRecording,
    media: UdpSocket,
    to: SocketAddr,
    workspace: Workspace,
    counters: Counters,
    now: Now,
}

impl Fixture {
    fn new(name: &str, format: FileFormat, file_limit: u64) -> Self {
        let path =
            std::env::temp_dir().join(format!("callrec-recording-{name}-{}", std::process::id()));
        let archive = Arc::new(Archive::open(path.to_str().unwrap()).unwrap());
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        let socket = BatchSocket::open(local, 0).unwrap();
        let to = SocketAddr::new(local, socket.port());
        let start = StartRequest {
            id: b"1".as_slice().try_into().unwrap(),
            device: b"d".as_slice().try_into().unwrap(),
            law: Law::Mu,
            call: Default::default(),
        };
        let storage = Storage {
            format,
            file_limit,
            cut_pauses: false,
        };
        let now = clock::now();
        let recording =
            ServerRecording::create(&archive, storage, &now, start, local, socket).unwrap();
        let media = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self {
            path,
            recording,
            media,
            to,
            workspace: Workspace::default(),
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
        let Workspace { batch, writing } = &mut self.workspace;
        writing.silence.begin_turn();
        let mut turn = RecordingTurn {
            now: &self.now,
            writing,
            counters: &mut self.counters,
        };
        let done = self.recording.take_turn(&mut turn, batch);
        done.written.unwrap();
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
        let writing = &mut self.workspace.writing;
        let mut turn = RecordingTurn {
            now: &self.now,
            writing,
            counters: &mut self.counters,
        };
        self.recording.end(turn.now.monotonic, EndReason::Stopped);
        let finished = self.recording.finish(&mut turn);
        assert!(finished.is_success && finished.unwritten_sidecar.is_none());
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// The first code of each frame of a file.
fn codes(path: &Path, format: FileFormat) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let (head, size, skip) = if format == FileFormat::Phone {
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
    for (name, format) in [("phone", FileFormat::Phone), ("wav", FileFormat::Wav)] {
        let mut fixture = Fixture::new(name, format, 0);
        fixture.send(0, 0, 1);
        fixture.send(1, 1, 2);
        fixture.turn(10);
        fixture.turn(50);
        let written: u64 = (1..60).map(|minute| fixture.turn(minute * MINUTE)).sum();
        assert_eq!(written, 0, "nothing has come for an hour");
        // The phone goes on: its packets wait until the pause has been written.
        let hour = 60 * MINUTE;
        (0..100u16).for_each(|n| fixture.send(2 + n, hour + u64::from(n), 3 + n as u8));
        let most = (SILENCE_FRAMES_PER_TURN + SHARED_SILENCE_FRAMES_PER_TURN + 256)
            * RTP_FRAME_BYTES as u64;
        let mut turns = 0;
        while fixture.recording.stream.frames_out() < hour {
            let added = fixture.turn(hour + 100 + turns * 10);
            assert!(added <= most, "{added} bytes in one turn");
            turns += 1;
        }
        assert!(turns > 3, "{turns}");
        fixture.turn(hour + 200);
        fixture.finish();
        let found = codes(&fixture.files()[0], format);
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
    let mut fixture = Fixture::new("parts", FileFormat::Phone, 1 << 20);
    fixture.send(0, 0, 1);
    fixture.turn(50);
    fixture.send(1, 30 * MINUTE, 2);
    fixture.turn(30 * MINUTE + 10);
    assert!(
        !fixture.recording.held_back.is_empty(),
        "the pause is not written in one turn"
    );
    fixture
        .recording
        .end(fixture.now.monotonic, EndReason::Stopped);
    assert!(
        !fixture
            .recording
            .poll_over(fixture.now.monotonic + Duration::from_millis(60_000)),
        "more is to be written"
    );
    fixture.finish();
    let files = fixture.files();
    for file in &files {
        let sidecar = std::fs::read(file.with_extension("json")).unwrap();
        let sidecar: serde_json::Value = serde_json::from_slice(&sidecar).unwrap();
        let sum = Sha256::digest(&std::fs::read(file).unwrap()[76..]);
        let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sidecar["sha256"], *sum, "{}", file.display());
        let call = files[0].file_stem().unwrap().to_str().unwrap();
        assert_eq!(sidecar["call"], call);
    }
    let found: Vec<u8> = files
        .iter()
        .flat_map(|path| codes(path, FileFormat::Phone))
        .collect();
    let expected = [vec![1], vec![0xFF; 30 * MINUTE as usize - 1], vec![2]].concat();
    assert!(
        files.len() > 10 && found == expected,
        "{} files, {} frames",
        files.len(),
        found.len()
    );
}
