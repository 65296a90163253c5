//! All players of one phone, and the requests that a control client can make.

use core::net::IpAddr;

use crate::base::limits::play::MAX_PLAYERS;
use crate::base::time::Instant;
use crate::proto::playback::state::PlayRequest;
use crate::proto::playback::Player;
use crate::proto::recorder::keys::Values;
use crate::proto::recorder::reason::{bad_request, reason, Reason};
use crate::proto::recording::file_writer::DiskError;

/// A `Play...Request`.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub enum Play {
    /// Begin.
    Start(PlayRequest),
    /// An action for the player with this id; the last number is a position in milliseconds.
    Act(Action, u32, u32),
}

/// An action on a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stop sending for now.
    Pause,
    /// Continue.
    Resume,
    /// Continue at another position.
    Seek,
    /// End it.
    Stop,
}

/// The slots for players.
pub struct Players(Vec<Player>);

impl Players {
    /// Allocates everything that players need.
    pub fn new() -> Self {
        Self((0..MAX_PLAYERS).map(|_| Player::new()).collect())
    }

    /// All slots.
    pub fn all(&self) -> &[Player] {
        &self.0
    }

    /// All slots, mutable.
    pub fn all_mut(&mut self) -> &mut [Player] {
        &mut self.0
    }

    /// The earliest deadline; `NEVER` if there is none.
    pub fn next_deadline(&self) -> Instant {
        self.0.iter().fold(Instant::NEVER, |first, player| {
            first.min(player.next_deadline())
        })
    }

    /// A free slot.
    pub fn free(&mut self) -> Result<&mut Player, Reason> {
        let place = self.0.iter_mut().find(|player| player.is_free());
        place.ok_or_else(|| {
            reason(
                "busy",
                &format_args!("{MAX_PLAYERS} recordings are being played"),
            )
        })
    }

    /// The slot of the active player with this id.
    pub fn find(&self, id: u32) -> Result<usize, Reason> {
        let place = self
            .0
            .iter()
            .position(|player| player.is_active() && player.id() == id);
        place.ok_or_else(|| reason("unknown-id", &format_args!("no player {id} is running")))
    }

    /// A player has this id.
    pub fn has(&self, id: u32) -> bool {
        self.0.iter().any(|player| player.id() == id)
    }

    /// The stick was removed.
    pub fn handle_stick_gone(&mut self) {
        for player in &mut self.0 {
            player.fail(DiskError::Lost);
        }
    }
}

impl Default for Players {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a message whose command begins with `Play`; `None` if there is no such command, or if it
/// is refused.
pub(in crate::proto) fn read(values: &mut Values) -> Option<Play> {
    let action = match values.message.name() {
        "PlayStartRequest" => return start(values).map(Play::Start),
        "PlayPauseRequest" => Action::Pause,
        "PlayResumeRequest" => Action::Resume,
        "PlaySeekRequest" => Action::Seek,
        "PlayStopRequest" => Action::Stop,
        _ => return None,
    };
    let id = values.id();
    let position = position(values, action == Action::Seek);
    Some(Play::Act(action, id, position))
}

fn start(values: &mut Values) -> Option<PlayRequest> {
    let message = values.message;
    let file = values.text("file");
    // The name must not lead out of the stick's folder.
    if file.is_empty()
        || file.iter().any(|b| *b == b'/' || *b == 0)
        || file == b"."
        || file == b".."
    {
        values.refuse(bad_request(&"file must be the name of a file on the stick"));
    }
    let host = message.raw("host");
    let host = host.and_then(|host| core::str::from_utf8(host).ok()?.parse::<IpAddr>().ok());
    let port = message.number::<u32>("port");
    let port = port.and_then(|port| u16::try_from(port.ok()?).ok());
    let port = port.filter(|port| *port > 0);
    let (Some(host), Some(port)) = (host, port) else {
        values.refuse(bad_request(
            &"host must be an IP address, port a number from 1 to 65535",
        ));
        return None;
    };
    Some(PlayRequest {
        file,
        to: (host, port).into(),
        position_ms: position(values, false),
    })
}

fn position(values: &mut Values, wanted: bool) -> u32 {
    match values.message.number::<u32>("position_ms") {
        Some(Ok(position)) => position,
        None if !wanted => 0,
        _ => {
            values.refuse(bad_request(&"position_ms must be a number of milliseconds"));
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Play, String> {
        let line = format!("cmd=Play{text}");
        let message = Message::parse(line.as_bytes()).unwrap();
        let mut values = Values::new(&message);
        let play = read(&mut values);
        match values.into_refusal() {
            Some(reason) => Err(reason.to_string()),
            None => Ok(play.unwrap()),
        }
    }

    #[test]
    fn a_start_takes_all_its_keys() {
        let Ok(Play::Start(start)) =
            parsed("StartRequest&file=a b.wav&host=::1&port=5004&position_ms=20")
        else {
            panic!()
        };
        let to = "[::1]:5004".parse().unwrap();
        assert_eq!(
            start,
            PlayRequest {
                file: Text::from_slice(b"a b.wav").unwrap(),
                to,
                position_ms: 20
            }
        );
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        for (text, message) in [
            (
                "StartRequest&host=::1&port=1",
                "file must be the name of a file on the stick",
            ),
            (
                "StartRequest&file=..&host=::1&port=1",
                "file must be the name of a file on the stick",
            ),
            (
                "StartRequest&file=a/b&host=::1&port=1",
                "file must be the name of a file on the stick",
            ),
            (
                "StartRequest&file=a%2Fb&host=::1&port=1",
                "file must be the name of a file on the stick",
            ),
            (
                "StartRequest&file=a%00b&host=::1&port=1",
                "file must be the name of a file on the stick",
            ),
            (
                "StartRequest&file=a&port=1",
                "host must be an IP address, port a number from 1 to 65535",
            ),
            (
                "StartRequest&file=a&host=localhost&port=1",
                "host must be an IP address, port a number from 1 to 65535",
            ),
            (
                "StartRequest&file=a&host=::1&port=0",
                "host must be an IP address, port a number from 1 to 65535",
            ),
            (
                "StartRequest&file=a&host=::1&port=1&position_ms=-1",
                "position_ms must be a number of milliseconds",
            ),
            (
                "SeekRequest&id=1",
                "position_ms must be a number of milliseconds",
            ),
            ("SeekRequest&position_ms=1", "id is missing"),
            ("StopRequest&id=1x", "id must be a decimal number"),
        ] {
            assert_eq!(
                parsed(text).unwrap_err(),
                format!("bad-request: {message}"),
                "{text}"
            );
        }
    }

    use crate::wire::control::{Message, Text};
}
