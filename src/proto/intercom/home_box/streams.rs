//! Which streams the running call has, and whose they are.

use crate::proto::intercom::home_box::call::CallState;
use crate::proto::intercom::home_box::legs::{LegState, Side};
use crate::proto::intercom::home_box::rewrite::to_home;
use crate::proto::intercom::home_box::stream_use::StreamUse;
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::Stream;

impl HomeBox {
    /// The streams of the call that the box's own server relays: those that the home knows by an
    /// id. Nothing while no call runs.
    pub fn stream_use(&self) -> StreamUse {
        let Some(call) = &self.call else {
            return StreamUse::default();
        };
        let (src, dest, _) = to_home(&self.rules.addresses, &call.src, &call.dest);
        let streams = [&src.audio, &src.video, &dest.audio, &dest.video];
        let is_id = |stream: &&&Stream| {
            let is_url = stream.windows(3).any(|part| part == b"://");
            !stream.is_empty() && !is_url
        };
        let ids = streams.iter().filter(is_id).map(|stream| {
            let id = stream.strip_suffix(b".flv").unwrap_or(stream);
            id.to_vec()
        });
        let legs = call.legs();
        let outside = self
            .legs
            .iter()
            .filter(|leg| leg.side == Side::Community && legs.contains(&leg.id));
        let screens = self
            .legs
            .iter()
            .filter(|leg| matches!(leg.state, LegState::Joined { .. }));
        let talks = match &call.state {
            CallState::Talking(talking) => vec![call.caller, talking.callee],
            _ => vec![],
        };
        let talking = self.legs.iter().filter(|leg| talks.contains(&leg.id));
        let is_answered = !talks.is_empty();
        StreamUse {
            is_answered,
            talking: talking.map(|leg| leg.address).collect(),
            ids: ids.collect(),
            community: outside.map(|leg| leg.address).collect(),
            home: screens.map(|leg| leg.address).collect(),
        }
    }
}
