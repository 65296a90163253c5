//! The options of the application server.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cli::command::{command, CommandSpec};
use crate::config::{number, one_of};
use crate::server::options::{all, one, unknown, ServerOptions};
use crate::server::web::base_url::BaseUrl;
use crate::server::web::checked_options::{CheckedOptions, KeyProblem};
use crate::server::web::secret_file;
use crate::server::web::word::control_word;

pub(in crate::server) const CALLS: CommandSpec = command! {
    "callrec-server", "calls", "",
    "is the application server of calls through a cloud: who calls whom, and the state of each call";
    [
        ("c", "config", "FILE",
            "a file of 'key = value' lines; the keys are the long options without dashes"),
        ("", "listen", "ADDR:PORT",
            "the address for programs and phones, HTTP [127.0.0.1:8081]"),
        ("", "cloud", "URL",
            "the cloud, the vendor's or that of 'callrec-server cloud'; required"),
        ("", "appId", "ID",
            "the app's id in the cloud; required"),
        ("", "appKeyFile", "FILE",
            "the file with the app's key; required"),
        ("", "apiKeyFile", "FILE",
            "the file with the key of the operator's programs; required"),
        ("", "transport", "topvdn|relay",
            "what the URL of a call is: the vendor's, or a stream of the relay [topvdn]"),
        ("", "tokenSeconds", "N",
            "how long the token in a URL is valid [3600]"),
        ("", "control", "N",
            "the control word of these tokens, decimal or 0x [3222536192]"),
        ("", "ringSeconds", "N",
            "how long a call may ring [60]"),
        ("", "maxCallSeconds", "N",
            "how long a call may last [14400]"),
        ("", "pushHook", "URL",
            "what wakes the phone of a callee that is offline [none]"),
        ("", "allowPlainHttp", "0|1",
            "the app's key may go to another computer without TLS [0]"),
    ];
    "\
POST /calls with {\"from\":CID,\"to\":CID} makes a call; src/server/README.md describes all. SIGHUP reads the key files again.
The log goes to standard error.";
    [
        "callrec-server calls --cloud http://127.0.0.1:8080 --appId Test --appKeyFile app.key --apiKeyFile api.key",
    ]
};

/// What the URL of a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// The vendor's: the caller's tracker and token.
    Topvdn,
    /// The caller's stream at the relay.
    Relay,
}

const TRANSPORTS: [(&str, Transport); 2] =
    [("topvdn", Transport::Topvdn), ("relay", Transport::Relay)];

/// The options' values.
#[derive(Clone, Debug)]
pub(in crate::server) struct CallsSettings {
    pub(super) listen: SocketAddr,
    pub(super) cloud: Option<BaseUrl>,
    pub(super) app_id: String,
    pub(super) app_key_file: PathBuf,
    pub(super) api_key_file: PathBuf,
    pub(super) transport: Transport,
    pub(super) token_seconds: u32,
    pub(super) control: u32,
    pub(super) ring_seconds: u32,
    pub(super) max_call_seconds: u32,
    pub(super) push_hook: Option<BaseUrl>,
    pub(super) allows_plain_http: bool,
}

impl Default for CallsSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            cloud: None,
            app_id: String::new(),
            app_key_file: PathBuf::new(),
            api_key_file: PathBuf::new(),
            transport: Transport::Topvdn,
            token_seconds: 3600,
            control: 3_222_536_192,
            ring_seconds: 60,
            max_call_seconds: 14_400,
            push_hook: None,
            allows_plain_http: false,
        }
    }
}

impl ServerOptions for CallsSettings {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "listen" => {
                self.listen = value.parse().map_err(|_| {
                    format!("must be ADDRESS:PORT, for example 127.0.0.1:8081, not '{value}'")
                })?;
            }
            "cloud" => self.cloud = Some(BaseUrl::parse(value)?),
            "appId" if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) => {
                return Err("must be the app's id in the cloud".into());
            }
            "appId" => self.app_id = value.into(),
            "appKeyFile" | "apiKeyFile" if value.is_empty() => {
                return Err("must name a file".into());
            }
            "appKeyFile" => self.app_key_file = value.into(),
            "apiKeyFile" => self.api_key_file = value.into(),
            "transport" => self.transport = one_of(value, &TRANSPORTS)?,
            "tokenSeconds" => self.token_seconds = number(value, 60, 31_536_000)?,
            "control" => self.control = control_word(value)?,
            "ringSeconds" => self.ring_seconds = number(value, 1, 3600)?,
            "maxCallSeconds" => self.max_call_seconds = number(value, 1, 604_800)?,
            "pushHook" => self.push_hook = Some(BaseUrl::parse(value)?),
            "allowPlainHttp" => {
                self.allows_plain_http = one_of(value, &[("0", false), ("1", true)])?
            }
            _ => return unknown(),
        }
        Ok(())
    }

    fn pairs(&self) -> Vec<(&'static str, Vec<String>)> {
        let word = |text: &str| all((!text.is_empty()).then_some(text));
        let file = |path: &PathBuf| word(&path.to_string_lossy());
        let transport = TRANSPORTS.iter().find(|(_, it)| *it == self.transport);
        vec![
            ("listen", one(self.listen)),
            ("cloud", all(&self.cloud)),
            ("appId", word(&self.app_id)),
            ("appKeyFile", file(&self.app_key_file)),
            ("apiKeyFile", file(&self.api_key_file)),
            ("transport", all(transport.map(|(name, _)| name))),
            ("tokenSeconds", one(self.token_seconds)),
            ("control", one(self.control)),
            ("ringSeconds", one(self.ring_seconds)),
            ("maxCallSeconds", one(self.max_call_seconds)),
            ("pushHook", all(&self.push_hook)),
            ("allowPlainHttp", one(u8::from(self.allows_plain_http))),
        ]
    }
}

impl CheckedOptions for CallsSettings {
    fn check(&self) -> Result<(), KeyProblem> {
        let Some(cloud) = &self.cloud else {
            return Err(KeyProblem::new(
                "cloud",
                "is missing: http://HOST[:PORT] or https://HOST[:PORT]",
            ));
        };
        if cloud.exposes_secrets() && !self.allows_plain_http {
            let problem =
                "would send the app's key over plain HTTP: use https://, or set allowPlainHttp = 1";
            return Err(KeyProblem::new("cloud", problem));
        }
        if self.app_id.is_empty() {
            return Err(KeyProblem::new("appId", "is missing"));
        }
        let files = [
            ("appKeyFile", &self.app_key_file),
            ("apiKeyFile", &self.api_key_file),
        ];
        for (key, file) in files {
            if file.as_os_str().is_empty() {
                return Err(KeyProblem::new(key, "is missing"));
            }
            let read = secret_file::read(file);
            read.map_err(|problem| {
                KeyProblem::new(key, format!("names a file without a key: {problem}"))
            })?;
        }
        Ok(())
    }
}
