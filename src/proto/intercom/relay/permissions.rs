//! Who may publish and play which streams.

use core::net::IpAddr;

/// The ids of the running call, and its parties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The ids of streams.
    pub ids: Vec<Vec<u8>>,
    /// Addresses, each of one side.
    pub parties: Vec<(&'static str, IpAddr)>,
    /// Those of them that may publish.
    pub publishers: Vec<(&'static str, IpAddr)>,
    /// What these addresses publish under the first id is kept under the second one: the device
    /// publishes the first by itself.
    pub inputs: Vec<Input>,
}

/// See `Permissions::inputs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The id in the request.
    pub asked: Vec<u8>,
    /// The id of the stream.
    pub kept: Vec<u8>,
    /// The side whose publishers are meant.
    pub side: &'static str,
}

impl Permissions {
    /// Under which id a publisher's stream is kept.
    pub(super) fn kept<'a>(&'a self, side: &str, asked: &'a [u8]) -> &'a [u8] {
        let mut inputs = self.inputs.iter();
        let input = inputs.find(|input| input.asked == asked && input.side == side);
        input.map_or(asked, |input| &input.kept)
    }

    pub(super) fn has(&self, id: &[u8]) -> bool {
        self.ids.iter().any(|known| known == id)
    }

    /// The address belongs to the call, or to its home.
    pub(super) fn knows(&self, side: &str, address: IpAddr) -> bool {
        holds(&self.parties, side, address)
    }

    pub(super) fn may_publish(&self, side: &str, address: IpAddr) -> bool {
        holds(&self.publishers, side, address)
    }
}

fn holds<'a>(parties: &[(&'a str, IpAddr)], side: &'a str, address: IpAddr) -> bool {
    parties.contains(&(side, address.to_canonical()))
}
