//! The cloud through which phones call each other: what its servers and phones write and read.
//!
//! | file | what |
//! | --- | --- |
//! | `token` | a device's token, taken apart; `digests` proves it, on servers only |
//! | `url` | `topvdn://` URLs |
//! | `message` | what devices and the application server tell each other, at most 256 bytes |
//! | `event_stream` | the events of a device's channel |
//! | `init_string` | the configuration that devices get from the cloud |
//! | `digests` | HMAC-MD5 of tokens, signatures of webhooks |
//!
//! Nothing here allocates, but for `digests`.

#[cfg(feature = "cloud-server")]
pub mod digests;
#[cfg(feature = "cloud")]
pub mod event_stream;
pub mod init_string;
pub mod message;
pub mod token;
pub mod url;
