//! FSP version 2 datagrams: a file service over UDP (protocol text v0.19, and the requests of the
//! clients of OM phones).
//!
//! ```text
//! 0  command   u8       4  sequence        u16     12    data
//! 1  checksum  u8       6  length of data  u16     12+n  extra data, to the datagram's end
//! 2  key       u16      8  position        u32     all integers big-endian
//! ```

use core::mem::size_of;

/// The bytes of the header.
pub const HEADER_BYTES: usize = 12;
/// The payload (data and extra data) that both sides must accept. Servers only send more if the
/// client asks for it.
pub const DEFAULT_PAYLOAD: usize = 1024;
/// The longest payload that any client accepts: ten Ethernet fragments.
pub const MAX_PAYLOAD: usize = 14_708;
/// The bytes of a directory entry before its name, which are also the data of a STAT reply.
pub const ENTRY_HEAD: usize = 9;

/// The command of a request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command(pub u8);

#[allow(missing_docs)] // the names are those of the protocol text
impl Command {
    pub const VERSION: Self = Self(0x10);
    pub const ERROR: Self = Self(0x40);
    pub const GET_DIR: Self = Self(0x41);
    pub const GET_FILE: Self = Self(0x42);
    pub const UP_LOAD: Self = Self(0x43);
    pub const INSTALL: Self = Self(0x44);
    pub const DEL_FILE: Self = Self(0x45);
    pub const DEL_DIR: Self = Self(0x46);
    pub const GET_PRO: Self = Self(0x47);
    pub const SET_PRO: Self = Self(0x48);
    pub const MAKE_DIR: Self = Self(0x49);
    pub const BYE: Self = Self(0x4A);
    pub const GRAB_FILE: Self = Self(0x4B);
    pub const GRAB_DONE: Self = Self(0x4C);
    pub const STAT: Self = Self(0x4D);
    pub const RENAME: Self = Self(0x4E);
    /// Reserved in the protocol text; OM phones change their password with it.
    pub const CH_PASSWD: Self = Self(0x4F);

    /// Whether clients check the position of the reply before anything else, even if it is an
    /// error.
    pub fn has_position(self) -> bool {
        matches!(
            self,
            Self::GET_DIR | Self::GET_FILE | Self::UP_LOAD | Self::GRAB_FILE | Self(0x11)
        )
    }

    /// Whether the command would change files.
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Self::UP_LOAD
                | Self::INSTALL
                | Self::DEL_FILE
                | Self::DEL_DIR
                | Self::SET_PRO
                | Self::MAKE_DIR
        ) || matches!(self, Self::GRAB_FILE | Self::GRAB_DONE | Self::RENAME)
    }
}

/// The direction of a datagram. It determines the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// A request: the checksum includes the length.
    Server,
    /// A reply.
    Client,
}

/// The header, without the fields that follow from the rest of the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FspHeader {
    /// The command.
    pub command: Command,
    /// Set by the server in each reply, and returned by the client with the next request.
    pub key: u16,
    /// Chosen by the client, echoed by the server; the low three bits count resends.
    pub sequence: u16,
    /// For most commands, a position in a file or listing.
    pub position: u32,
}

/// A parsed datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The header.
    pub head: FspHeader,
    /// The data, whose length the header has.
    pub data: &'a [u8],
    /// The extra data after them.
    pub extra: &'a [u8],
}

/// Why a datagram is not FSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The datagram is shorter than its header, or than its data.
    Short,
    /// The checksum is wrong.
    Checksum,
}

impl<'a> Packet<'a> {
    /// Parses a datagram.
    pub fn parse(datagram: &'a [u8], toward: Toward) -> Result<Self, Error> {
        let (head, payload) = datagram
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Error::Short)?;
        let [command, sum, k0, k1, s0, s1, l0, l1, p0, p1, p2, p3] = *head;
        let (data, extra) = payload
            .split_at_checked(u16::from_be_bytes([l0, l1]).into())
            .ok_or(Error::Short)?;
        if sum != checksum(datagram, toward) {
            return Err(Error::Checksum);
        }
        let head = FspHeader {
            command: Command(command),
            key: u16::from_be_bytes([k0, k1]),
            sequence: u16::from_be_bytes([s0, s1]),
            position: u32::from_be_bytes([p0, p1, p2, p3]),
        };
        Ok(Self { head, data, extra })
    }

    /// The payload length that the extra data ask for; zero means none.
    pub fn preferred_payload(&self) -> Option<usize> {
        let (bytes, _) = self.extra.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*bytes));
        Some(length).filter(|length| *length > 0)
    }
}

impl FspHeader {
    /// Writes the header and its checksum. The payload is already in `datagram`; its last `extra`
    /// bytes are extra data.
    pub fn seal(&self, datagram: &mut [u8], extra: usize, toward: Toward) {
        let length = datagram.len().saturating_sub(HEADER_BYTES + extra);
        let Some(head) = datagram.first_chunk_mut::<HEADER_BYTES>() else {
            return;
        };
        let [k0, k1] = self.key.to_be_bytes();
        let [s0, s1] = self.sequence.to_be_bytes();
        let [l0, l1] = (length as u16).to_be_bytes();
        let [p0, p1, p2, p3] = self.position.to_be_bytes();
        *head = [self.command.0, 0, k0, k1, s0, s1, l0, l1, p0, p1, p2, p3];
        datagram[1] = checksum(datagram, toward);
    }
}

