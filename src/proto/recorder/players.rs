//! Playing recordings: the players, their responses and events.

use crate::base::limits::play::MAX_PLAYERS;
use crate::base::limits::MESSAGE_BYTES;
use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::playback::players::{Action, Play, Players};
use crate::proto::playback::state::{PlayError, PlayerEvent};
use crate::proto::playback::Player;
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::reason::{reason, stick_reason, Reason};
use crate::proto::recorder::requests::no_stick;
use crate::proto::recorder::{FollowUp, Recorder};
use crate::wire::control::Writer;

impl Recorder {
    /// The players, whose calls the caller makes, and the counters.
    pub fn players(&mut self) -> (&mut Players, &mut Stats) {
        (&mut self.players, &mut self.stats)
    }

    /// The next deadline of the players.
    pub fn players_deadline(&self) -> Instant {
        self.players.next_deadline()
    }

    /// A player is active.
    pub fn is_playing(&self) -> bool {
        self.players.next_deadline() != Instant::NEVER
    }

    /// A file of this name is being played.
    pub fn plays(&self, name: &[u8]) -> bool {
        self.players.all().iter().any(|player| player.plays(name))
    }

    pub(super) fn play(
        &mut self,
        client: ClientId,
        play: Play,
        random: [u32; 3],
    ) -> Result<FollowUp, Reason> {
        let (action, id, position) = match play {
            Play::Start(_) if self.ending => {
                return Err(reason("busy", format_args!("the recorder is ending")))
            }
            Play::Start(_) if self.stick.is_none() => return Err(no_stick()),
            Play::Start(start) => {
                let [id, source, rest] = random;
                let id = self.unused_id(id);
                self.players
                    .free()?
                    .begin(client, id, start, [source, rest]);
                return Ok(FollowUp::Later);
            }
            Play::Act(action, id, position) => (action, id, position),
        };
        let place = self.players.find(id)?;
        let player = &mut self.players.all_mut()[place];
        let (answer, changed) = match action {
            Action::Pause => ("PlayPauseResponse", player.pause(true)),
            Action::Resume => ("PlayResumeResponse", player.pause(false)),
            Action::Stop => ("PlayStopResponse", player.stop()),
            Action::Seek if player.seek(position) => ("PlaySeekResponse", true),
            Action::Seek => return Err(words(PlayError::TooShort, player)),
        };
        self.tell(To::Client(client), answer, place, ("result", "success"));
        if changed {
            self.tell_event(place);
        }
        Ok(FollowUp::Nothing)
    }

    /// Queues responses and events for what has happened to the players.
    pub fn announce_players(&mut self) {
        for place in 0..MAX_PLAYERS {
            let player = &mut self.players.all_mut()[place];
            match player.take_change() {
                None => {}
                Some(PlayerEvent::Refused(client, trouble)) => {
                    let reason = words(trouble, player);
                    self.refuse(client, b"PlayStartRequest", &reason);
                }
                Some(PlayerEvent::Started(client)) => {
                    self.tell(
                        To::Client(client),
                        "PlayStartResponse",
                        place,
                        ("result", "success"),
                    );
                    self.tell_event(place);
                }
                Some(PlayerEvent::Finished) => self.tell_event(place),
                Some(PlayerEvent::Failed(error)) => {
                    self.tell(
                        To::Subscribers,
                        "PlayEvent",
                        place,
                        ("reason", &stick_reason(error)),
                    );
                }
            }
        }
    }

    /// Ends all players: the daemon shuts down.
    pub(super) fn stop_players(&mut self) {
        for place in 0..MAX_PLAYERS {
            if self.players.all_mut()[place].stop() {
                self.tell_event(place);
            }
        }
    }

    fn tell_event(&mut self, place: usize) {
        self.tell(To::Subscribers, "PlayEvent", place, ("", ""));
    }

    /// Queues a message about a player; all messages have the same keys, and one additional key.
    fn tell(&mut self, to: To, command: &str, place: usize, more: (&str, &str)) {
        let mut buffer = [0; MESSAGE_BYTES];
        let len = describe(&self.players.all()[place], command, more, &mut buffer);
        if !len.is_some_and(|len| self.outbox.push(to, &buffer[..len])) {
            self.stats.count(Counter::Bug);
        }
    }

    /// The status line of a player.
    pub(super) fn play_status(
        &self,
        player: usize,
        buffer: &mut [u8; MESSAGE_BYTES],
    ) -> Option<usize> {
        let player = self.players.all().get(player)?;
        describe(player, "PlayStatus", ("", ""), buffer)
    }
}

fn describe(
    player: &Player,
    command: &str,
    (key, value): (&str, &str),
    buffer: &mut [u8],
) -> Option<usize> {
    let mut writer = Writer::new(buffer, command);
    if key == "result" {
        writer.pair(key, value);
    }
    writer
        .pair("id", player.id())
        .pair("state", player.state().name());
    if key == "reason" {
        writer.pair(key, value);
    }
    writer
        .pair("position_ms", player.position_ms())
        .pair("duration_ms", player.duration_ms());
    writer
        .pair("period_ms", player.period_ms())
        .bytes("file", &player.start().file);
    writer.finish()
}

/// The reason text of a failed play request.
fn words(trouble: PlayError, player: &Player) -> Reason {
    let (word, more) = match trouble {
        PlayError::NoFile => ("not-found", "there is no such file on the stick"),
        PlayError::NoRecording => ("not-found", "the file is no recording"),
        PlayError::Unplayable => (
            "bad-request",
            "the lengths in the file's header cannot be played",
        ),
        PlayError::NoWay => ("bad-request", "nothing can be sent to this host"),
        PlayError::TooShort => {
            return reason(
                "bad-request",
                format_args!("position_ms is behind the end, {}", player.duration_ms()),
            );
        }
        PlayError::Stick(error) => return stick_reason(error),
    };
    reason(word, format_args!("{more}"))
}
