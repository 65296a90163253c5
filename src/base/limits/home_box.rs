//! Limits of the home's gateway (`callrec-box`).

/// The longest id of a home, a door unit or a device, in bytes.
pub const ID_BYTES: usize = 64;
/// Tokens that a box keeps: sixteen screens join at once, and the rest are phones that come and go
/// within years. Expired and revoked ones make room for new ones.
pub const MAX_TOKENS: usize = 512;
/// The longest validity of a token in days: a century.
pub const MAX_TOKEN_DAYS: u32 = 36_500;
/// The longest token in bytes before base64url: device, type, two times of 20 digits, a serial of
/// 20 digits, four commas, and an HMAC of 32 bytes.
pub const TOKEN_BYTES: usize = ID_BYTES + 1 + 3 * 20 + 4 + 32;
/// The longest file of tokens that is read: 512 lines of the longest device, with room for a
/// comment.
pub const TOKEN_FILE_BYTES: u64 = 128 * 1024;
