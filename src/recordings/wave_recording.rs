//! RIFF/WAVE files that a recording server writes with `--format wav`: G.711 codes, with a sidecar
//! that says so. Any other RIFF file was exported, and is no recording.

use std::path::Path;

use crate::io::file::is_claimed;
use crate::io::host::FileExt;
use crate::io::regular_file;
use crate::recordings::recording_file::{FileState, RecordingFile};
use crate::recordings::sidecar_file::SidecarFile;
use crate::wire::g711::Law;
use crate::wire::recording::{Codec, Header, HEADER_BYTES};
use crate::wire::riff;

/// Codes that are read as one frame: 20 ms.
const FRAME_CODES: u32 = 160;

/// Opens a file; `None`: it is no such recording. Its frames are codes alone, after the RIFF header.
pub fn open(path: &Path) -> Option<RecordingFile> {
    if SidecarFile::of(path).text("format") != "wav" {
        return None;
    }
    let file = regular_file::open(path).ok()?;
    let mut head = [0; riff::HEADER_BYTES];
    file.read_exact_at(&mut head, 0).ok()?;
    let is_of = |law: &Law| riff::header(*law, None)[20..36] == head[20..36];
    let law = [Law::Mu, Law::A]
        .into_iter()
        .find(|law| head.starts_with(b"RIFF") && is_of(law))?;
    let declared = u32::from_le_bytes([head[54], head[55], head[56], head[57]]);
    let bytes = file.metadata().ok()?.len();
    let header = Header {
        codec: Codec::G711(law),
        rtp_len: FRAME_CODES,
        increment: FRAME_CODES,
        data_size: declared,
        big_endian: false,
    };
    // As long as a file with the phones' header would be.
    let extent = header.extent(bytes - riff::HEADER_BYTES as u64 + HEADER_BYTES as u64);
    let state = if is_claimed(&file) {
        FileState::Recording
    } else if extent.exact {
        FileState::Finished
    } else {
        FileState::Unfinished
    };
    Some(RecordingFile {
        path: path.into(),
        file,
        header,
        extent,
        state,
    })
}
