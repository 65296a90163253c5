//! The configuration of `callrec-box` (board/box/README.md): `BoxSettings::parse` reads a file,
//! `Display` writes one.
//!
//! `values` are the parsers of values that have parts, `policies` the choices between behaviours.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::config::{absolute, each_pair, number, one_of, Error};

#[cfg(feature = "box-cloud")]
mod cloud;
mod policies;
mod printed;
mod values;

pub(crate) use policies::JoinPolicy;
pub(crate) use values::{Forward, HostPort, Neighbour};

use crate::proto::intercom::home_box::rules::{DoorPolicy, Ipv4Prefix, RejectPolicy};
use policies::{DOOR_POLICIES, JOIN_POLICIES, REJECT_POLICIES};
use values::NONE;

/// The longest path of a Unix socket: `sun_path` without its NUL.
const SOCKET_PATH_BYTES: usize = 107;
/// The longest `stateDir`: the names of the files in it follow.
const STATE_DIR_BYTES: usize = 200;
/// Keys that may stand on several lines.
const REPEATABLE: [&str; 4] = ["communityPrefix", "neighbour", "forward", "cloudRelay"];
/// Lines that one of these keys may stand on. A box of 16 screens knows a staircase, not a town.
const MAX_LINES: usize = 256;
/// The longest time that a key sets: a day.
const MAX_SECONDS: u32 = 86_400;
/// The community's addresses where no `communityPrefix` says otherwise.
const COMMUNITY: Ipv4Prefix = Ipv4Prefix::new(Ipv4Addr::new(11, 0, 0, 0), 8);

/// The effective configuration. The fields are the keys; times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BoxSettings {
    /// Empty: none.
    pub(crate) box_id: String,
    /// Empty: none.
    pub(crate) room_id: String,
    /// Unspecified: not set, which `callrec-box run` refuses.
    pub(crate) home_addr: Ipv4Addr,
    /// Unspecified: not set, which `callrec-box run` refuses.
    pub(crate) community_addr: Ipv4Addr,
    pub(crate) family_port: u16,
    pub(crate) call_port: u16,
    pub(crate) stream_port: u16,
    /// The page for trying is served on the home side.
    pub(crate) try_page: bool,
    pub(crate) join_policy: JoinPolicy,
    pub(crate) reject_policy: RejectPolicy,
    pub(crate) door_policy: DoorPolicy,
    /// After `open_door`; 0: opening does not end the call.
    pub(crate) open_ends: u32,
    /// Empty: none.
    pub(crate) no_answer_to: String,
    pub(crate) keep: u32,
    pub(crate) keep_timeout: u32,
    pub(crate) ring_timeout: u32,
    pub(crate) connect_timeout: u32,
    pub(crate) join_timeout: u32,
    /// Of a call with a door; 0: no limit.
    pub(crate) max_call: u32,
    /// Not empty.
    pub(crate) community_prefixes: Vec<Ipv4Prefix>,
    pub(crate) neighbours: Vec<Neighbour>,
    /// The target of one of `forwards`.
    pub(crate) central_stream: Option<SocketAddrV4>,
    pub(crate) property_server: Option<HostPort>,
    /// No port twice, and none of the box's own ports on the home's side.
    pub(crate) forwards: Vec<Forward>,
    pub(crate) install_firewall: bool,
    pub(crate) state_dir: String,
    pub(crate) control_socket: String,
    #[cfg(feature = "box-cloud")]
    pub(crate) cloud: crate::config::CloudConfig,
    /// Phones that a door's call rings through the cloud.
    #[cfg(feature = "box-cloud")]
    pub(crate) cloud_for: Vec<u32>,
}

impl Default for BoxSettings {
    fn default() -> Self {
        Self {
            box_id: String::new(),
            room_id: String::new(),
            home_addr: Ipv4Addr::UNSPECIFIED,
            community_addr: Ipv4Addr::UNSPECIFIED,
            family_port: 7891,
            call_port: 7892,
            stream_port: 954,
            try_page: false,
            join_policy: JoinPolicy::Token,
            reject_policy: RejectPolicy::Panel,
            door_policy: DoorPolicy::Talk,
            open_ends: 0,
            no_answer_to: String::new(),
            keep: 3,
            keep_timeout: 10,
            ring_timeout: 60,
            connect_timeout: 10,
            join_timeout: 5,
            max_call: 300,
            community_prefixes: vec![COMMUNITY],
            neighbours: vec![],
            central_stream: None,
            property_server: None,
            forwards: vec![],
            install_firewall: false,
            state_dir: "/var/lib/callrec-box".into(),
            control_socket: "/var/run/callrec-box.sock".into(),
            #[cfg(feature = "box-cloud")]
            cloud: crate::config::CloudConfig::default(),
            #[cfg(feature = "box-cloud")]
            cloud_for: vec![],
        }
    }
}

