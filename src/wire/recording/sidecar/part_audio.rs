//! The members of a sidecar that are known once its part has ended.

use core::fmt::{self, Write};

use crate::wire::recording::sidecar::out::Out;

/// What the audio of a part is, once the part has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartAudio<'a> {
    /// Its length.
    pub duration_ms: u64,
    /// Its frames.
    pub frames: u64,
    /// Its pauses.
    pub pauses: Pauses<'a>,
    /// What is missing from it, counted by reason; zeros are left out.
    pub dropped: &'a [(&'a str, u64)],
}

/// The pauses of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pauses<'a> {
    /// `[at_ms, length_ms]` of each.
    List(&'a [[u32; 2]]),
    /// Too many to be listed.
    Count(u32),
}

impl Default for Pauses<'_> {
    fn default() -> Self {
        Self::List(&[])
    }
}

impl PartAudio<'_> {
    pub(super) fn emit_members(&self, out: &mut Out) -> fmt::Result {
        out.number("duration_ms", self.duration_ms)?;
        out.number("frames", self.frames)?;
        match self.pauses {
            Pauses::Count(count) => out.number("pauses", count.into())?,
            Pauses::List(list) => {
                out.key("pauses")?;
                let mut separator = "[";
                for [at, length] in list {
                    write!(out, "{separator}[{at},{length}]")?;
                    separator = ",";
                }
                out.write_str(if list.is_empty() { "[]" } else { "]" })?;
            }
        }
        out.key("dropped")?;
        out.write_str("{")?;
        out.separator = "";
        for (reason, count) in self.dropped.iter().filter(|(_, count)| *count > 0) {
            out.number(reason, *count)?;
        }
        out.separator = ",";
        out.write_str("}")
    }
}
