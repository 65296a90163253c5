//! What the box knows, for its loop and its requests.

use crate::home_box::call_log::CallLog;
use crate::home_box::settings::BoxSettings;
use crate::home_box::tokens::TokenStore;
use crate::proto::intercom::home_box::HomeBox;

/// What requests and events work with.
pub(super) struct Parts {
    pub(super) settings: BoxSettings,
    pub(super) router: HomeBox,
    pub(super) tokens: TokenStore,
    pub(super) call_log: CallLog,
    pub(super) wakeups: u64,
    /// Streams that somebody publishes.
    pub(super) published: usize,
}
