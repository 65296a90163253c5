//! The configuration of the FSP server, as far as it decides anything here.

use crate::base::limits::fsp::PASSWORD_BYTES;

/// A password in clear: FSP sends it so.
pub type Password = heapless::Vec<u8, PASSWORD_BYTES>;

/// The server's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FspSettings {
    /// Never empty.
    pub password: Password,
    /// The longest payload of a reply, in bytes.
    pub max_payload: usize,
}

/// Whether `text` can be a password: not empty, not too long, no control characters.
pub fn is_password(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= PASSWORD_BYTES
        && text.iter().all(|byte| *byte >= b' ' && *byte != 0x7F)
}
