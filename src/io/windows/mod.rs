//! The tools' part of `io` on Windows: the same names, in what the standard library has.

pub mod clock;
pub mod file;
pub mod host;
pub mod nat_opening;
#[path = "../own_error.rs"]
pub mod own_error;
pub mod random;
pub mod regular_file;
#[path = "../timespec.rs"]
pub mod timespec;
