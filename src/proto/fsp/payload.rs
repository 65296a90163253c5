//! How long payloads to ask for: as long as the path carries.
//!
//! With one request at a time a lost datagram costs 1.34 s, whatever its length; long ones cost less a byte, also where one of
//! ten is lost. Only where fragments do not get through at all must payloads be short. So growing payloads are tried, and a
//! length is given up when a request for it is lost twice before it has proved good.

use crate::base::limits::fsp::FAR_PAYLOAD;
use crate::wire::fsp::{DEFAULT_PAYLOAD, MAX_PAYLOAD};

/// Any path carries it in one piece.
const SMALLEST: usize = 512;
/// Replies before payloads grow, at first.
const REPLIES_TO_GROW: u32 = 16;
/// The same, at the most: a path that does not carry long datagrams is tried with them again now and then.
const MOST_REPLIES_TO_GROW: u32 = 4096;
/// Replies after which a length is known to be carried: what is lost then is lost by chance.
const CARRIED: u32 = 8;
/// However many they were, after so many halvings the path may have changed.
const MOST_CARRIED: u32 = 64;

/// The length to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Payload {
    size: usize,
    most: usize,
    good: u32,
    needed: u32,
}

impl Payload {
    /// Begins with what every server gives.
    pub fn new(most: usize) -> Self {
        let most = most.clamp(SMALLEST, MAX_PAYLOAD);
        Self {
            size: DEFAULT_PAYLOAD.min(most),
            most,
            good: 0,
            needed: REPLIES_TO_GROW,
        }
    }

    /// What to ask for, in a request that was sent so often before.
    pub fn wish(&self, resends: u64) -> u16 {
        let wish = match resends {
            0 | 1 => self.size,
            2 | 3 => self.size.min(DEFAULT_PAYLOAD),
            _ => SMALLEST,
        };
        wish as u16
    }

    /// A reply came, after so many resends.
    pub fn handle_reply(&mut self, resends: u64) {
        match resends {
            0 => {
                self.good = self.good.saturating_add(1);
                if self.good >= self.needed && self.size < self.most {
                    let next = [DEFAULT_PAYLOAD, FAR_PAYLOAD]
                        .into_iter()
                        .find(|next| *next > self.size);
                    (self.size, self.good) = (next.unwrap_or(self.size * 2).min(self.most), 0);
                }
            }
            1 => {}
            _ => {
                self.good = self.good.min(MOST_CARRIED) / 2;
                if self.good < CARRIED {
                    let least = if self.size > FAR_PAYLOAD {
                        FAR_PAYLOAD
                    } else {
                        self.wish(resends).into()
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

    /// A path: the longest payload that it carries at all, and of how many datagrams it loses one.
    struct Path {
        carries: usize,
        loses: u32,
        random: u32,
    }

    impl Path {
        /// Fetches so many bytes: the requests, and the seconds waited for resends.
        fn fetch(&mut self, payload: &mut Payload, mut bytes: usize) -> (u32, f64) {
            let (mut requests, mut seconds) = (0, 0.0);
            while bytes > 0 {
                let (mut resends, mut wait) = (0, 1.34);
                while usize::from(payload.wish(resends)) > self.carries
                    || self.is_lost()
                    || self.is_lost()
                {
                    seconds += wait;
                    wait *= 1.5;
                    resends += 1;
                }
                requests += 1;
                bytes = bytes.saturating_sub(payload.wish(resends).into());
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

    fn path(carries: usize, loses: u32) -> Path {
        Path {
            carries,
            loses,
            random: 1,
        }
    }

    #[test]
    fn grows_where_nothing_is_lost() {
        let mut payload = Payload::new(MAX_PAYLOAD);
        assert_eq!(
            path(MAX_PAYLOAD, 0).fetch(&mut payload, 16 * 22_924),
            (80, 0.0)
        );
        assert_eq!(usize::from(payload.wish(0)), MAX_PAYLOAD);
        assert_eq!(path(600, 0).fetch(&mut Payload::new(600), 6000), (10, 0.0));
    }

    #[test]
    fn chance_does_not_shrink_it() {
        for most in [1024, 1460, MAX_PAYLOAD] {
            let mut payload = Payload::new(most);
            // One of twenty each way: a tenth of the requests waits, a hundredth longer.
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
    fn a_path_that_carries_no_fragments_is_found_out_and_tried_again_now_and_then() {
        let mut payload = Payload::new(MAX_PAYLOAD);
        let (requests, seconds) = path(1472, 0).fetch(&mut payload, 5_000_000);
        assert!(requests < 5_000_000 / 1400, "{requests}");
        assert!(
            (10.0..25.0).contains(&seconds),
            "{seconds}: 16, 64, 256, 1024, 4096 replies after the other"
        );
    }

    #[test]
    fn a_path_that_changes_is_followed() {
        let mut payload = Payload::new(MAX_PAYLOAD);
        path(MAX_PAYLOAD, 0).fetch(&mut payload, 5_000_000);
        let (requests, seconds) = path(1472, 0).fetch(&mut payload, 1_000_000);
        assert!(requests < 800 && seconds < 80.0, "{requests} {seconds}");
        path(700, 0).fetch(&mut payload, 100_000);
        assert_eq!(payload.wish(0), 512);
    }
}
