//! The configuration as a file.

use core::fmt::{self, Display};
use core::net::Ipv4Addr;

#[cfg(feature = "box-cloud")]
use crate::home_box::settings::cloud::Owners;
use crate::home_box::settings::policies::{word_of, DOOR_POLICIES, JOIN_POLICIES, REJECT_POLICIES};
use crate::home_box::settings::values::NONE;
use crate::home_box::settings::BoxSettings;

/// All keys with their values, as a file that `parse` accepts. Keys that may stand on several lines
/// have as many, which may be none.
impl Display for BoxSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let firewall = if self.install_firewall {
            "install"
        } else {
            NONE
        };
        let try_page = u8::from(self.try_page);
        let pairs: [(&str, &dyn Display); 24] = [
            ("boxId", &word(&self.box_id)),
            ("roomId", &word(&self.room_id)),
            ("homeAddr", &Optional(known(self.home_addr))),
            ("communityAddr", &Optional(known(self.community_addr))),
            ("familyPort", &self.family_port),
            ("callPort", &self.call_port),
            ("streamPort", &self.stream_port),
            ("tryPage", &try_page),
            ("joinPolicy", &word_of(self.join_policy, &JOIN_POLICIES)),
            (
                "rejectPolicy",
                &word_of(self.reject_policy, &REJECT_POLICIES),
            ),
            ("doorPolicy", &word_of(self.door_policy, &DOOR_POLICIES)),
            ("openEnds", &self.open_ends),
            ("noAnswerTo", &word(&self.no_answer_to)),
            ("keep", &self.keep),
            ("keepTimeout", &self.keep_timeout),
            ("ringTimeout", &self.ring_timeout),
            ("connectTimeout", &self.connect_timeout),
            ("joinTimeout", &self.join_timeout),
            ("maxCall", &self.max_call),
            ("centralStream", &Optional(self.central_stream)),
            ("propertyServer", &Optional(self.property_server.as_ref())),
            ("firewall", &firewall),
            ("stateDir", &self.state_dir),
            ("controlSocket", &self.control_socket),
        ];
        for (key, value) in pairs {
            writeln!(f, "{key} = {value}")?;
        }
        lines(f, "communityPrefix", &self.community_prefixes)?;
        lines(f, "neighbour", &self.neighbours)?;
        lines(f, "forward", &self.forwards)?;
        #[cfg(feature = "box-cloud")]
        {
            self.cloud.fmt(f)?;
            writeln!(f, "cloudFor = {}", Owners(&self.cloud_for))?;
        }
        Ok(())
    }
}

fn lines<T: Display>(f: &mut fmt::Formatter<'_>, key: &str, values: &[T]) -> fmt::Result {
    for value in values {
        writeln!(f, "{key} = {value}")?;
    }
    Ok(())
}

fn word(id: &str) -> &str {
    if id.is_empty() {
        NONE
    } else {
        id
    }
}

fn known(address: Ipv4Addr) -> Option<Ipv4Addr> {
    (!address.is_unspecified()).then_some(address)
}

/// A value, or `none`.
struct Optional<T>(Option<T>);

impl<T: Display> Display for Optional<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str(NONE),
        }
    }
}
