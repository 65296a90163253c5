//! A stream as its app sees it.

/// A row of `GET /v2/streams`.
pub(in crate::server::cloud) struct StreamRow {
    pub(in crate::server::cloud) id: String,
    pub(in crate::server::cloud) cid: u32,
    pub(in crate::server::cloud) players: usize,
    pub(in crate::server::cloud) seconds: u64,
    pub(in crate::server::cloud) bytes: u64,
}
