//! Of `callrec fetch`: what it takes from a phone, which may be anybody's.

/// Entries of one folder: a FAT32 folder, the largest that a stick can have, ends at 65 536 entries of 32 bytes.
pub const FOLDER_ENTRIES: usize = 65_536;
/// Blocks of one listing: so many entries with the longest names (268 bytes each) need 21 846 blocks of 1024 bytes.
pub const LISTING_BLOCKS: usize = 22_000;
/// The longest block that is asked for in a listing: it goes through every network in one piece.
pub const LISTING_BLOCK: u16 = 1024;
/// Files and folders that one run looks at: fifteen full folders, or a call each minute for two years.
pub const RUN_ENTRIES: usize = 1_000_000;
/// Folders in folders: more than a phone has.
pub const FOLDER_DEPTH: u32 = 8;
