//! A recording's file as it is on the disk, finished or growing: its format, and how much of it may
//! be read.
//!
//! While a file grows, its header declares what has been synced: that is the live edge. The file may
//! be longer, even with silence written ahead of time.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::io::file::is_claimed;
use crate::io::regular_file;
use crate::wire::g711::Law;
use crate::wire::recording::{Codec, Header, HEADER_BYTES};
use crate::wire::riff;

/// Samples of G.711 a millisecond.
const CODES_A_MILLISECOND: u64 = 8;

/// How audio is stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// `None`: another codec, which cannot be played while it is written.
    pub(super) law: Option<Law>,
    /// Where the first frame is.
    pub(super) head: u64,
    /// Bytes of a frame.
    pub(super) frame: u64,
    /// Bytes of a frame before its codes.
    pub(super) skip: u64,
    /// Samples of a frame.
    pub(super) samples: u64,
    /// Frames that may be read.
    pub(super) frames: u64,
}

/// A file.
pub(super) struct AudioFile {
    pub(super) file: File,
    pub(super) bytes: u64,
    /// When it was last written, in seconds since 1970.
    pub(super) changed: i64,
    /// A recorder is writing it.
    pub(super) is_claimed: bool,
    /// `None`: it has no header that is known.
    pub(super) layout: Option<Layout>,
}

impl AudioFile {
    /// Opens a file; a symbolic link is an error.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = regular_file::open_no_follow(path, File::options().read(true))?;
        let metadata = file.metadata()?;
        Ok(Self {
            bytes: metadata.len(),
            changed: metadata.mtime(),
            is_claimed: is_claimed(&file),
            layout: layout(&file, metadata.len()),
            file,
        })
    }

    /// Milliseconds that may be read.
    pub(super) fn sound(&self) -> i64 {
        let samples = |layout: Layout| layout.frames * layout.samples;
        let samples = self.layout.map_or(0, samples);
        (samples / CODES_A_MILLISECOND) as i64
    }
}

/// The layout by the file's header.
pub(super) fn layout(file: &File, bytes: u64) -> Option<Layout> {
    let mut head = [0; HEADER_BYTES];
    let mut length = 0;
    while length < HEADER_BYTES {
        match file.read_at(&mut head[length..], length as u64) {
            Ok(0) | Err(_) => break,
            Ok(read) => length += read,
        }
    }
    if head.starts_with(b"RIFF") {
        return riff_layout(&head[..length], bytes);
    }
    let header = Header::parse(head.get(..length)?).ok()?;
    let law = match header.codec {
        Codec::G711(law) => Some(law),
        Codec::G722 | Codec::G729 => None,
    };
    let frame = u64::from(header.rtp_len);
    let samples = u64::from(header.increment);
    let whole = bytes.saturating_sub(HEADER_BYTES as u64);
    let frames = u64::from(header.data_size).min(whole).checked_div(frame)?;
    Some(Layout {
        law: law.filter(|_| samples <= frame),
        head: HEADER_BYTES as u64,
        frame,
        skip: frame.saturating_sub(samples),
        samples,
        frames,
    })
}

/// A RIFF/WAVE file of G.711, with the header that the recording server writes.
fn riff_layout(head: &[u8], bytes: u64) -> Option<Layout> {
    let head = head.get(..riff::HEADER_BYTES)?;
    let is_of = |law: &Law| riff::header(*law, None)[20..36] == head[20..36];
    let law = [Law::Mu, Law::A].into_iter().find(is_of)?;
    let size = head.get(54..58)?.try_into().ok()?;
    let codes =
        u64::from(u32::from_le_bytes(size)).min(bytes.saturating_sub(riff::HEADER_BYTES as u64));
    Some(Layout {
        law: Some(law),
        head: riff::HEADER_BYTES as u64,
        frame: 160,
        skip: 0,
        samples: 160,
        frames: codes / 160,
    })
}
