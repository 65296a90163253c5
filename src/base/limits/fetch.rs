//! Limits of `callrec fetch`: what it accepts from a phone, which may be hostile.

/// Entries of one folder: a FAT32 folder, the largest that a stick can have, has at most 65 536
/// entries of 32 bytes.
pub const FOLDER_ENTRIES: usize = 65_536;
/// Blocks of one listing: 65 536 entries with the longest names (268 bytes each) need 21 846 blocks
/// of 1024 bytes.
pub const LISTING_BLOCKS: usize = 22_000;
/// The length of the blocks that are requested of a listing. They are not fragmented on any
/// network.
pub const LISTING_BLOCK: u16 = 1024;
/// Files and folders of one run: fifteen full folders, or a call each minute for two years.
pub const RUN_ENTRIES: usize = 1_000_000;
/// Nested folders; more than a phone has.
pub const FOLDER_DEPTH: u32 = 8;
