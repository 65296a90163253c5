//! System calls, one kind of object a file. Nothing here knows what the bytes mean.

pub mod allocator;
pub mod atomic_file;
pub mod clock;
pub mod control;
pub mod descriptors;
pub mod dir;
pub mod file;
#[cfg(any(feature = "archive", feature = "box"))]
pub mod file_lock;
#[cfg(feature = "cloud")]
pub mod helper_process;
pub mod host;
pub mod interface;
#[cfg(any(feature = "box", feature = "intercom", feature = "server"))]
pub mod listener;
pub mod mounts;
#[cfg(feature = "fsp")]
pub mod nat_opening;
pub mod own_error;
#[cfg(feature = "server")]
pub mod process_channel;
pub mod random;
pub mod regular_file;
pub mod signals;
pub mod stream;
pub mod sys;
pub mod timespec;
pub mod udp;
#[cfg(feature = "server")]
pub mod udp_batch;
#[cfg(feature = "fsp")]
pub mod udp_server;