/// The checksum of a datagram, whatever its checksum field has.
fn checksum(datagram: &[u8], toward: Toward) -> u8 {
    let length = if toward == Toward::Server {
        datagram.len() as u32
    } else {
        0
    };
    let total = sum(datagram) - u32::from(datagram.get(1).copied().unwrap_or(0)) + length;
    (total + (total >> 8)) as u8
}

/// The sum of all bytes. It adds a word at a time, in lanes of 16 bits, since all payloads of a
/// transfer are summed.
fn sum(bytes: &[u8]) -> u32 {
    const LANES: usize = usize::MAX / 0xFFFF * 0xFF;
    const WORD: usize = size_of::<usize>();
    let mut total = 0;
    // 128 words add at most 128 * 2 * 255 to a lane, which does not overflow.
    for run in bytes.chunks(128 * WORD) {
        let words = run.chunks_exact(WORD);
        total += words
            .remainder()
            .iter()
            .map(|byte| u32::from(*byte))
            .sum::<u32>();
        let mut lanes = 0;
        for word in words {
            let word = word.try_into().map_or(0, usize::from_ne_bytes);
            lanes += (word & LANES) + (word >> 8 & LANES);
        }
        while lanes > 0 {
            total += (lanes & 0xFFFF) as u32;
            lanes >>= 16;
        }
    }
    total
}

/// The path and the password of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTarget<'a> {
    /// The path.
    pub name: &'a [u8],
    /// The password. Clients without one send none, or an empty one.
    pub password: Option<&'a [u8]>,
}

/// Parses `name NUL` or `name LF password NUL`; some clients append further NULs. `None`: there is
/// no NUL.
pub fn target(data: &[u8]) -> Option<RequestTarget<'_>> {
    let text = text(data)?;
    Some(match split(text) {
        Some((name, password)) => RequestTarget {
            name,
            password: Some(password),
        },
        None => RequestTarget {
            name: text,
            password: None,
        },
    })
}

/// Parses `LF old LF new NUL`, the data of CH_PASSWD.
pub fn passwords(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, passwords) = split(text(data)?)?;
    split(passwords).filter(|_| name.is_empty())
}

/// The bytes before the first NUL.
pub fn text(data: &[u8]) -> Option<&[u8]> {
    data.iter()
        .position(|byte| *byte == 0)
        .map(|end| &data[..end])
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == b'\n')?;
    Some((&text[..at], &text[at + 1..]))
}

/// The kind of a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryKind(pub u8);

#[allow(missing_docs)]
impl EntryKind {
    /// Follows the last entry; in a STAT reply: nothing has this name.
    pub const END: Self = Self(0);
    pub const FILE: Self = Self(1);
    pub const FOLDER: Self = Self(2);
    /// The rest of the block is unused.
    pub const SKIP: Self = Self(0x2A);
}

/// An entry of a directory listing. Without the name, it is the data of a STAT reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirEntry<'a> {
    /// Seconds since 1970, UTC.
    pub time: u32,
    /// The size in bytes.
    pub size: u32,
    /// The kind.
    pub kind: EntryKind,
    /// The name, without a NUL.
    pub name: &'a [u8],
}

impl<'a> DirEntry<'a> {
    /// An entry without time, size and name.
    pub const fn mark(kind: EntryKind) -> Self {
        Self {
            time: 0,
            size: 0,
            kind,
            name: &[],
        }
    }

    /// The bytes of an entry with a name of this length: the name, its NUL, and zeros to a multiple
    /// of four.
    pub const fn len_of(name: usize) -> usize {
        (ENTRY_HEAD + name + 1).next_multiple_of(4)
    }

    /// The entry without its name.
    pub fn head(&self) -> [u8; ENTRY_HEAD] {
        let [t0, t1, t2, t3] = self.time.to_be_bytes();
        let [s0, s1, s2, s3] = self.size.to_be_bytes();
        [t0, t1, t2, t3, s0, s1, s2, s3, self.kind.0]
    }

    /// Writes the entry. Returns its length, or `None` if `buffer` is too short.
    pub fn emit(&self, buffer: &mut [u8]) -> Option<usize> {
        let place = buffer.get_mut(..Self::len_of(self.name.len()))?;
        let (head, name) = place.split_at_mut(ENTRY_HEAD);
        head.copy_from_slice(&self.head());
        name.fill(0);
        name.get_mut(..self.name.len())?.copy_from_slice(self.name);
        Some(place.len())
    }

    /// Parses an entry without its name, which is also the data of a STAT reply.
    pub fn parse_head(bytes: &[u8]) -> Option<Self> {
        let [t0, t1, t2, t3, s0, s1, s2, s3, kind] = *bytes.first_chunk::<ENTRY_HEAD>()?;
        Some(Self {
            time: u32::from_be_bytes([t0, t1, t2, t3]),
            size: u32::from_be_bytes([s0, s1, s2, s3]),
            kind: EntryKind(kind),
            name: &[],
        })
    }

    /// Takes the first entry of a block. `None` at the end of the block, or if the entry is
    /// malformed. The target of a link follows the name after a line feed, and is ignored.
    pub fn take(block: &mut &'a [u8]) -> Option<Self> {
        let head = Self::parse_head(block)?;
        if matches!(head.kind, EntryKind::END | EntryKind::SKIP) {
            *block = &[];
            return Some(head);
        }
        let whole = text(block.get(ENTRY_HEAD..)?)?;
        *block = block.get(Self::len_of(whole.len())..).unwrap_or_default();
        Some(Self {
            name: split(whole).map_or(whole, |(name, _)| name),
            ..head
        })
    }
}

#[cfg(test)]
mod tests;
