//! The device's own stream server: a door unit and the property's phone have the streams of the
//! calls that they make to each other (spec, section 5, rows 6 and 7).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use log::{info, warn};
use mio::Registry;

use crate::base::limits::endpoint::{MAX_OWN_PLAYERS, MAX_OWN_STREAMS, MAX_STREAM_CONNECTIONS};
use crate::base::time::Instant;
use crate::daemon::services::calls::media::door_picture::kept_id;
use crate::daemon::turn::Tokens;
use crate::proto::intercom::endpoint::own_streams::OwnStreams;
use crate::proto::intercom::endpoint::reachable;
use crate::proto::intercom::endpoint::settings::{Role, Settings};
use crate::proto::intercom::relay::permissions::{Input, Permissions};
use crate::proto::intercom::relay::RelayLimits;
use crate::streams::{Side, StreamServer, StreamTokens, INSIDE};

/// What the side of a device's listener is called.
const SIDE: &str = "device";

/// The server; `None` for a screen, for a phone that is no intercom device, and if it could not be
/// opened.
pub(super) struct OwnStreamServer {
    server: Option<StreamServer>,
    own_addr: IpAddr,
    address: SocketAddr,
}

impl OwnStreamServer {
    /// `source`: the number of its first event source. A device without a server still calls homes,
    /// whose boxes have one.
    pub(super) fn open(
        settings: Option<&Settings>,
        registry: &Registry,
        tokens: Tokens,
        source: usize,
    ) -> Self {
        let settings = settings.filter(|settings| settings.role != Role::Screen);
        let Some(settings) = settings else {
            let own_addr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            return Self {
                server: None,
                own_addr,
                address: SocketAddr::new(own_addr, 0),
            };
        };
        let own_addr = settings.addr;
        let address = SocketAddr::new(reachable(own_addr), settings.stream_port);
        let side = Side {
            address: (own_addr, settings.stream_port).into(),
            name: SIDE,
        };
        let stream_tokens = StreamTokens {
            listeners: [tokens.token(source); 2],
            first: tokens.token(source + 1).0,
            step: 1,
        };
        let limits = RelayLimits {
            streams: MAX_OWN_STREAMS,
            players: MAX_OWN_PLAYERS,
            connections: MAX_STREAM_CONNECTIONS,
        };
        let opened = registry
            .try_clone()
            .map_err(|problem| problem.to_string())
            .and_then(|registry| StreamServer::open(registry, stream_tokens, &[side], limits));
        match &opened {
            Ok(_) => info!("intercom: own streams are at {}", side.address),
            Err(problem) => warn!("intercom: {problem} (streamPort): calls between doors and the property's phone have no sound"),
        }
        Self {
            server: opened.ok(),
            own_addr,
            address,
        }
    }

    /// The streams of the running call, from now on.
    /// `picture`: the id of a door's stream whose picture the application publishes here.
    pub(super) fn set_use(
        &mut self,
        now: Instant,
        streams: Option<OwnStreams>,
        picture: Option<&[u8]>,
    ) {
        let Some(server) = &mut self.server else {
            return;
        };
        let mut permissions = Permissions::default();
        if let Some(streams) = &streams {
            permissions.ids = streams.ids.iter().map(|id| id.to_vec()).collect();
        }
        if let Some(id) = picture {
            let kept = kept_id(id);
            permissions.ids.extend([id.to_vec(), kept.clone()]);
            let side = SIDE;
            let asked = id.to_vec();
            permissions.inputs.push(Input { asked, kept, side });
        }
        if !permissions.ids.is_empty() {
            let mut parties = vec![
                (INSIDE, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
                (SIDE, self.own_addr),
                (SIDE, IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ];
            let others = streams
                .as_ref()
                .map(|streams| [streams.local, streams.peer]);
            for address in others.iter().flatten().flatten() {
                parties.push((SIDE, *address));
            }
            permissions.publishers = parties.clone();
            permissions.parties = parties;
        }
        server.set_permissions(now, permissions);
    }

    /// The server, if it is open.
    pub(super) fn server(&mut self) -> Option<&mut StreamServer> {
        self.server.as_mut()
    }

    /// Where the device's own programs reach it; `None`: it is not open.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|_| self.address)
    }

    pub(super) fn handle_event(&mut self, now: Instant, token: mio::Token) {
        if let Some(server) = &mut self.server {
            server.handle_event(now, token);
        }
    }

    pub(super) fn turn(&mut self, now: Instant) {
        if let Some(server) = &mut self.server {
            server.turn(now);
            // The call's own events tell what happens to its streams.
            while server.poll_event().is_some() {}
        }
    }

    pub(super) fn has_work(&self) -> bool {
        self.server.as_ref().is_some_and(StreamServer::has_work)
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let server = self.server.as_ref();
        server.map_or(Instant::NEVER, StreamServer::next_deadline)
    }
}
