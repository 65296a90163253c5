//! A relay's connections by their numbers. They are few, so that a sorted list does: a map of the
//! standard library has 3 000 bytes of code on a phone.

use crate::proto::intercom::relay::connection::Connection;
use crate::proto::intercom::relay::events::ConnectionId;

/// The connections, in the order of their numbers.
#[derive(Default)]
pub(super) struct Connections(Vec<(ConnectionId, Connection)>);

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds one; its number is greater than all others.
    pub(super) fn push(&mut self, id: ConnectionId, connection: Connection) {
        self.0.push((id, connection));
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.place(id).map(|place| &self.0[place].1)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.place(id).map(|place| &mut self.0[place].1)
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        if let Some(place) = self.place(id) {
            self.0.remove(place);
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Connection> {
        self.0.iter().map(|(_, connection)| connection)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.0.iter_mut().map(|(_, connection)| connection)
    }

    /// The numbers of those that are so.
    pub(super) fn which(&self, so: &dyn Fn(&Connection) -> bool) -> Vec<ConnectionId> {
        let found = self.0.iter().filter(|(_, connection)| so(connection));
        found.map(|(id, _)| *id).collect()
    }

    fn place(&self, id: ConnectionId) -> Option<usize> {
        self.0.binary_search_by_key(&id, |(id, _)| *id).ok()
    }
}
