//! What a relay tells and counts.

/// A connection.
pub type ConnectionId = u64;

/// Something that has happened to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayEvent {
    /// `published`, `ended` or `not-recordable`.
    pub state: &'static str,
    /// The stream.
    pub id: Vec<u8>,
    /// Of its publisher: `home` or `community`.
    pub side: &'static str,
    /// Of its sound, or of its pictures if those came first; empty if it is unknown.
    pub codec: &'static str,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the counters of `StatsRequest`
pub struct RelayCounts {
    pub published: u64,
    pub played: u64,
    /// Requests that got another status than 200, and connections over the bounds.
    pub refused: u64,
    /// Tags that slow players have not got.
    pub skipped_tags: u64,
}

/// A request of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who has asked.
    pub id: ConnectionId,
    /// What is asked.
    pub what: AskedFor,
}

/// What a page asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedFor {
    /// `GET /`: the page itself.
    Page,
    /// `GET /try.js`
    Script,
    /// `GET /try.css`
    Style,
    /// `GET /status`
    Status,
    /// `POST /open`, with this token in `Authorization: Bearer`.
    Open(Vec<u8>),
}
