//! FSP version 2 datagrams: a file service over UDP (protocol text v0.19, and what the clients of OM phones send).
//!
//! ```text
//! 0  command   u8       4  sequence        u16     12    data
//! 1  checksum  u8       6  length of data  u16     12+n  extra data, to the datagram's end
//! 2  key       u16      8  position        u32     all integers big-endian
//! ```

use core::mem::size_of;

/// Bytes before the data.
pub const HEADER_BYTES: usize = 12;
/// Data and extra data that both sides must take, and no server exceeds unasked.
pub const DEFAULT_PAYLOAD: usize = 1024;
/// The most that any client takes: ten Ethernet fragments.
pub const MAX_PAYLOAD: usize = 14_708;
/// Bytes of a directory entry before its name, and of the data of a STAT reply.
pub const ENTRY_HEAD: usize = 9;

/// What a datagram asks for or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command(pub u8);

#[allow(missing_docs)] // the protocol text's own names
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

    /// Clients look at the position of a reply to these before anything else, also when it is an error.
    pub fn has_position(self) -> bool {
        matches!(
            self,
            Self::GET_DIR | Self::GET_FILE | Self::UP_LOAD | Self::GRAB_FILE | Self(0x11)
        )
    }

    /// It would change what is there.
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

/// Who a datagram is for: the checksums differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// A request: the length is summed too.
    Server,
    /// A reply.
    Client,
}

/// The fields before the data, without those that follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What is asked or answered.
    pub command: Command,
    /// Given by the server with each reply, and given back with the next request.
    pub key: u16,
    /// Chosen by the client, echoed by the server; the low three bits count resends.
    pub sequence: u16,
    /// A place in a file or listing, for most commands.
    pub position: u32,
}

/// A datagram taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its fields.
    pub head: Head,
    /// What the length counts.
    pub data: &'a [u8],
    /// What stands behind it.
    pub extra: &'a [u8],
}

/// Why a datagram is no FSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than its header, or than its data.
    Short,
    /// The checksum is another one.
    Checksum,
}

impl<'a> Packet<'a> {
    /// Takes a datagram apart.
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
        let head = Head {
            command: Command(command),
            key: u16::from_be_bytes([k0, k1]),
            sequence: u16::from_be_bytes([s0, s1]),
            position: u32::from_be_bytes([p0, p1, p2, p3]),
        };
        Ok(Self { head, data, extra })
    }

    /// The payload that the extra data ask for; zero is no wish.
    pub fn preferred_payload(&self) -> Option<usize> {
        let (wish, _) = self.extra.split_first_chunk()?;
        Some(usize::from(u16::from_be_bytes(*wish))).filter(|wish| *wish > 0)
    }
}

impl Head {
    /// Writes the header in front of a payload that stands in `datagram` already, the last `extra` bytes of it
    /// being extra data.
    pub fn seal(&self, datagram: &mut [u8], extra: usize, toward: Toward) {
        let length = datagram.len().saturating_sub(HEADER_BYTES + extra);
        let Some(head) = datagram.first_chunk_mut::<HEADER_BYTES>() else {
            return;
        };
        let ([k0, k1], [s0, s1]) = (self.key.to_be_bytes(), self.sequence.to_be_bytes());
        let ([l0, l1], [p0, p1, p2, p3]) =
            ((length as u16).to_be_bytes(), self.position.to_be_bytes());
        *head = [self.command.0, 0, k0, k1, s0, s1, l0, l1, p0, p1, p2, p3];
        datagram[1] = checksum(datagram, toward);
    }
}

/// The checksum over a datagram, whatever stands in its place.
fn checksum(datagram: &[u8], toward: Toward) -> u8 {
    let length = if toward == Toward::Server {
        datagram.len() as u32
    } else {
        0
    };
    let total = sum(datagram) - u32::from(datagram.get(1).copied().unwrap_or(0)) + length;
    (total + (total >> 8)) as u8
}