impl BoxSettings {
    /// Parses the text of a file, up to the first error.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut settings = Self {
            community_prefixes: vec![],
            ..Self::default()
        };
        each_pair(text, &REPEATABLE, |key, value| settings.set(key, value))?;
        if settings.community_prefixes.is_empty() {
            settings.community_prefixes.push(COMMUNITY);
        }
        #[cfg(feature = "box-cloud")]
        if let Some(missing) = settings.cloud.missing() {
            return Err(missing.error(text));
        }
        match settings.contradiction() {
            Some((key, number, problem)) => Err(Error {
                line: line_of(text, key, number),
                key: key.into(),
                problem,
            }),
            None => Ok(settings),
        }
    }

    /// What a person should know of this configuration.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &'static str> {
        let open = self.join_policy == JoinPolicy::Open;
        let open = open.then_some(
            "joinPolicy = open: every device in the home network may join and open the door",
        );
        let page = self.try_page.then_some(
            "tryPage = 1: every device in the home network may hear the calls at the page of streamPort",
        );
        open.into_iter().chain(page)
    }

    /// What is wrong with a file for `callrec-box run`: an address that it does not set. The line is
    /// that of the other address, if that is set.
    pub(crate) fn missing_address(&self, text: &str) -> Option<Error> {
        let (key, other, problem) = if self.home_addr.is_unspecified() {
            let problem = "must be set: add a line 'homeAddr = ADDRESS' with the box's IPv4 address in the home network";
            ("homeAddr", "communityAddr", problem)
        } else if self.community_addr.is_unspecified() {
            let problem = "must be set: add a line 'communityAddr = ADDRESS' with the box's IPv4 address in the community network";
            ("communityAddr", "homeAddr", problem)
        } else {
            return None;
        };
        Some(Error {
            line: line_of(text, other, 0),
            key: key.into(),
            problem: problem.into(),
        })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let seconds = |least| number(value, least, MAX_SECONDS);
        let port = || number(value, 1, 65535);
        match key {
            "boxId" => self.box_id = values::id(value)?,
            "roomId" => self.room_id = values::id(value)?,
            "homeAddr" => self.home_addr = address(value)?,
            "communityAddr" => self.community_addr = address(value)?,
            "familyPort" => self.family_port = port()?,
            "callPort" => self.call_port = port()?,
            "streamPort" => self.stream_port = port()?,
            "tryPage" => self.try_page = one_of(value, &[("0", false), ("1", true)])?,
            "joinPolicy" => self.join_policy = one_of(value, &JOIN_POLICIES)?,
            "rejectPolicy" => self.reject_policy = one_of(value, &REJECT_POLICIES)?,
            "doorPolicy" => self.door_policy = one_of(value, &DOOR_POLICIES)?,
            "openEnds" => self.open_ends = seconds(0)?,
            "noAnswerTo" => self.no_answer_to = values::id(value)?,
            "keep" => self.keep = seconds(1)?,
            "keepTimeout" => self.keep_timeout = seconds(1)?,
            "ringTimeout" => self.ring_timeout = seconds(1)?,
            "connectTimeout" => self.connect_timeout = seconds(1)?,
            "joinTimeout" => self.join_timeout = seconds(1)?,
            "maxCall" => self.max_call = seconds(0)?,
            "communityPrefix" => add(&mut self.community_prefixes, values::prefix(value)?)?,
            "neighbour" => self.add_neighbour(values::neighbour(value)?)?,
            "centralStream" => self.central_stream = central_stream(value)?,
            "propertyServer" => self.property_server = values::property_server(value)?,
            "forward" => self.add_forward(values::forward(value)?)?,
            "firewall" => {
                self.install_firewall = one_of(value, &[("none", false), ("install", true)])?
            }
            "stateDir" => self.state_dir = absolute(value, STATE_DIR_BYTES)?,
            "controlSocket" => self.control_socket = absolute(value, SOCKET_PATH_BYTES)?,
            #[cfg(feature = "box-cloud")]
            "cloudFor" => self.cloud_for = cloud::owners(value)?,
            #[cfg(feature = "box-cloud")]
            _ if self.cloud.set(key, value)? => {}
            _ => return Err("is an unknown key".into()),
        }
        Ok(())
    }

    fn add_neighbour(&mut self, neighbour: Neighbour) -> Result<(), String> {
        if self.neighbours.iter().any(|known| known.id == neighbour.id) {
            return Err(format!("'{}' is given an address already", neighbour.id));
        }
        add(&mut self.neighbours, neighbour)
    }

    fn add_forward(&mut self, forward: Forward) -> Result<(), String> {
        if self.forwards.iter().any(|known| known.port == forward.port) {
            return Err(format!("port {} is forwarded already", forward.port));
        }
        add(&mut self.forwards, forward)
    }

    /// The first key whose value does not go with another key's: the key, which of its lines, and
    /// what is wrong.
    fn contradiction(&self) -> Option<(&'static str, usize, String)> {
        if self.home_addr == self.community_addr && !self.home_addr.is_unspecified() {
            let problem = "must not be homeAddr: each network needs an address of its own";
            return Some(("communityAddr", 0, problem.into()));
        }
        if self.family_port == self.stream_port {
            return Some(("familyPort", 0, "must not be streamPort".into()));
        }
        if self.call_port == self.stream_port {
            return Some(("callPort", 0, "must not be streamPort".into()));
        }
        if self.keep_timeout <= self.keep {
            let problem = format!("must be longer than keep, which is {} s", self.keep);
            return Some(("keepTimeout", 0, problem));
        }
        #[cfg(feature = "box-cloud")]
        if let Some(problem) = cloud::problem(&self.cloud, &self.cloud_for) {
            return Some(("cloudFor", 0, problem.into()));
        }
        if let Some(problem) = self.no_answer_problem() {
            return Some(("noAnswerTo", 0, problem));
        }
        let bad_forward = |(number, forward): (usize, &Forward)| {
            let problem = self.forward_problem(forward)?;
            Some(("forward", number, problem))
        };
        if let Some(found) = self.forwards.iter().enumerate().find_map(bad_forward) {
            return Some(found);
        }
        let central = self.central_stream?;
        if self.forwards.iter().any(|forward| forward.to == central) {
            return None;
        }
        let problem =
            format!("needs a line 'forward = PORT {central}', so that screens can reach it");
        Some(("centralStream", 0, problem))
    }

    /// The box must know where to call.
    fn no_answer_problem(&self) -> Option<String> {
        let to = &self.no_answer_to;
        let is_known = self.neighbours.iter().any(|neighbour| neighbour.id == *to);
        (!to.is_empty() && !is_known)
            .then(|| format!("needs a line 'neighbour = {to} ADDRESS', which says where {to} is"))
    }

    fn forward_problem(&self, forward: &Forward) -> Option<String> {
        let own_ports = [
            ("familyPort", self.family_port),
            ("streamPort", self.stream_port),
        ];
        let own_port = own_ports.iter().find(|(_, port)| *port == forward.port);
        if let Some((key, port)) = own_port {
            return Some(format!("must not be for port {port}, which is {key}"));
        }
        let own_addresses = [self.home_addr, self.community_addr];
        own_addresses
            .contains(forward.to.ip())
            .then(|| format!("must not lead to the box's own address {}", forward.to.ip()))
    }
}

fn address(value: &str) -> Result<Ipv4Addr, String> {
    match value {
        NONE => Ok(Ipv4Addr::UNSPECIFIED),
        address => values::host_address(address),
    }
}

fn central_stream(value: &str) -> Result<Option<SocketAddrV4>, String> {
    match value {
        NONE => Ok(None),
        address => values::socket_address(address).map(Some),
    }
}

fn add<T>(lines: &mut Vec<T>, value: T) -> Result<(), String> {
    if lines.len() == MAX_LINES {
        return Err(format!("may stand on {MAX_LINES} lines"));
    }
    lines.push(value);
    Ok(())
}

/// The number of the line that sets this key, of several the one after `number` others; 1 if the
/// file does not set it.
fn line_of(text: &str, key: &str, number: usize) -> usize {
    let sets = |line: &str| {
        let pair = line.split_once('=');
        pair.is_some_and(|(name, _)| name.trim() == key)
    };
    let lines = text.lines().zip(1..).filter(|(line, _)| sets(line));
    lines.map(|(_, line)| line).nth(number).unwrap_or(1)
}

#[cfg(test)]
mod tests;
