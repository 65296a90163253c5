//! How a call begins: by a request of the phone's user, or by `call_req`.

use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};

use crate::base::limits::endpoint::CONNECT_TIMEOUT;
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::box_link::BoxLink;
use crate::proto::intercom::endpoint::call::{Call, Stage};
use crate::proto::intercom::endpoint::output::{
    CallInfo, CallState, Closed, Direction, Event, Link, Output,
};
use crate::proto::intercom::endpoint::request::CallRequest;
use crate::proto::intercom::endpoint::settings::Role;
use crate::proto::intercom::endpoint::urls::{
    are_ambiguous, early, kinds_of, url, urls, Url, Urls,
};
use crate::proto::intercom::endpoint::{reachable, Endpoint};
use crate::proto::recorder::reason::{bad_request, reason, LossyText, Reason as Refusal};
use crate::wire::control::Text;
use crate::wire::intercom::{cut, peer_type, text, Id, Message, Party, Sid, Stream};

impl Endpoint {
    /// Calls another device; returns the call's sid. Whatever fails later ends the call.
    pub fn handle_call(&mut self, now: Instant, request: &CallRequest) -> Result<Sid, Refusal> {
        if self.call.is_some() || self.line_busy {
            return Err(reason("busy", &"a call is running"));
        }
        let link = match self.settings.role {
            Role::Screen => self.box_link.joined().ok_or_else(no_box)?,
            Role::Door | Role::Property => self.connect_peer(request)?,
        };
        let sid: Sid = self.ids.id();
        let (own, peer) = self.parties(request);
        let info = CallInfo {
            sid,
            direction: Direction::Out,
            peer: request.to.clone(),
            peer_type: peer.peer_type,
            via_cloud: false,
        };
        let server = self.server_of(&info, request.ip);
        let urls = urls(server, &own, &peer, request.video);
        let stage = Stage::Connecting {
            expires_at: now + CONNECT_TIMEOUT,
        };
        let wire_sid = info.sid.clone();
        let sid = info.sid.clone();
        self.begin(now, link, info, wire_sid, stage, [own, peer], urls);
        if let Some(call) = &mut self.call {
            call.with_video = request.video;
        }
        self.call_event(CallState::Calling);
        if let BoxLink::Joined { .. } = self.box_link {
            // The box connects to the other device; the link to it is there.
            self.send_request(now, reachable(self.settings.addr));
        }
        Ok(sid)
    }

    fn connect_peer(&mut self, request: &CallRequest) -> Result<Link, Refusal> {
        let Some(ip) = request.ip else {
            return Err(bad_request(&format_args!(
                "ip is missing: only a screen's box knows where {} is",
                LossyText(&request.to)
            )));
        };
        let port = self.port_of(request);
        let link = self.next_link();
        self.output(Output::Connect(link, SocketAddr::new(ip, port)));
        Ok(link)
    }

    fn type_of(&self, request: &CallRequest) -> u8 {
        request.peer_type.unwrap_or(match self.settings.role {
            Role::Screen => peer_type::OUTER_BOX,
            Role::Door | Role::Property => peer_type::INNER_BOX,
        })
    }

    fn port_of(&self, request: &CallRequest) -> u16 {
        let usual = if peer_type::is_home(self.type_of(request)) {
            7892
        } else {
            7895
        };
        request.port.unwrap_or(usual)
    }

    /// This device and the called one, with ids for all streams.
    fn parties(&mut self, request: &CallRequest) -> (Party, Party) {
        let own_type = self.settings.role.peer_type();
        let mut own = self.described(self.settings.id.clone(), own_type, request.video);
        own.port = self.settings.port;
        let peer_type = self.type_of(request);
        let mut peer = self.described(request.to.clone(), peer_type, request.video);
        peer.port = self.port_of(request);
        if let Some(ip) = request.ip {
            peer.ip = address_text(ip);
        }
        (own, peer)
    }

    fn described(&mut self, id: Id, device: u8, with_video: bool) -> Party {
        let kinds = kinds_of(device, with_video);
        let mut party = Party {
            id,
            peer_type: device,
            ..Party::default()
        };
        if kinds.audio {
            party.audio = self.ids.id();
        }
        if kinds.video {
            party.video = self.ids.id();
        }
        party
    }

    /// The connection is there: sends `call_req`.
    pub(super) fn send_request(&mut self, now: Instant, local: IpAddr) {
        let own_server = self.own_server(local);
        let expires_at = now + self.settings.ring_timeout;
        let keep_at = now + self.settings.keep;
        let has_address = self.settings.role != Role::Screen;
        let Some(call) = &mut self.call else { return };
        // A screen's address is replaced by its box anyway.
        if has_address {
            call.own.ip = address_text(local);
        }
        call.keep_at = keep_at;
        let mut src = call.own.clone();
        let mut dest = call.peer.clone();
        if let Some(server) = own_server.filter(|_| !peer_type::is_home(call.info.peer_type)) {
            // The streams are on this device's own server: the other one cannot know where.
            for party in [&mut src, &mut dest] {
                party.audio = stream_url(server, &party.audio);
                party.video = stream_url(server, &party.video);
            }
        }
        let sid = call.wire_sid.clone();
        self.enter(now, Stage::Requested { expires_at });
        self.send_to_peer(Message::CallReq { sid, src, dest });
    }

    /// Where the other device of a call reaches this device's stream server; a screen has none.
    fn own_server(&self, local: IpAddr) -> Option<SocketAddr> {
        let ip = if self.settings.addr.is_unspecified() {
            local
        } else {
            self.settings.addr
        };
        (self.settings.role != Role::Screen).then(|| SocketAddr::new(ip, self.settings.stream_port))
    }

