//! Commands that wait for the result of an operation, and what a command comes to.

use crate::proto::fsp::server::listing::Block;
use crate::proto::fsp::server::operation::Operation;
use crate::proto::fsp::server::tree::File;
use crate::wire::fsp::FspHeader;

/// A command that is suspended until its operation completes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingCommand {
    /// The index of the client's session.
    pub(super) session: usize,
    /// The header of the reply.
    pub(super) head: FspHeader,
    pub(super) awaiting: Awaiting,
}

/// What a command waits for, with the data that it needs to continue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Awaiting {
    /// GET_FILE: the bytes of `file` from `position` on.
    Bytes { file: File, position: u32 },
    /// STAT: time and size of a file.
    Entry,
    /// STAT, GET_PRO or GET_FILE of a day's folder: a name that belongs to the day (YYYYMMDD). A
    /// folder exists only as long as the stick has a file of that day.
    FileOfDay(u32),
    /// GET_DIR: the next name for the snapshot in this listing.
    Names { listing: usize },
    /// GET_DIR: time and size of the next entry of a block.
    BlockEntry(Block),
    /// CH_PASSWD: the new password is stored.
    SavedPassword,
}

/// What a command has come to.
#[derive(Clone, Copy, Debug)]
pub(super) enum CommandOutcome {
    /// The reply is complete and has this many bytes.
    Reply(usize),
    /// There is no reply.
    Silence,
    /// The command continues when the operation completes.
    Wait(Awaiting, Operation),
}

/// `Err` is the text of an error reply.
pub(super) type CommandResult = Result<CommandOutcome, &'static str>;
