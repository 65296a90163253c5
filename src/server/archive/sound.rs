//! The bytes of a recording's sound: its file as it was recorded, or the WAV file that `callrec
//! export` writes, in whole or in part.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::cli::console::ByteSink;
use crate::cli::export_output::write_to;
use crate::cli::export_wave::{codes_header, linear_header, write_codes, write_linear};
use crate::cli::failure::Failure;
use crate::cli::ffmpeg::with_decoder;
use crate::io::regular_file;
use crate::recordings::joined::JoinedRecording;
use crate::wire::g711::Law;

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Which bytes are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SoundFormat {
    /// The file of a part.
    Original,
    /// As `callrec export PART... -`.
    Wav,
    /// As `callrec export --pcm16 PART... -`.
    Pcm16,
}

impl SoundFormat {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Wav => "wav",
            Self::Pcm16 => "pcm16",
        }
    }
}

/// A recording's sound, ready to be written.
pub(super) enum Sound {
    File(File, u64),
    Joined {
        joined: Box<JoinedRecording>,
        /// `None`: linear samples.
        law: Option<Law>,
        head: Vec<u8>,
        samples: u64,
    },
}

impl Sound {
    /// The file of one part.
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        let file = regular_file::open_no_follow(path, File::options().read(true))?;
        let length = file.metadata()?.len();
        Ok(Self::File(file, length))
    }

    /// All parts as one WAV file. An error says why there can be none.
    pub(super) fn of_parts(paths: &[PathBuf], format: SoundFormat) -> Result<Self, String> {
        let joined = JoinedRecording::open(paths).map_err(|error| error.reason)?;
        let law = joined.law().filter(|_| format == SoundFormat::Wav);
        if joined.is_g711() && format == SoundFormat::Wav {
            joined.check_one_codec().map_err(|error| error.reason)?;
        }
        let samples = joined.plan.samples();
        let head = match law {
            Some(law) => codes_header(law, samples),
            None => linear_header(samples),
        };
        let head = head.ok_or("it is longer than the 4 GiB that a WAV file can have")?;
        Ok(Self::Joined {
            joined: Box::new(joined),
            law,
            head,
            samples,
        })
    }

    /// Its length in bytes.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::File(_, length) => *length,
            Self::Joined {
                law: None,
                head,
                samples,
                ..
            } => head.len() as u64 + samples * 2,
            // RIFF pads a chunk to an even length.
            Self::Joined { head, samples, .. } => head.len() as u64 + samples + samples % 2,
        }
    }

    /// Writes the bytes from `first` to `last`.
    pub(super) fn write(
        self,
        first: u64,
        last: u64,
        sink: &mut dyn ByteSink,
    ) -> Result<(), String> {
        match self {
            Self::File(file, _) => write_file(&file, first, last, sink),
            Self::Joined {
                joined, law, head, ..
            } => write_joined(*joined, law, &head, first, last, sink)
                .map_err(|failure| failure.into_message().0),
        }
    }
}

fn write_file(file: &File, first: u64, last: u64, sink: &mut dyn ByteSink) -> Result<(), String> {
    let mut at = first;
    let mut piece = vec![0; PIECE];
    while at <= last {
        let wanted = (last - at + 1).min(PIECE as u64) as usize;
        let read = file
            .read_at(&mut piece[..wanted], at)
            .map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("the file has become shorter".into());
        }
        sink.put(&piece[..read])
            .map_err(|error| error.to_string())?;
        at += read as u64;
    }
    Ok(())
}

fn write_joined(
    mut joined: JoinedRecording,
    law: Option<Law>,
    head: &[u8],
    first: u64,
    last: u64,
    sink: &mut dyn ByteSink,
) -> Result<(), Failure> {
    let head_bytes = head.len() as u64;
    let width = if law.is_some() { 1 } else { 2 };
    let body_first = first.saturating_sub(head_bytes);
    // An even number of samples is left out, so that what is left needs the same padding.
    let from = (body_first / width) & !1;
    let to = last.saturating_sub(head_bytes) / width + 2;
    let mut window = Window {
        skip: first,
        left: last - first + 1,
        sink,
    };
    window
        .take(head)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    window.skip = window.skip.saturating_sub(from * width);
    let is_g711 = joined.is_g711();
    if is_g711 {
        joined.cut(from, to);
    }
    let name = "the sound".to_owned();
    match law {
        Some(law) => write_to(&mut window, name, &mut |output| {
            write_codes(&joined, law, output)
        }),
        None => with_decoder(&joined, |mut decoded| {
            // Other decoders have a state: they hear what comes before.
            let range = if is_g711 { 0..u64::MAX } else { from..to };
            write_to(&mut window, name, &mut |output| {
                write_linear(&joined, range.clone(), decoded.take(), output)
            })
        }),
    }
}

/// Lets a range of bytes through.
struct Window<'a> {
    skip: u64,
    left: u64,
    sink: &'a mut dyn ByteSink,
}

impl Window<'_> {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        let rest = &bytes[skipped as usize..];
        let taken = self.left.min(rest.len() as u64);
        self.left -= taken;
        if taken > 0 {
            self.sink.put(&rest[..taken as usize])?;
        }
        Ok(())
    }
}

impl io::Write for Window<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes)?;
        // All that was wanted has gone: the rest need not be read.
        if self.left == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
