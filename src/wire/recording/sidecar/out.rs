//! The text of a sidecar, member by member.

use core::fmt::{self, Write};

use crate::wire::json::quote;

/// Writes into a buffer; an error when it is full.
pub(super) struct Out<'a> {
    pub(super) rest: &'a mut [u8],
    pub(super) separator: &'static str,
}

impl Out<'_> {
    pub(super) fn key(&mut self, key: &str) -> fmt::Result {
        let separator = core::mem::replace(&mut self.separator, ",");
        write!(self, "{separator}\"{key}\":")
    }

    pub(super) fn number(&mut self, key: &str, value: u64) -> fmt::Result {
        self.key(key)?;
        write!(self, "{value}")
    }

    pub(super) fn known(&mut self, key: &str, value: u32) -> fmt::Result {
        match value {
            0 => Ok(()),
            value => self.number(key, value.into()),
        }
    }

    pub(super) fn text(&mut self, key: &str, value: &[u8]) -> fmt::Result {
        if value.is_empty() {
            return Ok(());
        }
        self.key(key)?;
        quote(self, value)
    }
}

impl Write for Out<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (place, behind) = core::mem::take(&mut self.rest)
            .split_at_mut_checked(text.len())
            .ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.rest = behind;
        Ok(())
    }
}
