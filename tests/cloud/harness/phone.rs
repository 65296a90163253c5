//! Phones in a cloud of their own: real servers, real daemons.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use super::{calls, cloud, secret, token, Running};
use crate::common::engine::{voice, Engine, Heard};
use crate::common::{file, wait_for, Answer, Control, Phone};

pub const A: u32 = 1_000_001;
pub const B: u32 = 1_000_002;
pub const C: u32 = 1_000_003;

/// The cloud and the application server.
pub struct Servers {
    pub cloud: Running,
    pub calls: Running,
}

impl Servers {
    pub fn new(of_calls: &str) -> Self {
        Self::with("", of_calls)
    }

    pub fn with(of_cloud: &str, of_calls: &str) -> Self {
        let cloud = cloud(&format!("presence = 1\n{of_cloud}"));
        let url = format!("http://{}", cloud.address);
        let calls = calls(&url, of_calls);
        Self { cloud, calls }
    }

    /// A phone in the cloud, on its channel.
    pub fn phone(&self, cid: u32, more: &str) -> CloudPhone {
        self.started(self.prepared(cid, more))
    }

    /// A phone that does not run yet.
    pub fn prepared(&self, cid: u32, more: &str) -> Phone {
        let phone = Phone::prepared("");
        let token_file = phone.path("cloud.token");
        secret(&token_file, &token(cid));
        let (cloud, calls) = (self.cloud.address, self.calls.address);
        phone.reconfigure(&format!(
            "cloudServer = http://{cloud}\ncloudCalls = http://{calls}\ncloudCid = {cid}\n\
             cloudTokenFile = {}\nintercomState = {}\n{more}",
            token_file.display(),
            phone.path("state").display()
        ));
        phone
    }

    /// Starts it, and waits for its channel.
    pub fn started(&self, mut phone: Phone) -> CloudPhone {
        phone.start();
        let mut events = phone.control();
        events.ask("cmd=SubscribeRequest");
        events.until("CloudEvent", "online");
        let config = std::fs::read_to_string(phone.config()).unwrap();
        let cid = config.split("cloudCid = ").nth(1).unwrap();
        CloudPhone {
            events,
            cid: cid.lines().next().unwrap().parse().unwrap(),
            phone,
        }
    }
}

pub struct CloudPhone {
    pub phone: Phone,
    pub events: Control,
    pub cid: u32,
}

impl CloudPhone {
    pub fn ask(&self, line: &str) -> Answer {
        self.phone.ask(line)
    }

    /// Calls; returns the sid.
    pub fn call(&self, to: u32, more: &str) -> Answer {
        let answer = self.ask(&format!("cmd=CallRequest&to=cloud:{to}{more}"));
        assert_eq!(answer.value("result"), "success", "{answer:?}");
        answer
    }

    /// Waits for the call's next state.
    pub fn until(&mut self, state: &str) -> Answer {
        self.events.until("CallEvent", state)
    }

    /// Does something with a call.
    pub fn act(&self, request: &str, sid: &str) -> Answer {
        let answer = self.ask(&format!("cmd={request}&sid={sid}"));
        assert_eq!(answer.value("result"), "success", "{answer:?}");
        answer
    }

    /// What was recorded of the call that has ended with this event.
    pub fn recording(&mut self, ended: &Answer) -> (PathBuf, file::Recording) {
        let name = ended.value("recording");
        assert!(name.starts_with("Record_"), "{ended:?}");
        self.events.until("RecordEvent", "stopped");
        let path = self.phone.stick().join(&name);
        wait_for("the sidecar", || path.with_extension("json").exists());
        let recording = file::read(&path);
        (path, recording)
    }
}

/// How many of the codes are in the audio in one piece, from the first frame on.
pub fn held(audio: &[u8], codes: &[u8]) -> usize {
    let begin = audio.windows(160).position(|part| part == &codes[..160]);
    let equal = |at: usize| {
        let pairs = audio[at..].iter().zip(codes);
        pairs.take_while(|(one, other)| one == other).count()
    };
    begin.map_or(0, equal)
}

/// What two media engines say, one after the other, so that each is heard as it was said; and what
/// they hear.
pub struct Conversation {
    pub said: [Vec<Vec<u8>>; 2],
    pub heard: Vec<Heard>,
}

/// Has both engines talk; the answers have their leg ports.
pub fn converse(engines: &[Engine; 2], answers: [&Answer; 2]) -> Conversation {
    engines.iter().for_each(Engine::wait_for_sound);
    let said = [voice(100, 0), voice(100, 9)];
    let quiet = |frames| vec![vec![0xFF; 160]; frames];
    // What is said last is to reach the other end before the call ends.
    let spoken = [
        [said[0].clone(), quiet(200)].concat(),
        [quiet(130), said[1].clone(), quiet(70)].concat(),
    ];
    let heard = std::thread::scope(|scope| {
        let talk = |at: usize| {
            let leg = answers[at].value("leg_port").parse().unwrap();
            let (engine, spoken) = (&engines[at], &spoken[at]);
            scope.spawn(move || engine.talk(leg, spoken))
        };
        let talks = [talk(0), talk(1)];
        talks.into_iter().map(|talk| talk.join().unwrap()).collect()
    });
    Conversation { said, heard }
}