    /// A device calls this one over `link`. `from` is its address; for a screen that of the box.
    pub(super) fn handle_call_req(
        &mut self,
        now: Instant,
        link: Link,
        from: IpAddr,
        sid: Sid,
        [src, dest]: [Party; 2],
    ) {
        let info = CallInfo {
            sid: if sid.is_empty() {
                self.ids.id()
            } else {
                sid.clone()
            },
            direction: Direction::In,
            peer: src.id.clone(),
            peer_type: src.peer_type,
            via_cloud: false,
        };
        if self.call.is_some() || self.line_busy {
            self.refuse_busy(link, &sid);
            self.close_caller(link);
            self.tell_busy(now, info);
            return;
        }
        if are_ambiguous(&src.audio, &dest.audio) {
            self.refuse_bad(link, sid);
            return;
        }
        let server = self.server_of(&info, Some(from));
        let urls = urls(server, &dest, &src, true);
        let stage = Stage::Ringing {
            expires_at: now + self.settings.ring_timeout,
        };
        self.begin(now, link, info, sid, stage, [dest, src], urls);
        self.call_event(CallState::Incoming);
    }

    /// Rejects a call that cannot be.
    pub(super) fn refuse_bad(&mut self, link: Link, sid: Sid) {
        let reason = text("bad_request");
        self.output(Output::Send(link, Message::CallReject { sid, reason }));
        self.close_caller(link);
    }

    /// The user of a screen that talks is told who waits; elsewhere the call has ended at once.
    fn tell_busy(&mut self, now: Instant, info: CallInfo) {
        let is_screen = self.settings.role == Role::Screen;
        let call = self.call.as_ref();
        if call.is_some_and(|call| call.info.sid == info.sid) {
            return;
        }
        let is_talking = call.is_some_and(|call| call.stage.is_answered());
        let event = if is_screen && is_talking {
            Event::Call(CallState::Waiting, info, Urls::default())
        } else {
            Event::Closed(Closed::busy(info, now))
        };
        self.event(event);
    }

    /// Closes a link that was made for one call.
    fn close_caller(&mut self, link: Link) {
        if !self.is_box(link) && !self.has_call_on(link) {
            self.output(Output::Close(link));
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of a call, once
    fn begin(
        &mut self,
        now: Instant,
        link: Link,
        info: CallInfo,
        wire_sid: Sid,
        stage: Stage,
        [own, peer]: [Party; 2],
        urls: Urls,
    ) {
        self.call = Some(Call {
            info,
            wire_sid,
            link: Some(link),
            stage,
            began_at: now,
            since: now,
            answered_at: None,
            keep_at: now + self.settings.keep,
            silent_at: None,
            own,
            peer,
            urls,
            with_video: true,
            by: Id::new(),
            opened: 0,
            openings: heapless::Vec::new(),
        });
    }

    /// The stream server of a call. `address`: the called device, or the one that calls.
    fn server_of(&self, info: &CallInfo, address: Option<IpAddr>) -> SocketAddr {
        let settings = &self.settings;
        let own = SocketAddr::new(reachable(settings.addr), settings.stream_port);
        match (settings.role, info.direction) {
            (Role::Screen, _) => {
                let at = settings.box_addr.map_or(own.ip(), |address| address.ip());
                let is_elsewhere =
                    peer_type::is_home(info.peer_type) && !self.is_own_home(&info.peer);
                let port = if is_elsewhere {
                    settings.central_port
                } else {
                    settings.stream_port
                };
                SocketAddr::new(at, port)
            }
            (_, Direction::In) if is_device(info.peer_type) => {
                SocketAddr::new(address.unwrap_or(own.ip()), settings.stream_port)
            }
            (_, Direction::Out) if is_device(info.peer_type) => own,
            _ => SocketAddr::new(address.unwrap_or(own.ip()), settings.box_stream_port),
        }
    }

    /// A call from room to room has its streams on the home's box.
    fn is_own_home(&self, id: &Id) -> bool {
        let room = match &self.box_link {
            BoxLink::Joined { room_id, .. } => Some(room_id),
            _ => None,
        };
        !id.is_empty() && (*id == self.settings.id || Some(id) == room)
    }

    pub(super) fn early_urls(&self, call: &Call) -> Urls {
        let own_type = self.settings.role.peer_type();
        // Only a door that calls shows its picture before the answer, or one that is called.
        let caller_type = match call.info.direction {
            Direction::In => call.info.peer_type,
            Direction::Out => 0,
        };
        let allowed = self.settings.early_video && call.with_video;
        early(&call.urls, own_type, caller_type, allowed)
    }
}

/// A door unit or the property's phone: calls between them use the caller's stream server.
fn is_device(device: u8) -> bool {
    matches!(device, peer_type::OUTER_BOX | peer_type::PROPERTY_APP)
}

fn no_box() -> Refusal {
    reason("no-box", &"the screen has not joined its box (boxAddr)")
}

/// The URL of a stream, as a message carries it: not cut, since half a URL is another URL.
fn stream_url(server: SocketAddr, stream: &Stream) -> Stream {
    Stream::from_slice(&url(server, stream)).unwrap_or_default()
}

fn address_text(ip: IpAddr) -> Text<46> {
    // Writing is compiled for each length of text; that of a URL is there already.
    let mut text = Url::new();
    let _ = write!(text, "{ip}");
    cut(&text)
}
