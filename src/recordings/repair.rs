//! Inspection and repair of a recording's file, whose header and length may disagree.
//!
//! A file that is being written is not changed, and no whole frame is ever deleted. The header is
//! in the file's first sector and is written with one call: a power cut leaves the old one or the
//! new one.

use std::fs::File;
use std::io;

use crate::io::file::{claim, is_claimed};
use crate::io::host::{modified, set_modified, FileExt};
use crate::wire::recording::recovery;
use crate::wire::recording::{Error, Extent, Header, DATA_SIZE_OFFSET, HEADER_BYTES};

/// The result of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// A recording.
    Sound(Header),
    /// A recording whose header is damaged; this one was reconstructed from its frames.
    Reconstructed(Header),
    /// A recording whose header has contradictory lengths, and whose frames do not tell the right
    /// ones.
    Inconsistent(Header),
    /// The file cannot be read as a recording.
    Refused(Refusal),
}

/// Why a file cannot be read as a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Shorter than a header.
    Short,
    /// A RIFF/WAVE file.
    Riff,
    /// Another kind of file.
    Foreign,
    /// The codec is known, but the lengths are impossible, and the frames do not tell the right
    /// ones.
    Damaged,
}

/// What `repair` did, or would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairOutcome {
    /// Nothing: header and length agree.
    Whole,
    /// Nothing: it is being written.
    InUse,
    /// Nothing: the lengths contradict each other, and the frames do not tell the right ones.
    Inconsistent,
    /// Nothing: it is not a recording.
    Refused(Refusal),
    /// Header and length agree now.
    Repaired {
        /// What the file holds.
        extent: Extent,
        /// The former `dataSize`; `None` if the whole header was replaced.
        data_size_was: Option<u32>,
        /// Bytes after the last whole frame that were cut off.
        cut: u64,
    },
}

impl Refusal {
    /// For people, to follow the file's name.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Short => "is not a recording: it is shorter than a header",
            Self::Riff => "is a RIFF/WAVE file, not a recording of a phone",
            Self::Foreign => "is not a recording: its header names an unknown codec",
            Self::Damaged => {
                "is damaged: rtpLen or increment in its header is impossible, and its frames do not tell the right ones"
            }
        }
    }
}

/// Inspects a file's header, and its first frames if the header is damaged.
pub fn inspect(file: &File) -> io::Result<Inspection> {
    let mut bytes = [0; HEADER_BYTES];
    if fill(file, &mut bytes, 0)? < HEADER_BYTES {
        return Ok(Inspection::Refused(Refusal::Short));
    }
    let parsed = Header::parse(&bytes);
    match parsed {
        // A header that describes bare payloads may be that of packets with a damaged `rtpLen`: the
        // frames decide.
        Ok(header) if header.overhead() == 12 => return Ok(Inspection::Sound(header)),
        _ if bytes.starts_with(b"RIFF") => return Ok(Inspection::Refused(Refusal::Riff)),
        _ => {}
    }
    Ok(match (reconstructed(file, &bytes)?, parsed) {
        (Some(header), _) => Inspection::Reconstructed(header),
        (None, Ok(header)) if header.overhead() == 0 => Inspection::Sound(header),
        (None, Ok(header)) => Inspection::Inconsistent(header),
        (None, Err(Error::Lengths)) => Inspection::Refused(Refusal::Damaged),
        (None, Err(Error::Short | Error::Codec)) => Inspection::Refused(Refusal::Foreign),
    })
}

#[inline(never)] // its buffer lies on the stack only while it is needed
fn reconstructed(file: &File, damaged: &[u8; HEADER_BYTES]) -> io::Result<Option<Header>> {
    let mut sample = [0; recovery::SAMPLE_BYTES];
    let len = fill(file, &mut sample, HEADER_BYTES as u64)?;
    Ok(recovery::header(damaged, &sample[..len]))
}

/// Repairs a file, or with `dry_run` only reports what would be done: corrects header and
/// `dataSize`, and cuts off what follows the last whole frame. The file's modification time stays.
pub fn repair(file: &File, dry_run: bool) -> io::Result<RepairOutcome> {
    let free = if dry_run {
        !is_claimed(file)
    } else {
        claim(file)
    };
    if !free {
        return Ok(RepairOutcome::InUse);
    }
    let entry = file.metadata()?;
    let changed = modified(file)?;
    let (header, reconstructed) = match inspect(file)? {
        Inspection::Sound(header) => (header, false),
        Inspection::Reconstructed(header) => (header, true),
        Inspection::Inconsistent(_) => return Ok(RepairOutcome::Inconsistent),
        Inspection::Refused(refusal) => return Ok(RepairOutcome::Refused(refusal)),
    };
    let extent = header.extent(entry.len());
    let rest = entry.len().saturating_sub(extent.file_bytes);
    // Whole frames beyond the 4 GiB that `dataSize` can express are kept.
    let cut = if rest < u64::from(header.rtp_len) {
        rest
    } else {
        0
    };
    if !reconstructed && cut == 0 && header.data_size == extent.data_size {
        return Ok(RepairOutcome::Whole);
    }
    if !dry_run {
        if reconstructed {
            let header = Header {
                data_size: extent.data_size,
                ..header
            };
            file.write_all_at(&header.emit(), 0)?;
        } else {
            file.write_all_at(&header.integer(extent.data_size), DATA_SIZE_OFFSET)?;
        }
        if cut > 0 {
            file.set_len(extent.file_bytes)?;
        }
        set_modified(file, &changed)?;
        file.sync_all()?;
    }
    Ok(RepairOutcome::Repaired {
        extent,
        data_size_was: (!reconstructed).then_some(header.data_size),
        cut,
    })
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match file.read_at(&mut buffer[len..], at + len as u64) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}
