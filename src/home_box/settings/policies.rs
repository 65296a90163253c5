//! What the box does where the intercom's specification leaves a choice.

use crate::proto::intercom::home_box::rules::{DoorPolicy, RejectPolicy};

/// Which tokens a screen may join with (`joinPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinPolicy {
    /// Those that this box made and has not revoked.
    Token,
    /// Any.
    Open,
}

/// The words of the configuration file.
pub(super) const JOIN_POLICIES: [(&str, JoinPolicy); 2] =
    [("token", JoinPolicy::Token), ("open", JoinPolicy::Open)];
pub(super) const REJECT_POLICIES: [(&str, RejectPolicy); 3] = [
    ("panel", RejectPolicy::Panel),
    ("household", RejectPolicy::Household),
    ("device", RejectPolicy::Device),
];
pub(super) const DOOR_POLICIES: [(&str, DoorPolicy); 2] =
    [("talk", DoorPolicy::Talk), ("ringing", DoorPolicy::Ringing)];

/// The word for a choice.
pub(super) fn word_of<T: PartialEq>(choice: T, words: &[(&'static str, T)]) -> &'static str {
    let found = words.iter().find(|(_, known)| *known == choice);
    found.map_or("", |(word, _)| word)
}
