//! Recordings that power or a pulled stick left unfinished are made whole: at start, and when a stick
//! comes. A few files in each turn, so that nothing else waits. Never a file in use; no audio is deleted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use log::{info, warn};
use nix::sys::stat::{fstat, futimens};
use nix::sys::time::TimeSpec;

use crate::base::limits::REPAIRS_PER_TURN;
use crate::base::stats::Counter;
use crate::event_loop::disk::Disk;
use crate::io::dir::Names;
use crate::proto::recorder::Recorder;
use crate::wire::recording::{is_recording_name, Error, Extent, Header, DATA_SIZE_OFFSET, HEADER_BYTES};

/// A walk over the stick's files.
pub(super) struct Repair {
    names: Names,
}

impl Repair {
    pub(super) fn begin(disk: &mut Disk) -> Option<Self> {
        Some(Self { names: disk.dir().ok()?.names().ok()? })
    }

    /// Looks at the next files; `false` at the end.
    pub(super) fn step(&mut self, disk: &mut Disk, recorder: &mut Recorder) -> bool {
        for _ in 0..REPAIRS_PER_TURN {
            let (Ok(dir), Ok(Some(name))) = (disk.dir(), self.names.next_file()) else { return false };
            if !is_recording_name(name) || recorder.in_use(name) {
                continue;
            }
            let outcome = dir.open_file(name).and_then(|file| make_whole(&file));
            let name = core::str::from_utf8(name).unwrap_or("?");
            match outcome {
                Ok(Some(extent)) => {
                    recorder.stats.count(Counter::Repaired);
                    info!("{name}: made whole, {} frames", extent.frames);
                }
                Ok(None) => {}
                Err(error) => warn!("{name}: cannot be repaired: {error}"),
            }
        }
        true
    }
}

/// Sets `dataSize` to the whole frames that are there and cuts what is behind them; the time of the
/// file stays. `None`: it was whole, or is no recording.
pub(super) fn make_whole(file: &File) -> io::Result<Option<Extent>> {
    let entry = file.metadata()?;
    // Not `entry.modified()`: the standard library's time ends in 2038 on 32-bit ARM.
    let modified = fstat(file).map(|stat| TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec))?;
    let mut bytes = [0; HEADER_BYTES];
    let header = match file.read_exact_at(&mut bytes, 0).map(|()| Header::parse(&bytes)) {
        Ok(Ok(header)) => header,
        Ok(Err(Error::Short | Error::Codec | Error::Lengths)) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let extent = header.extent(entry.len());
    if extent.exact {
        return Ok(None);
    }
    if entry.len() > extent.file_bytes {
        file.set_len(extent.file_bytes)?;
    }
    file.write_all_at(&header.integer(extent.data_size), DATA_SIZE_OFFSET)?;
    futimens(file, &TimeSpec::UTIME_OMIT, &modified)?;
    file.sync_all()?;
    Ok(Some(extent))
}
