//! FSP over networks that lose, duplicate and reorder datagrams, and among hostile hosts, in
//! virtual time.

use std::net::SocketAddr;

use crate::virtual_fsp::{at, content, datagram, peer, request, Random, Service, TestClient};
use callrec::base::time::Duration;
use callrec::proto::fsp::client::{FspClient, Timeout};
use callrec::proto::fsp::payload::PayloadLength;
use callrec::wire::fsp::{Command, FspHeader, Packet};

const NAME: &str = "Record_20260102_101500.wav";
const FILE: &str = "Recorder/20260102/Record_20260102_101500.wav";
const SIZE: usize = 300_000;
/// The delay of one way, in milliseconds.
const DELAY: u64 = 10;

/// A network: the datagrams in flight, and what happens to them.
struct Network {
    random: Random,
    /// Datagrams lost of 1000, each way.
    loss: u64,
    double: u64,
    /// The most that a datagram is delayed further, in milliseconds.
    jitter: u64,
    /// By arrival and order of sending: whether it goes to the service, the client's address, the
    /// bytes.
    in_flight: std::collections::BTreeMap<(u64, u64), (bool, SocketAddr, Vec<u8>)>,
    sent: u64,
}

impl Network {
    fn new(loss: u64, double: u64, jitter: u64) -> Self {
        Self {
            random: Random(1),
            loss,
            double,
            jitter,
            in_flight: Default::default(),
            sent: 0,
        }
    }

    fn send(&mut self, millis: u64, to_service: bool, whose: SocketAddr, bytes: &[u8]) {
        let copies = if self.random.below(1000) < self.double {
            2
        } else {
            1
        };
        for _ in 0..copies {
            if self.random.below(1000) >= self.loss {
                let arrival = millis + DELAY + self.random.below(self.jitter + 1);
                self.sent += 1;
                self.in_flight
                    .insert((arrival, self.sent), (to_service, whose, bytes.to_vec()));
            }
        }
    }
}

/// A client that fetches a file, one payload at a time.
struct Fetch {
    peer: SocketAddr,
    client: FspClient,
    payload: PayloadLength,
    file: Vec<u8>,
    asked: u16,
    resends: u64,
    done_at: Option<u64>,
}

impl Fetch {
    fn new(peer: SocketAddr) -> Self {
        let (client, payload) = (
            FspClient::new(u32::from(peer.port()) << 7),
            PayloadLength::new(1460),
        );
        Self {
            peer,
            client,
            payload,
            file: vec![],
            asked: 0,
            resends: 0,
            done_at: None,
        }
    }

    fn ask(&mut self, millis: u64, network: &mut Network) {
        let wish = self.payload.after(0).to_be_bytes();
        let (head, data, extra) = request(Command::GET_FILE, self.file.len() as u32, FILE, &wish);
        self.asked = self.asked.wrapping_add(24);
        let packet = Packet {
            head,
            data: &data,
            extra: &extra,
        };
        self.resends = self.client.resends;
        self.client.begin(
            at(millis),
            Duration::from_millis(300_000),
            &packet,
            self.asked,
        );
        network.send(millis, true, self.peer, self.client.datagram());
    }

    fn handle(&mut self, millis: u64, bytes: &[u8], network: &mut Network) {
        let Some(reply) = self
            .client
            .handle_datagram(bytes)
            .filter(|_| self.done_at.is_none())
        else {
            return;
        };
        assert_eq!(reply.head.command, Command::GET_FILE);
        self.payload
            .handle_reply(self.client.resends - self.resends);
        self.file.extend(reply.data);
        if reply.data.is_empty() {
            self.done_at = Some(millis);
        } else {
            self.ask(millis, network);
        }
    }

    fn tick(&mut self, millis: u64, network: &mut Network) {
        if self.done_at.is_none() && self.client.handle_timeout(at(millis)) == Timeout::Resend {
            self.client
                .set_payload(self.payload.after(self.client.resends - self.resends));
            network.send(millis, true, self.peer, self.client.datagram());
        }
    }
}

/// Runs until all clients have the file; `every` is called each millisecond.
fn run(
    service: &mut Service,
    network: &mut Network,
    fetches: &mut [Fetch],
    mut every: impl FnMut(u64, &mut Service),
) {
    fetches.iter_mut().for_each(|fetch| fetch.ask(0, network));
    for millis in 0..600_000 {
        every(millis, service);
        while let Some(entry) = network
            .in_flight
            .first_entry()
            .filter(|entry| entry.key().0 <= millis)
        {
            let (to_service, whose, bytes) = entry.remove();
            if to_service {
                if let Some(reply) = service.take(millis, whose, &bytes) {
                    network.send(millis, false, whose, &reply);
                }
            } else if let Some(fetch) = fetches.iter_mut().find(|fetch| fetch.peer == whose) {
                fetch.handle(millis, &bytes, network);
            }
        }
        fetches
            .iter_mut()
            .for_each(|fetch| fetch.tick(millis, network));
        if fetches.iter().all(|fetch| fetch.done_at.is_some()) {
            return;
        }
    }
    panic!("ten minutes were not enough");
}

