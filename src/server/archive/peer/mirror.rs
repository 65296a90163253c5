//! A copy of a peer's file that still grows: as far as somebody here has wanted to hear it.
//!
//! A peer sends a piece as a line of JSON (`head`: bytes of the file's header, `edge`: bytes that may be
//! read), the header, and the bytes from the asked place on. What is appended is written before the header
//! that declares it: whoever reads the copy sees what he would see of the file.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{json, Value};

use crate::server::archive::audio_file::AudioFile;

/// Bytes of a piece: half a minute of G.711. A slow line brings it in the time of an answer.
const PIECE: u64 = 256 * 1024;
/// No header is longer.
const MOST_HEAD: u64 = 1024;

/// A copy.
pub(super) struct Mirror {
    path: PathBuf,
    file: Option<File>,
    /// Bytes that it has.
    pub(super) length: u64,
    /// It had all that there was.
    pub(super) is_whole: bool,
    pub(super) refreshed_at: Option<Instant>,
    pub(super) used_at: Instant,
}

impl Mirror {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            length: 0,
            is_whole: false,
            refreshed_at: None,
            used_at: Instant::now(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a piece that was asked for from `length` on.
    pub(super) fn add(&mut self, piece: &[u8]) -> Result<(), String> {
        let (head, data, edge) = parse(piece).ok_or("its answer is not a piece of a recording")?;
        let from = self.length.max(head.len() as u64);
        if from + data.len() as u64 > edge {
            return Err("its answer has more than there is".into());
        }
        let failed = |error: io::Error| format!("{}: {error}", self.path.display());
        let file = match self.file.take() {
            Some(file) => file,
            None => create(&self.path).map_err(failed)?,
        };
        file.write_all_at(data, from).map_err(failed)?;
        file.write_all_at(head, 0).map_err(failed)?;
        self.file = Some(file);
        self.length = from + data.len() as u64;
        self.is_whole = self.length >= edge;
        if data.is_empty() && !self.is_whole {
            return Err("its answer is empty before the end".into());
        }
        Ok(())
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

/// Header, bytes, and where the file ends now.
fn parse(piece: &[u8]) -> Option<(&[u8], &[u8], u64)> {
    let end = piece.iter().position(|byte| *byte == b'\n')?;
    let line: Value = serde_json::from_slice(&piece[..end]).ok()?;
    let head = line["head"].as_u64().filter(|head| *head <= MOST_HEAD)?;
    let edge = line["edge"].as_u64().filter(|edge| *edge >= head)?;
    let rest = &piece[end + 1..];
    let (head, data) = rest.split_at_checked(head as usize)?;
    Some((head, data, edge))
}

/// A piece of a file from a place on; `None`: it has no header that is known.
pub(in crate::server::archive) fn piece(
    audio: &AudioFile,
    from: u64,
) -> io::Result<Option<Vec<u8>>> {
    let Some(layout) = audio.layout else {
        return Ok(None);
    };
    let edge = layout.head + layout.frames * layout.frame;
    let from = from.max(layout.head);
    let count = edge.saturating_sub(from).min(PIECE);
    let mut piece = json!({"head": layout.head, "edge": edge})
        .to_string()
        .into_bytes();
    piece.push(b'\n');
    let start = piece.len();
    let head = layout.head as usize;
    piece.resize(start + head + count as usize, 0);
    audio
        .file
        .read_exact_at(&mut piece[start..start + head], 0)?;
    audio.file.read_exact_at(&mut piece[start + head..], from)?;
    Ok(Some(piece))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::g711::Law;
    use crate::wire::riff;

    /// A WAV file that declares so many codes, and has more.
    fn source(path: &Path, codes: usize) -> Vec<u8> {
        let mut bytes = riff::header(Law::Mu, Some(codes as u64)).to_vec();
        bytes.extend((0..codes + 500).map(|at| (at % 251) as u8));
        std::fs::write(path, &bytes).unwrap();
        bytes
    }

    #[test]
    fn a_copy_follows_its_file_piece_by_piece_up_to_the_edge() {
        let dir = std::env::temp_dir().join(format!("callrec-mirror-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("source.wav");
        let mut mirror = Mirror::new(dir.join("sub/copy.wav"));
        for codes in [160, 1600, 600_000, 600_160] {
            let whole = source(&file, codes);
            let mut pieces = 0;
            loop {
                let audio = AudioFile::open(&file).unwrap();
                let piece = piece(&audio, mirror.length).unwrap().unwrap();
                assert!(piece.len() < PIECE as usize + 200);
                mirror.add(&piece).unwrap();
                pieces += 1;
                if mirror.is_whole {
                    break;
                }
            }
            let copy = std::fs::read(mirror.path()).unwrap();
            assert_eq!(copy.len(), riff::HEADER_BYTES + codes);
            assert!(copy[..] == whole[..copy.len()], "{codes}");
            assert_eq!(pieces, if codes == 600_000 { 3 } else { 1 });
        }
        let path = mirror.path().to_owned();
        drop(mirror);
        assert!(!path.exists());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_no_piece_is_not_written() {
        let dir = std::env::temp_dir().join(format!("callrec-no-mirror-{}", std::process::id()));
        let mut mirror = Mirror::new(dir.join("copy.wav"));
        for piece in [
            &b""[..],
            b"x",
            b"\n",
            b"{}\n",
            b"{\"head\":5,\"edge\":5}\nabc",
            b"{\"head\":5,\"edge\":4}\nabcde",
            b"{\"head\":2000,\"edge\":9000}\n",
            b"{\"head\":1,\"edge\":2}\nabc",
        ] {
            assert!(mirror.add(piece).is_err(), "{piece:?}");
        }
        assert!(!dir.exists());
    }
}
