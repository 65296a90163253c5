//! What is searched for.

/// How a number is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server::archive) enum NumberMatch {
    Exact,
    Begins,
    Ends,
    #[default]
    Contains,
}

/// What is searched for; all must be true.
#[derive(Clone, Debug, Default)]
pub(in crate::server::archive) struct Query {
    /// A number or a word, in any field.
    pub(in crate::server::archive) any: Option<String>,
    pub(in crate::server::archive) number: Option<String>,
    pub(in crate::server::archive) number_match: NumberMatch,
    pub(in crate::server::archive) name: Option<String>,
    /// The folders that may be seen, by their numbers; `None`: all.
    pub(in crate::server::archive) folders: Option<Vec<i64>>,
    /// 1: incoming, 2: outgoing.
    pub(in crate::server::archive) dir: Option<i64>,
    /// Seconds since 1970.
    pub(in crate::server::archive) from: Option<i64>,
    pub(in crate::server::archive) to: Option<i64>,
    pub(in crate::server::archive) min_ms: Option<i64>,
    pub(in crate::server::archive) max_ms: Option<i64>,
    pub(in crate::server::archive) tags: Vec<String>,
    /// One of these states; empty: all but `deleted`.
    pub(in crate::server::archive) states: Vec<String>,
    /// Something was lost, or somebody not heard.
    pub(in crate::server::archive) flawed: bool,
    /// Starred.
    pub(in crate::server::archive) held: bool,
    /// How the recording ended.
    pub(in crate::server::archive) end: Option<String>,
    pub(in crate::server::archive) limit: usize,
    /// The last key of the page before.
    pub(in crate::server::archive) before: Option<i64>,
}