/// The sum of all bytes: a word at a time, in lanes of 16 bits.
fn sum(bytes: &[u8]) -> u32 {
    const LANES: usize = usize::MAX / 0xFFFF * 0xFF;
    const WORD: usize = size_of::<usize>();
    let mut total = 0;
    // 128 words add at most 128 * 2 * 255 to a lane: it does not overflow.
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

/// What a request names, with the password that comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// A path.
    pub name: &'a [u8],
    /// Clients without a password send none, or an empty one.
    pub password: Option<&'a [u8]>,
}

/// Reads `name NUL` or `name LF password NUL`; some clients put further NULs behind. `None`: no NUL.
pub fn target(data: &[u8]) -> Option<Target<'_>> {
    let text = text(data)?;
    Some(match split(text) {
        Some((name, password)) => Target {
            name,
            password: Some(password),
        },
        None => Target {
            name: text,
            password: None,
        },
    })
}

/// Reads `LF old LF new NUL`, the data of CH_PASSWD.
pub fn passwords(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, passwords) = split(text(data)?)?;
    split(passwords).filter(|_| name.is_empty())
}

/// What stands before the first NUL.
pub fn text(data: &[u8]) -> Option<&[u8]> {
    data.iter()
        .position(|byte| *byte == 0)
        .map(|end| &data[..end])
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == b'\n')?;
    Some((&text[..at], &text[at + 1..]))
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

#[allow(missing_docs)]
impl Kind {
    /// Behind the last entry; in a STAT reply: there is nothing of this name.
    pub const END: Self = Self(0);
    pub const FILE: Self = Self(1);
    pub const FOLDER: Self = Self(2);
    /// The rest of the block is empty.
    pub const SKIP: Self = Self(0x2A);
}

/// An entry of a directory listing; without its name, the data of a STAT reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Seconds since 1970, UTC.
    pub time: u32,
    /// Bytes.
    pub size: u32,
    /// What it is.
    pub kind: Kind,
    /// Without a NUL.
    pub name: &'a [u8],
}

impl<'a> Entry<'a> {
    /// A mark without time, size and name.
    pub const fn mark(kind: Kind) -> Self {
        Self {
            time: 0,
            size: 0,
            kind,
            name: &[],
        }
    }

    /// Bytes of an entry with a name of this length: the name, its NUL, zeros to a multiple of four.
    pub const fn len_of(name: usize) -> usize {
        (ENTRY_HEAD + name + 1).next_multiple_of(4)
    }

    /// The entry without its name.
    pub fn head(&self) -> [u8; ENTRY_HEAD] {
        let ([t0, t1, t2, t3], [s0, s1, s2, s3]) =
            (self.time.to_be_bytes(), self.size.to_be_bytes());
        [t0, t1, t2, t3, s0, s1, s2, s3, self.kind.0]
    }

    /// Writes the entry; its length, or `None` when `buffer` is too short.
    pub fn emit(&self, buffer: &mut [u8]) -> Option<usize> {
        let place = buffer.get_mut(..Self::len_of(self.name.len()))?;
        let (head, name) = place.split_at_mut(ENTRY_HEAD);
        head.copy_from_slice(&self.head());
        name.fill(0);
        name.get_mut(..self.name.len())?.copy_from_slice(self.name);
        Some(place.len())
    }

    /// Reads an entry's head, also a STAT reply's data.
    pub fn parse_head(bytes: &[u8]) -> Option<Self> {
        let [t0, t1, t2, t3, s0, s1, s2, s3, kind] = *bytes.first_chunk::<ENTRY_HEAD>()?;
        let (time, size) = (
            u32::from_be_bytes([t0, t1, t2, t3]),
            u32::from_be_bytes([s0, s1, s2, s3]),
        );
        Some(Self {
            time,
            size,
            kind: Kind(kind),
            name: &[],
        })
    }

    /// Takes the first entry off a block. `None` at its end, or where it makes no sense. A link's target, behind
    /// a line end, is no part of its name.
    pub fn take(block: &mut &'a [u8]) -> Option<Self> {
        let head = Self::parse_head(block)?;
        if matches!(head.kind, Kind::END | Kind::SKIP) {
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
