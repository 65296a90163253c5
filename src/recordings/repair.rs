//! A recording's file and its header, which need not agree: what it is, and making it whole.
//!
//! Never a file that is being written; no whole frame is ever deleted. Header and `dataSize` lie in the file's first
//! sector and are written in one go: a power cut in between leaves the old or the new.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::sys::stat::{fstat, futimens};
use nix::sys::time::TimeSpec;

use crate::io::file::{claim, is_claimed};
use crate::wire::recording::recovery;
use crate::wire::recording::{Error, Extent, Header, DATA_SIZE_OFFSET, HEADER_BYTES};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A recording.
    Sound(Header),
    /// A recording whose header is damaged; this one was found out from its frames.
    Salvaged(Header),
    /// A recording with lengths that do not belong together, and frames that do not say better.
    Odd(Header),
    /// Nothing that can be read as a recording.
    Refused(Refusal),
}

/// Why a file cannot be read as a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Shorter than a header.
    Short,
    /// A WAV file as others know it.
    Riff,
    /// Another kind of file.
    Foreign,
    /// A codec that we know, lengths that make no sense, and frames that do not say better.
    Damaged,
}

/// What `mend` did, or would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: all is well.
    Whole,
    /// Nothing: it is being written.
    InUse,
    /// Nothing: its lengths do not belong together, and its frames do not say better.
    Odd,
    /// Nothing: it is no recording.
    Refused(Refusal),
    /// It has these frames now.
    Mended {
        /// What is there.
        extent: Extent,
        /// `dataSize` as it was; `None` when the whole header was written anew.
        data_size_was: Option<u32>,
        /// Bytes behind the last whole frame, cut off.
        cut: u64,
    },
}

impl Refusal {
    /// For people, to stand behind the file's name.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Short => "is no recording: shorter than a header",
            Self::Riff => "is a RIFF/WAVE file, no recording of a phone",
            Self::Foreign => "is no recording: its header names no codec we know",
            Self::Damaged => {
                "is damaged: rtpLen or increment in its header make no sense, nor do its frames"
            }
        }
    }
}

/// Looks at a file's header, and at its first frames if that makes no sense.
pub fn look(file: &File) -> io::Result<Look> {
    let mut bytes = [0; HEADER_BYTES];
    if fill(file, &mut bytes, 0)? < HEADER_BYTES {
        return Ok(Look::Refused(Refusal::Short));
    }
    let parsed = Header::parse(&bytes);
    match parsed {
        // Where it speaks of payloads alone, packets may tell that its `rtpLen` is damaged.
        Ok(header) if header.overhead() == 12 => return Ok(Look::Sound(header)),
        _ if bytes.starts_with(b"RIFF") => return Ok(Look::Refused(Refusal::Riff)),
        _ => {}
    }
    Ok(match (salvaged(file, &bytes)?, parsed) {
        (Some(header), _) => Look::Salvaged(header),
        (None, Ok(header)) if header.overhead() == 0 => Look::Sound(header),
        (None, Ok(header)) => Look::Odd(header),
        (None, Err(Error::Lengths)) => Look::Refused(Refusal::Damaged),
        (None, Err(Error::Short | Error::Codec)) => Look::Refused(Refusal::Foreign),
    })
}

#[inline(never)] // its buffer lies on the stack only while it is needed
fn salvaged(file: &File, damaged: &[u8; HEADER_BYTES]) -> io::Result<Option<Header>> {
    let mut sample = [0; recovery::SAMPLE_BYTES];
    let len = fill(file, &mut sample, HEADER_BYTES as u64)?;
    Ok(recovery::header(damaged, &sample[..len]))
}

/// Makes a file whole, or only says what would be done: header and `dataSize` as the frames are, nothing behind the
/// last of them. The time of the file stays.
pub fn mend(file: &File, only_say: bool) -> io::Result<Outcome> {
    let free = if only_say {
        !is_claimed(file)
    } else {
        claim(file)
    };
    if !free {
        return Ok(Outcome::InUse);
    }
    let entry = file.metadata()?;
    // Not `entry.modified()`: the standard library's time ends in 2038 on 32-bit ARM.
    let modified = fstat(file).map(|stat| TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec))?;
    let (header, salvaged) = match look(file)? {
        Look::Sound(header) => (header, false),
        Look::Salvaged(header) => (header, true),
        Look::Odd(_) => return Ok(Outcome::Odd),
        Look::Refused(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    let extent = header.extent(entry.len());
    let torn = entry.len().saturating_sub(extent.file_bytes);
    // Whole frames beyond the 4 GiB that `dataSize` can say stay where they are.
    let cut = if torn < u64::from(header.rtp_len) {
        torn
    } else {
        0
    };
    if !salvaged && cut == 0 && header.data_size == extent.data_size {
        return Ok(Outcome::Whole);
    }
    if !only_say {
        match salvaged {
            true => file.write_all_at(
                &Header {
                    data_size: extent.data_size,
                    ..header
                }
                .emit(),
                0,
            )?,
            false => file.write_all_at(&header.integer(extent.data_size), DATA_SIZE_OFFSET)?,
        }
        if cut > 0 {
            file.set_len(extent.file_bytes)?;
        }
        futimens(file, &TimeSpec::UTIME_OMIT, &modified)?;
        file.sync_all()?;
    }
    Ok(Outcome::Mended {
        extent,
        data_size_was: (!salvaged).then_some(header.data_size),
        cut,
    })
}

/// Reads as many bytes as there are.
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
