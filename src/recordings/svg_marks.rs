//! What is marked in a recording's picture: pauses, gaps and the borders of parts.

use crate::recordings::joined::RATE;
use crate::recordings::svg_text::length;

/// What is marked; positions are in samples, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Position and length in milliseconds.
    pub pauses: Vec<(u64, u64)>,
    /// Number of pauses whose position is unknown.
    pub more_pauses: u64,
    /// Position and number of missing samples.
    pub gaps: Vec<(u64, u64)>,
    /// Where another file begins, and its name.
    pub parts: Vec<(u64, String)>,
}

impl Marks {
    /// In words, for those who cannot see them.
    pub(super) fn summary(&self) -> String {
        let counted = |count: usize, one: &str, many: &str| match count {
            0 => String::new(),
            1 => format!(", 1 {one}"),
            count => format!(", {count} {many}"),
        };
        let add = |sum: u64, (_, samples): &(u64, u64)| sum.saturating_add(*samples);
        let missing = match self.gaps.iter().fold(0, add) {
            0 => String::new(),
            samples => format!(", {} missing", length(samples / (RATE / 1000))),
        };
        let more_pauses = usize::try_from(self.more_pauses).unwrap_or(usize::MAX);
        let pauses = more_pauses.saturating_add(self.pauses.len());
        let files = if self.parts.is_empty() {
            0
        } else {
            self.parts.len() + 1
        };
        counted(pauses, "pause", "pauses") + &missing + &counted(files, "file", "files")
    }
}
