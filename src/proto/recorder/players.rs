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
            Play::Start(_) if self.ending => return Err(reason("busy", &"the recorder is ending")),
            Play::Start(_) if self.stick.is_none() || self.ejected => return Err(self.no_stick()),
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
        let slot = self.players.find(id)?;
        let player = &mut self.players.all_mut()[slot];
        let (answer, changed) = match action {
            Action::Pause => ("PlayPauseResponse", player.pause(true)),
            Action::Resume => ("PlayResumeResponse", player.pause(false)),
            Action::Stop => ("PlayStopResponse", player.stop()),
            Action::Seek if player.seek(position) => ("PlaySeekResponse", true),
            Action::Seek => return Err(play_refusal(PlayError::TooShort, player)),
        };
        self.send_player_message(To::Client(client), answer, slot, ("result", "success"));
        if changed {
            self.send_player_event(slot);
        }
        Ok(FollowUp::Nothing)
    }

    /// Queues responses and events for what has happened to the players.
    pub fn announce_players(&mut self) {
        for slot in 0..MAX_PLAYERS {
            let player = &mut self.players.all_mut()[slot];
            match player.take_change() {
                None => {}
                Some(PlayerEvent::Refused(client, error)) => {
                    let reason = play_refusal(error, player);
                    self.refuse(client, b"PlayStartRequest", &reason);
                }
                Some(PlayerEvent::Started(client)) => {
                    self.send_player_message(
                        To::Client(client),
                        "PlayStartResponse",
                        slot,
                        ("result", "success"),
                    );
                    self.send_player_event(slot);
                }
                Some(PlayerEvent::Finished) => self.send_player_event(slot),
                Some(PlayerEvent::Failed(error)) => {
                    self.send_player_message(
                        To::Subscribers,
                        "PlayEvent",
                        slot,
                        ("reason", &stick_reason(error)),
                    );
                }
            }
        }
    }

    /// Ends all players: the daemon shuts down.
    pub(super) fn stop_players(&mut self) {
        for slot in 0..MAX_PLAYERS {
            if self.players.all_mut()[slot].stop() {
                self.send_player_event(slot);
            }
        }
    }

    fn send_player_event(&mut self, slot: usize) {
        self.send_player_message(To::Subscribers, "PlayEvent", slot, ("", ""));
    }

    /// Queues a message about a player; all messages have the same keys, and one additional key.
    fn send_player_message(&mut self, to: To, command: &str, slot: usize, more: (&str, &str)) {
        let mut buffer = [0; MESSAGE_BYTES];
        let len = describe(&self.players.all()[slot], command, more, &mut buffer);
        if !len.is_some_and(|len| self.outbox.push(to, &buffer[..len])) {
            self.stats.count(Counter::Bug);
        }
    }

    /// What is now of a player, as an event.
    pub(super) fn play_state(
        &self,
        player: usize,
        buffer: &mut [u8; MESSAGE_BYTES],
    ) -> Option<usize> {
        let player = self.players.all().get(player)?;
        describe(player, "PlayEvent", ("now", "1"), buffer)
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
    if matches!(key, "reason" | "now") {
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
fn play_refusal(error: PlayError, player: &Player) -> Reason {
    let (word, more) = match error {
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
                &format_args!("position_ms is beyond the end, {}", player.duration_ms()),
            );
        }
        PlayError::Stick(error) => return stick_reason(error),
    };
    reason(word, &more)
}
