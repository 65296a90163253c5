//! The film that is published: an FLV file, and when each of its tags is due.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::wire::flv::{parse_header, Tag};

/// A film.
#[derive(Clone)]
pub(super) struct Film {
    pub(super) bytes: Arc<[u8]>,
    /// Where each tag ends, and its time in milliseconds; the header first.
    pieces: Arc<[(usize, u32)]>,
}

impl Film {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let problem = |problem: &str| format!("{}: {problem}", path.display());
        let bytes = std::fs::read(path).map_err(|error| problem(&error.to_string()))?;
        let header = parse_header(&bytes).ok().flatten();
        let mut end = header.ok_or_else(|| problem("no FLV file"))?.len();
        let mut pieces = vec![(end, 0)];
        while let Ok(Some(tag)) = Tag::parse(&bytes[end..]) {
            end += tag.bytes().len();
            pieces.push((end, tag.timestamp()));
        }
        if end < bytes.len() {
            return Err(problem(&format!("no tag at byte {end}")));
        }
        Ok(Self {
            bytes: bytes.into(),
            pieces: pieces.into(),
        })
    }

    /// The header and the tags, each with the time at which it is due.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (Duration, &[u8])> {
        let mut begin = 0;
        self.pieces.iter().map(move |(end, millis)| {
            let piece = &self.bytes[begin..*end];
            begin = *end;
            (Duration::from_millis((*millis).into()), piece)
        })
    }

    pub(super) fn tag_count(&self) -> usize {
        self.pieces.len() - 1
    }

    pub(super) fn length(&self) -> Duration {
        let last = self.pieces.last().map_or(0, |(_, millis)| *millis);
        Duration::from_millis(last.into())
    }
}
