//! The reason texts of refusals and failures: one of a few codes for programs, followed by a
//! description for people.

use core::fmt::{Display, Write};

use crate::proto::recording::file_writer::DiskError;

/// Why a request was refused: begins with one of the codes in board/README.md.
pub type Reason = heapless::String<200>;

/// A reason from a code and a description. A plain text takes less code than `format_args`.
pub fn reason(word: &str, more: &dyn Display) -> Reason {
    let mut reason = Reason::new();
    let mut whole = Cutting(&mut reason);
    let _ = write!(whole, "{word}: {more}");
    reason
}

/// The request is malformed.
pub(in crate::proto) fn bad_request(words: &dyn Display) -> Reason {
    reason("bad-request", words)
}

/// The reason text of a failed call to the stick.
pub fn stick_reason(error: DiskError) -> Reason {
    let (word, words) = match error {
        DiskError::Full => (
            "disk-full",
            "the stick has no space (usbReserve) or no entries left",
        ),
        DiskError::Busy => ("busy", "no file descriptor or memory is left"),
        DiskError::Lost => ("stick-lost", "the USB stick was removed"),
        DiskError::Internal => (
            "internal",
            "a fault of the recorder, not of the stick; please report it",
        ),
        DiskError::Failed(errno) => {
            return reason(
                "stick-error",
                &format_args!("the USB stick failed (errno {errno})"),
            );
        }
    };
    reason(word, &words)
}

/// Truncates what does not fit, so that a long value does not suppress the reason before it.
struct Cutting<'a>(&'a mut Reason);

impl Write for Cutting<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> core::fmt::Result {
        self.0.push(c).map_err(|()| core::fmt::Error)
    }
}

/// Untrusted bytes in a response: truncated, and made printable.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl core::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for byte in self.0.iter().take(40) {
            let printable = byte.is_ascii_graphic() || *byte == b' ';
            f.write_char(if printable { char::from(*byte) } else { '?' })?;
        }
        f.write_str(if self.0.len() > 40 { "..." } else { "" })
    }
}

/// Untrusted text in a response or event, in full length: invalid UTF-8 becomes a question mark.
pub struct LossyText<'a>(pub &'a [u8]);

impl core::fmt::Display for LossyText<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            f.write_str(if chunk.invalid().is_empty() { "" } else { "?" })?;
        }
        Ok(())
    }
}
