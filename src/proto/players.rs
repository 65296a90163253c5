//! All players of one phone, and what a control client may ask of them.

use core::net::IpAddr;

use crate::base::limits::play::MAX_PLAYERS;
use crate::base::time::Instant;
use crate::proto::part::DiskError;
use crate::proto::playback::{Player, Start};
use crate::proto::request::{bad, id, reason, text, Reason};
use crate::wire::message::Message;

/// A `Play...Request`.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub enum Play {
    /// Begin.
    Start(Start),
    /// Send nothing more for now.
    Pause(u32),
    /// Go on.
    Resume(u32),
    /// Go on at this place, in milliseconds.
    Seek(u32, u32),
    /// End it.
    Stop(u32),
}

/// Places for players.
pub struct Players(Vec<Player>);

impl Players {
    /// Allocates everything that players need.
    pub fn new() -> Self {
        Self((0..MAX_PLAYERS).map(|_| Player::new()).collect())
    }

    /// Every place.
    pub fn all(&self) -> &[Player] {
        &self.0
    }

    /// Every place, to be worked on.
    pub fn all_mut(&mut self) -> &mut [Player] {
        &mut self.0
    }

    /// When the first of them has something to do; the end of time if none has.
    pub fn next_deadline(&self) -> Instant {
        self.0.iter().fold(Instant::NEVER, |first, player| first.min(player.next_deadline()))
    }

    /// A place for one more.
    pub fn free(&mut self) -> Result<&mut Player, Reason> {
        let place = self.0.iter_mut().find(|player| player.is_free());
        place.ok_or_else(|| reason("busy", format_args!("{MAX_PLAYERS} recordings are being played")))
    }

    /// The place of one that plays or is paused.
    pub fn find(&self, id: u32) -> Result<usize, Reason> {
        let place = self.0.iter().position(|player| player.is_active() && player.id() == id);
        place.ok_or_else(|| reason("unknown-id", format_args!("no player {id} is running")))
    }

    /// Somebody has this number.
    pub fn has(&self, id: u32) -> bool {
        self.0.iter().any(|player| player.id() == id)
    }

    /// The stick is gone.
    pub fn lose_stick(&mut self) {
        self.0.iter_mut().for_each(|player| player.fail(DiskError::Lost));
    }
}

impl Default for Players {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a request of a message whose command begins with `Play`; `None` if there is no such command.
pub fn parse(message: &Message) -> Option<Result<Play, Reason>> {
    let action = match message.command() {
        b"PlayStartRequest" => return Some(start(message).map(Play::Start)),
        b"PlayPauseRequest" => |id, _| Play::Pause(id),
        b"PlayResumeRequest" => |id, _| Play::Resume(id),
        b"PlaySeekRequest" => Play::Seek,
        b"PlayStopRequest" => |id, _| Play::Stop(id),
        _ => return None,
    };
    let position = match action(0, 0) {
        Play::Seek(..) if message.raw("position_ms").is_none() => Err(bad(format_args!("position_ms is missing"))),
        _ => position(message),
    };
    Some(position.and_then(|position| Ok(action(id(message)?, position))))
}

fn start(message: &Message) -> Result<Start, Reason> {
    let file = text(message, "file")?;
    // A name, never a way out of the stick's folder.
    if file.is_empty() || file.iter().any(|b| *b == b'/' || *b == 0) || file == b"." || file == b".." {
        return Err(bad(format_args!("file must be the name of a file on the stick")));
    }
    let host = message.raw("host").and_then(|host| core::str::from_utf8(host).ok()?.parse::<IpAddr>().ok());
    let port = message.number::<u32>("port").and_then(|port| u16::try_from(port.ok()?).ok()).filter(|port| *port > 0);
    let (Some(host), Some(port)) = (host, port) else {
        return Err(bad(format_args!("host must be an IP address, port a number from 1 to 65535")));
    };
    Ok(Start { file, to: (host, port).into(), position_ms: position(message)? })
}

fn position(message: &Message) -> Result<u32, Reason> {
    let position = message.number::<u32>("position_ms").unwrap_or(Ok(0));
    position.map_err(|()| bad(format_args!("position_ms must be a number of milliseconds")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Play, String> {
        let request = parse(&Message::parse(format!("cmd=Play{text}").as_bytes()).unwrap());
        request.unwrap().map_err(|reason| reason.to_string())
    }

    #[test]
    fn a_start_takes_all_its_keys() {
        let Ok(Play::Start(start)) = parsed("StartRequest&file=a b.wav&host=::1&port=5004&position_ms=20") else {
            panic!()
        };
        let to = "[::1]:5004".parse().unwrap();
        assert_eq!(start, Start { file: Text::from_slice(b"a b.wav").unwrap(), to, position_ms: 20 });
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        for (text, message) in [
            ("StartRequest&host=::1&port=1", "file must be the name of a file on the stick"),
            ("StartRequest&file=..&host=::1&port=1", "file must be the name of a file on the stick"),
            ("StartRequest&file=a/b&host=::1&port=1", "file must be the name of a file on the stick"),
            ("StartRequest&file=a%2Fb&host=::1&port=1", "file must be the name of a file on the stick"),
            ("StartRequest&file=a%00b&host=::1&port=1", "file must be the name of a file on the stick"),
            ("StartRequest&file=a&port=1", "host must be an IP address, port a number from 1 to 65535"),
            ("StartRequest&file=a&host=localhost&port=1", "host must be an IP address, port a number from 1 to 65535"),
            ("StartRequest&file=a&host=::1&port=0", "host must be an IP address, port a number from 1 to 65535"),
            ("StartRequest&file=a&host=::1&port=1&position_ms=-1", "position_ms must be a number of milliseconds"),
            ("SeekRequest&id=1", "position_ms is missing"),
            ("SeekRequest&position_ms=1", "id is missing"),
            ("StopRequest&id=1x", "id must be a decimal number"),
        ] {
            assert_eq!(parsed(text).unwrap_err(), format!("bad-request: {message}"), "{text}");
        }
    }

    use crate::wire::message::Text;
}