fn service() -> Service {
    Service::with_files(1460, &[(NAME, SIZE)])
}

fn check(fetch: &Fetch) {
    assert!(
        fetch.file == content(NAME, SIZE),
        "{} bytes",
        fetch.file.len()
    );
}

#[test]
fn files_are_whole_whatever_the_network_does() {
    for (loss, double, jitter) in [(0, 0, 0), (50, 50, 30), (0, 1000, 500), (150, 300, 5)] {
        let mut fetches: Vec<Fetch> = (0..3)
            .map(|n| Fetch::new(peer(1 + n % 2, 1000 + u16::from(n))))
            .collect();
        run(
            &mut service(),
            &mut Network::new(loss, double, jitter),
            &mut fetches,
            |_, _| {},
        );
        fetches.iter().for_each(check);
    }
}

/// Of 100 datagrams 5 are lost each way: a lost datagram costs the wait for its resend, not more.
#[test]
fn loss_costs_its_resends_and_nothing_else() {
    let mut fetches = [Fetch::new(peer(1, 1000))];
    run(
        &mut service(),
        &mut Network::new(50, 0, 0),
        &mut fetches,
        |_, _| {},
    );
    let [fetch] = fetches;
    let (took, requests) = (fetch.done_at.unwrap(), SIZE.div_ceil(1024) as u64);
    let resends = fetch.client.resends;
    assert!(
        (10..requests / 4).contains(&resends),
        "{resends} of {requests}"
    );
    // 1.34 s each; two in a row are rare (2.01 s more).
    assert!(
        took < requests * 2 * DELAY + resends * 1700,
        "{took} ms with {resends} resends"
    );
}

#[test]
fn one_lost_reply_costs_less_than_one_and_a_half_seconds() {
    // Replies are lost one at a time: the first of a session, one in the middle, the empty one at
    // the end.
    for lost in [0, 1, 100] {
        let mut service = service();
        let (mut client, mut millis, mut length) = (TestClient::new(peer(1, 1000)), 0, 0);
        for n in 0..=100 {
            let (head, data, _) = request(
                Command::GET_FILE,
                if n == 100 { SIZE as u32 } else { length },
                FILE,
                b"",
            );
            let packet = Packet {
                head,
                data: &data,
                extra: &[5, 180],
            };
            client
                .client
                .begin(at(millis), Duration::from_millis(60_000), &packet, n * 8);
            let mut reply = service
                .take(millis, client.peer, client.client.datagram())
                .unwrap();
            if n == lost {
                let Timeout::Wait(until) = client.client.handle_timeout(at(millis)) else {
                    panic!("no wait")
                };
                let waited = until.since(at(millis)).millis();
                assert!(waited <= 1400, "{waited}");
                millis += waited;
                assert_eq!(client.client.handle_timeout(at(millis)), Timeout::Resend);
                reply = service
                    .take(millis, client.peer, client.client.datagram())
                    .expect("the first resend is answered");
            }
            length += client.client.handle_datagram(&reply).unwrap().data.len() as u32;
            millis += 20;
        }
        assert!(length > 50_000);
    }
}

/// Whatever strangers send, clients that fetch do not need a single resend.
#[test]
fn nobody_waits_for_what_others_send() {
    let mut fetches: Vec<Fetch> = (0..2).map(|n| Fetch::new(peer(1, 1000 + n))).collect();
    let head = |key: u16| FspHeader {
        command: Command::GET_FILE,
        key,
        sequence: key,
        position: 0,
    };
    let mut n = 0u16;
    run(
        &mut service(),
        &mut Network::new(0, 0, 0),
        &mut fetches,
        |millis, service| {
            if millis < 2 * DELAY {
                return; // the first to use an address owns its session
            }
            n = n.wrapping_add(7919);
            let wrong = [FILE.as_bytes(), b"\nguess\0"].concat();
            let mut broken = datagram(head(n), &wrong, b"");
            broken[1] ^= 0x10;
            // A bad checksum and a wrong key with the clients' addresses; forged sources; guesses
            // from the clients' host.
            assert_eq!(service.take(millis, peer(1, 1000), &broken), None);
            if millis % 16 == 0 {
                // Not more often: one of 65 536 guessed keys is right.
                assert_eq!(
                    service.take(millis, peer(1, 1001), &datagram(head(n | 1), &wrong, b"")),
                    None
                );
            }
            service.take(
                millis,
                SocketAddr::from(([10, n as u8, (n >> 8) as u8, 1], n)),
                &datagram(head(n), &wrong, b""),
            );
            service.take(millis, peer(1, 5000), &datagram(head(0), &wrong, b""));
            // A client that began and was killed.
            if millis == 30 {
                let (head, data, _) = request(Command::GET_DIR, 0, "Recorder/20260102", b"");
                assert!(service
                    .take(millis, peer(1, 999), &datagram(head, &data, b""))
                    .is_some());
            }
        },
    );
    for fetch in &fetches {
        check(fetch);
        assert_eq!(fetch.client.resends, 0);
    }
}
