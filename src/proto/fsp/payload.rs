//! The length of the payloads to request: the longest that the path carries.
//!
//! With one request at a time, a lost datagram costs 1.34 s whatever its length, so that long ones
//! cost less per byte even if one of ten is lost. Payloads must only be short if no fragments get
//! through at all. Therefore growing lengths are tried, and a length is abandoned when a request
//! with it is lost twice before it has proven good.

use crate::base::limits::fsp::FAR_PAYLOAD;
use crate::wire::fsp::{DEFAULT_PAYLOAD, MAX_PAYLOAD};

/// Every path carries this length without fragments.
const SMALLEST: usize = 512;
/// Replies before the length grows, at first.
const REPLIES_TO_GROW: u32 = 16;
/// The most replies before the length grows: a path that does not carry long datagrams is
/// occasionally tried again.
const MOST_REPLIES_TO_GROW: u32 = 4096;
/// Replies after which the path is known to carry a length: losses are then by chance.
const CARRIED: u32 = 8;
/// The most replies that count: the path may change, and each double loss halves their number.
const MOST_CARRIED: u32 = 64;

/// The length to request, and what is known of the path.
#[derive(Clone, Copy, Debug)]
pub struct PayloadLength {
    size: usize,
    most: usize,
    /// Replies of this length without a resend.
    good: u32,
    /// The replies after which the length grows.
    needed: u32,
}

impl PayloadLength {
    /// Begins with the length that all servers serve.
    pub fn new(most: usize) -> Self {
        let most = most.clamp(SMALLEST, MAX_PAYLOAD);
        Self {
            size: DEFAULT_PAYLOAD.min(most),
            most,
            good: 0,
            needed: REPLIES_TO_GROW,
        }
    }

    /// The length to request after this many resends of the request.
    pub fn after(&self, resends: u64) -> u16 {
        let length = match resends {
            0 | 1 => self.size,
            2 | 3 => self.size.min(DEFAULT_PAYLOAD),
            _ => SMALLEST,
        };
        length as u16
    }

    /// Handles a reply that arrived after this many resends.
    pub fn handle_reply(&mut self, resends: u64) {
        match resends {
            0 => {
                self.good = self.good.saturating_add(1);
                if self.good >= self.needed && self.size < self.most {
                    let mut sizes = [DEFAULT_PAYLOAD, FAR_PAYLOAD].into_iter();
                    let next = sizes.find(|next| *next > self.size);
                    self.size = next.unwrap_or(self.size * 2).min(self.most);
                    self.good = 0;
                }
            }
            1 => {}
            _ => {
                self.good = self.good.min(MOST_CARRIED) / 2;
                if self.good < CARRIED {
                    let least = if self.size > FAR_PAYLOAD {
                        FAR_PAYLOAD
                    } else {
                        self.after(resends).into()
                    };
                    self.size = (self.size / 2).max(least);
                    self.needed = (self.needed * 4).min(MOST_REPLIES_TO_GROW);
                    self.good = 0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path: the longest payload that it carries, and how many datagrams it has for each that it
    /// loses.
    struct LossyPath {
        carries: usize,
        loses: u32,
        random: u32,
    }

    impl LossyPath {
        /// Fetches this many bytes; returns the requests and the seconds waited for resends.
        fn fetch(&mut self, payload: &mut PayloadLength, mut bytes: usize) -> (u32, f64) {
            let (mut requests, mut seconds) = (0, 0.0);
            while bytes > 0 {
                let (mut resends, mut wait) = (0, 1.34);
                while usize::from(payload.after(resends)) > self.carries
                    || self.is_lost()
                    || self.is_lost()
                {
                    seconds += wait;
                    wait *= 1.5;
                    resends += 1;
                }
                requests += 1;
                bytes = bytes.saturating_sub(payload.after(resends).into());
                payload.handle_reply(resends);
            }
            (requests, seconds)
        }

        fn is_lost(&mut self) -> bool {
            self.random = self
                .random
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            self.loses > 0 && (self.random >> 16) % self.loses == 0
        }
    }

    fn path(carries: usize, loses: u32) -> LossyPath {
        LossyPath {
            carries,
            loses,
            random: 1,
        }
    }

    #[test]
    fn grows_where_nothing_is_lost() {
        let mut payload = PayloadLength::new(MAX_PAYLOAD);
        assert_eq!(
            path(MAX_PAYLOAD, 0).fetch(&mut payload, 16 * 22_924),
            (80, 0.0)
        );
        assert_eq!(usize::from(payload.after(0)), MAX_PAYLOAD);
        assert_eq!(
            path(600, 0).fetch(&mut PayloadLength::new(600), 6000),
            (10, 0.0)
        );
    }

    #[test]
    fn random_losses_do_not_shorten_payloads() {
        for most in [1024, 1460, MAX_PAYLOAD] {
            let mut payload = PayloadLength::new(most);
            // One of twenty is lost each way: a tenth of the requests waits once, a hundredth
            // longer.
            let (requests, seconds) = path(MAX_PAYLOAD, 20).fetch(&mut payload, 3_000_000);
            assert!(
                f64::from(requests) < 1.4 * 3e6 / most as f64 + 150.0,
                "{most}: {requests} requests"
            );
            assert!(
                seconds < 0.25 * f64::from(requests),
                "{most}: {seconds} s for {requests} requests"
            );
        }
    }

    #[test]
    fn a_path_that_carries_no_fragments_is_detected_and_occasionally_tried_again() {
        let mut payload = PayloadLength::new(MAX_PAYLOAD);
        let (requests, seconds) = path(1472, 0).fetch(&mut payload, 5_000_000);
        assert!(requests < 5_000_000 / 1400, "{requests}");
        assert!(
            (10.0..25.0).contains(&seconds),
            "{seconds}: 16, 64, 256, 1024, 4096 replies after the other"
        );
    }

    #[test]
    fn a_path_that_changes_is_followed() {
        let mut payload = PayloadLength::new(MAX_PAYLOAD);
        path(MAX_PAYLOAD, 0).fetch(&mut payload, 5_000_000);
        let (requests, seconds) = path(1472, 0).fetch(&mut payload, 1_000_000);
        assert!(requests < 800 && seconds < 80.0, "{requests} {seconds}");
        path(700, 0).fetch(&mut payload, 100_000);
        assert_eq!(payload.after(0), 512);
    }
}
