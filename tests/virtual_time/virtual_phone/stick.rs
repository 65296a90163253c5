//! A stick in memory: it can stall, fail, fill up and lose power.

use std::collections::BTreeMap;

use callrec::base::time::{Duration, Instant};
use callrec::proto::recording::file_writer::{DiskDone, DiskError, DiskOp, RecordingName};
use callrec::wire::recording::HEADER_BYTES;

#[derive(Clone, Default)]
pub struct MemoryFile {
    pub bytes: Vec<u8>,
    /// What a power cut leaves: data and length of the last sync.
    pub durable: Vec<u8>,
    pub open: bool,
}

/// The stick.
pub struct Stick {
    pub files: BTreeMap<String, MemoryFile>,
    pub capacity: u64,
    open: Vec<Option<String>>,
    pub calls: u64,
    /// Fails the call of this number, of the kind the function accepts.
    pub fail: Option<(u64, DiskError)>,
    /// Every call from that one on fails.
    pub stays_broken: bool,
    /// No file can be created any more.
    pub refuses_files: bool,
    /// Writes of more than this many bytes are cut short.
    pub longest_write: usize,
    /// (from, length): a write or sync that begins then takes that long.
    pub stall: Option<(Instant, Duration)>,
    /// When it did.
    pub stalled_at: Option<Instant>,
    pub log: Vec<&'static str>,
}

impl Stick {
    pub fn new(places: usize) -> Self {
        Self {
            files: BTreeMap::new(),
            capacity: 1 << 40,
            open: vec![None; places],
            calls: 0,
            fail: None,
            stays_broken: false,
            refuses_files: false,
            longest_write: usize::MAX,
            stall: None,
            stalled_at: None,
            log: vec![],
        }
    }

    fn free(&self) -> u64 {
        self.capacity.saturating_sub(
            self.files
                .values()
                .map(|file| file.bytes.len() as u64)
                .sum(),
        )
    }

    pub(super) fn call(&mut self, place: usize, op: &DiskOp) -> Result<DiskDone, DiskError> {
        let kind = match op {
            DiskOp::Space => "space",
            DiskOp::MakeRoom => "make room",
            DiskOp::Create(_) => "create",
            DiskOp::Write(..) => "write",
            DiskOp::Reserve(_) => "reserve",
            DiskOp::Sync => "sync",
            DiskOp::Truncate(_) => "truncate",
            DiskOp::Close => "close",
            DiskOp::Discard => "discard",
        };
        self.log.push(kind);
        self.calls += 1;
        if let Some((number, error)) = self.fail {
            if self.calls == number || (self.stays_broken && self.calls > number) {
                if matches!(op, DiskOp::Close) {
                    self.open[place] = None;
                    return Ok(DiskDone::Yes);
                }
                return Err(error);
            }
        }
        let free = self.free();
        let name = self.open[place].clone();
        let file = name.as_ref().and_then(|name| self.files.get_mut(name));
        match op {
            DiskOp::Space => Ok(DiskDone::Free(free)),
            DiskOp::MakeRoom => {
                let open: Vec<&String> = self.open.iter().flatten().collect();
                let oldest = self.files.keys().find(|name| !open.contains(name)).cloned();
                Ok(match oldest {
                    Some(name) => {
                        self.files.remove(&name);
                        DiskDone::Yes
                    }
                    None => DiskDone::NothingToDelete,
                })
            }
            DiskOp::Create(_) if self.refuses_files => Err(DiskError::Failed(5)),
            DiskOp::Create(_) => {
                let name = format!("Record_{:06}.wav", self.calls);
                self.files.insert(
                    name.clone(),
                    MemoryFile {
                        open: true,
                        ..MemoryFile::default()
                    },
                );
                self.open[place] = Some(name.clone());
                Ok(DiskDone::Created(
                    RecordingName::try_from(name.as_str()).unwrap(),
                ))
            }
            DiskOp::Write(at, bytes) => {
                let (at, file) = (*at as usize, file.unwrap());
                assert!(at <= file.bytes.len(), "no holes are written");
                let len = bytes.len().min(self.longest_write);
                let grows = (at + len).saturating_sub(file.bytes.len()) as u64;
                let len = if grows > free {
                    len - (grows - free) as usize
                } else {
                    len
                };
                if len == 0 {
                    return Err(DiskError::Full);
                }
                file.bytes.resize(file.bytes.len().max(at + len), 0);
                file.bytes[at..at + len].copy_from_slice(&bytes[..len]);
                Ok(DiskDone::Wrote(len))
            }
            DiskOp::Sync => {
                let file = file.unwrap();
                // Files grow at their end, and change in their header only.
                let known = file.durable.len().min(HEADER_BYTES);
                file.durable[..known].copy_from_slice(&file.bytes[..known]);
                file.durable
                    .extend_from_slice(&file.bytes[file.durable.len()..]);
                Ok(DiskDone::Yes)
            }
            DiskOp::Truncate(bytes) => {
                file.unwrap().bytes.truncate(*bytes as usize);
                Ok(DiskDone::Yes)
            }
            DiskOp::Reserve(_) => Ok(DiskDone::Yes),
            DiskOp::Close => {
                self.open[place] = None;
                Ok(DiskDone::Yes)
            }
            DiskOp::Discard => {
                self.files.remove(&self.open[place].take().unwrap());
                Ok(DiskDone::Yes)
            }
        }
    }
}
