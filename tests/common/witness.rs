//! A recording that has to survive whatever else a test does to the daemon.

use super::file::read;
use super::{Answer, Phone, Talker};

/// A recording with one party, who talks throughout the test.
pub struct Witness<'a> {
    phone: &'a Phone,
    start: Answer,
    pub talker: Talker,
}

impl<'a> Witness<'a> {
    pub fn new(phone: &'a Phone) -> Self {
        let start = phone.record("&legs=1");
        let talker = Talker::new(start.ports()[0], 0x600D);
        talker.wait(5);
        Self {
            phone,
            start,
            talker,
        }
    }

    /// Ends the call: the recording holds everything the party said, and nothing else.
    pub fn assert_unharmed(self) {
        self.talker.wait(self.talker.sent() + 10);
        let sent = self.talker.end();
        let stop = self.phone.stop(&self.start.id());
        read(&self.phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
    }
}
