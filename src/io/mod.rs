//! System calls, one kind of object a file. Nothing here knows what the bytes mean.

pub mod clock;
pub mod control;
pub mod dir;
pub mod file;
pub mod interface;
pub mod mounts;
pub mod random;
pub mod resolver;
pub mod signals;
pub mod stream;
pub mod sys;
pub mod udp;
