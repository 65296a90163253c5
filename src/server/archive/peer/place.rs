//! Places of parts that are on the disks of peers.

/// The first peer's place; folders and buckets have lower numbers.
pub(in crate::server::archive) const FIRST_PEER: i64 = 1_000_000;
