//! What the box does where the intercom's specification leaves a choice.

/// Which tokens a screen may join with (`joinPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JoinPolicy {
    /// Those that this box made and has not revoked.
    Token,
    /// Any.
    Open,
}

/// Whose rejection ends the ring of all screens (`rejectPolicy`). When all that rang have rejected,
/// the ring ends under every policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RejectPolicy {
    /// That of a wall panel (token type 1) or a screen without a type.
    Panel,
    /// That of any screen.
    Household,
    /// None alone.
    Device,
}

/// Which screen opens the door (`doorPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoorPolicy {
    /// The one that has answered.
    Talk,
    /// Also one that rings.
    Ringing,
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
