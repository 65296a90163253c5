//! Who may use the streams of the box's call.

use std::net::{IpAddr, Ipv4Addr};

use mio::{Registry, Token};

use crate::base::limits::home_box::{MAX_PLAYERS, MAX_STREAMS, MAX_STREAM_CONNECTIONS};
use crate::home_box::settings::BoxSettings;
use crate::proto::intercom::home_box::StreamUse;
use crate::proto::intercom::relay::permissions::Permissions;
use crate::proto::intercom::relay::RelayLimits;
use crate::streams::{Side, StreamServer, StreamTokens, INSIDE};

const HOME: &str = "home";
const COMMUNITY: &str = "community";

/// The stream server of a box. `first`: the token of its first connection.
pub(super) fn open(
    settings: &BoxSettings,
    registry: Registry,
    listeners: [Token; 2],
    first: usize,
) -> Result<StreamServer, String> {
    let [home, community] = own_addresses(settings);
    let side = |name, address| Side {
        address: (address, settings.stream_port).into(),
        name,
    };
    let sides = [side(HOME, home), side(COMMUNITY, community)];
    // A leg's tokens are between those of the streams.
    let tokens = StreamTokens {
        listeners,
        first,
        step: 2,
    };
    let limits = RelayLimits {
        streams: MAX_STREAMS,
        players: MAX_PLAYERS,
        connections: MAX_STREAM_CONNECTIONS,
    };
    let mut server = StreamServer::open(registry, tokens, &sides, limits)?;
    if settings.try_page {
        server.relay_mut().set_page_side(HOME);
    }
    Ok(server)
}

fn own_addresses(settings: &BoxSettings) -> [IpAddr; 2] {
    [settings.home_addr, settings.community_addr].map(IpAddr::V4)
}

/// The permissions of the running call.
pub(super) fn permissions(settings: &BoxSettings, streams: StreamUse) -> Permissions {
    // The box itself plays and publishes, too.
    let own = own_addresses(settings);
    let inside = (INSIDE, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let mut parties = vec![(HOME, own[0]), (COMMUNITY, own[1]), inside];
    parties.extend(streams.home.iter().map(|address| (HOME, *address)));
    let community = streams.community.iter();
    parties.extend(community.map(|address| (COMMUNITY, *address)));
    // Before the answer each screen may publish, afterwards only who has the call.
    let may_publish = |(_, address): &&(&'static str, IpAddr)| {
        let talks = !streams.is_answered || streams.talking.contains(address);
        talks || own.contains(address) || address.is_unspecified()
    };
    let publishers = parties.iter().filter(may_publish).copied().collect();
    Permissions {
        ids: streams.ids,
        parties,
        publishers,
        inputs: vec![],
    }
}
