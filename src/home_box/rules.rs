//! What the configuration means for the router.

use std::net::{IpAddr, SocketAddr};

use crate::base::limits::home_box::{
    MAX_JOINING, MAX_SCREENS, MAX_WAITING, MAX_WAITING_OF_ADDRESS,
};
use crate::base::time::Duration;
use crate::home_box::settings::BoxSettings;
use crate::proto::intercom::home_box::rules::{Addresses, Forward, Neighbour, Rules};
use crate::wire::intercom::text;

pub(super) fn rules(settings: &BoxSettings) -> Rules {
    let neighbours = settings.neighbours.iter();
    let neighbours = neighbours.map(|neighbour| Neighbour {
        id: text(&neighbour.id),
        address: IpAddr::V4(neighbour.address),
        port: neighbour.port,
    });
    Rules {
        room_id: text(&settings.room_id),
        addresses: addresses(settings),
        reject: settings.reject_policy,
        door: settings.door_policy,
        open_ends: seconds(settings.open_ends),
        no_answer_to: text(&settings.no_answer_to),
        keep: seconds(settings.keep),
        keep_timeout: seconds(settings.keep_timeout),
        ring_timeout: seconds(settings.ring_timeout),
        connect_timeout: seconds(settings.connect_timeout),
        join_timeout: seconds(settings.join_timeout),
        max_call: seconds(settings.max_call),
        prefixes: settings.community_prefixes.clone(),
        neighbours: neighbours.collect(),
        max_screens: MAX_SCREENS,
        max_joining: MAX_JOINING,
        max_waiting: MAX_WAITING,
        max_waiting_of_address: MAX_WAITING_OF_ADDRESS,
    }
}

fn addresses(settings: &BoxSettings) -> Addresses {
    let forwards = settings.forwards.iter();
    let forwards = forwards.map(|forward| Forward {
        port: forward.port,
        to: SocketAddr::V4(forward.to),
    });
    Addresses {
        home: IpAddr::V4(settings.home_addr),
        community: IpAddr::V4(settings.community_addr),
        stream_port: settings.stream_port,
        family_port: settings.family_port,
        call_port: settings.call_port,
        central_stream: settings.central_stream.map(SocketAddr::V4),
        forwards: forwards.collect(),
    }
}

pub(super) fn seconds(seconds: u32) -> Duration {
    Duration::from_millis(u64::from(seconds) * 1000)
}
