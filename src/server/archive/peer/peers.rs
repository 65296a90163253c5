//! What is known of the peers: whether they answer, and what they record. Their key, and the copies of
//! what is heard of them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use log::{info, warn};
use tokio::runtime::Handle;

use super::client::{NoAnswer, PeerClient};
use super::key::{random_number, PeerKey, PeerRefusal, GOOD_SECONDS};
use super::listing::PeerCall;
use super::mirror::Mirror;
use super::nonces::Nonces;
use crate::server::archive::lock::lock;
use crate::server::archive::query::encode;
use crate::server::archive::recent_lines::RecentLines;
use crate::server::archive::scan::now;
use crate::server::archive::settings::ArchiveSettings;

/// A copy that is younger is not asked for again.
const FRESH: Duration = Duration::from_millis(150);
/// So long one request brings a copy on; a listener hears meanwhile what there is.
const BRING_ON: Duration = Duration::from_secs(3);
/// A copy that nobody has used for so long is removed.
const UNUSED: Duration = Duration::from_secs(60);
/// All copies together: more than a day of sound.
const COPIES_BYTES: u64 = 1 << 30;

/// What a peer has said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::server::archive) enum PeerStatus {
    /// Nothing yet.
    #[default]
    NotAsked,
    Answers,
    /// It is this archive.
    Itself,
    /// Why it does not answer, and since when.
    Failing(String, i64),
}

/// A peer.
#[derive(Clone, Debug, Default)]
pub(in crate::server::archive) struct Peer {
    pub(in crate::server::archive) url: String,
    /// Its name, once it has answered.
    pub(in crate::server::archive) host: String,
    pub(in crate::server::archive) status: PeerStatus,
    /// Milliseconds of sound by folder and stem.
    calls: HashMap<(String, String), i64>,
}

impl Peer {
    /// Parts that it records now, as far as it is known.
    pub(in crate::server::archive) fn running(&self) -> usize {
        self.calls.len()
    }
}

/// A running part on a peer.
pub(in crate::server::archive) struct RunningThere {
    pub(in crate::server::archive) host: String,
    pub(in crate::server::archive) sound: i64,
    pub(in crate::server::archive) answers: bool,
}

/// Why there is no copy.
#[derive(Debug)]
pub(in crate::server::archive) enum NoCopy {
    /// No peer has the file.
    NotThere,
    /// The peer that has it does not send it.
    Away(String),
}

type Key = (String, String);

/// All peers.
pub(in crate::server::archive) struct Peers {
    pub(in crate::server::archive) key: Option<PeerKey>,
    /// This process.
    pub(in crate::server::archive) instance: String,
    client: Option<PeerClient>,
    peers: Mutex<Vec<Peer>>,
    nonces: Mutex<Nonces>,
    /// Refusals that were logged.
    refusals: Mutex<RecentLines>,
    root: PathBuf,
    copies: Mutex<HashMap<Key, Arc<Mutex<Mirror>>>>,
}

impl Peers {
    pub(in crate::server::archive) fn open(settings: &ArchiveSettings) -> Result<Self, String> {
        let key = settings.peers.key()?;
        let urls = match settings.peers.running_only {
            true => &[][..],
            false => &settings.peers.urls[..],
        };
        let client = match &key {
            Some(key) if !urls.is_empty() => {
                let ca = settings.peers.ca.as_deref();
                Some(PeerClient::new(key.clone(), ca)?)
            }
            _ => None,
        };
        let peer = |url: &String| Peer {
            url: url.clone(),
            ..Peer::default()
        };
        Ok(Self {
            key,
            instance: random_number()?,
            client,
            peers: Mutex::new(urls.iter().map(peer).collect()),
            nonces: Mutex::default(),
            refusals: Mutex::default(),
            root: settings.home().join("peers"),
            copies: Mutex::default(),
        })
    }

    /// There are peers.
    pub(in crate::server::archive) fn is_any(&self) -> bool {
        self.client.is_some()
    }

    /// All peers, as they are now.
    pub(in crate::server::archive) fn all(&self) -> Vec<Peer> {
        lock(&self.peers).clone()
    }

    /// Peers that do not answer.
    pub(in crate::server::archive) fn failing(&self) -> u64 {
        let peers = lock(&self.peers);
        let failing = |peer: &&Peer| matches!(peer.status, PeerStatus::Failing(..));
        peers.iter().filter(failing).count() as u64
    }

    /// Removes the copies of an earlier run.
    pub(in crate::server::archive) fn clear(&self) -> Result<(), String> {
        match std::fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", self.root.display()))
            }
            _ => Ok(()),
        }
    }

    /// The nonce of a request, if a peer makes it, now, and for the first time.
    pub(in crate::server::archive) fn admit(
        &self,
        header: &str,
        path: &str,
    ) -> Result<String, PeerRefusal> {
        let key = self.key.as_ref().ok_or(PeerRefusal::NotSigned)?;
        let nonce = key.check(header, path, now())?;
        // A request from the future is good for twice the time.
        let until = now() + 2 * GOOD_SECONDS;
        if !lock(&self.nonces).take(nonce, now(), until) {
            return Err(PeerRefusal::Again);
        }
        Ok(nonce.to_owned())
    }

    /// A refusal is to be logged: once in ten minutes for each address and reason.
    pub(in crate::server::archive) fn is_new_refusal(&self, from: &str, why: PeerRefusal) -> bool {
        lock(&self.refusals).is_new(&format!("{from} {why:?}"), now(), 600)
    }

    /// What a peer answers.
    pub(in crate::server::archive) async fn ask(
        &self,
        number: usize,
        path: &str,
    ) -> Result<axum::body::Bytes, NoAnswer> {
        let url = lock(&self.peers).get(number).map(|peer| peer.url.clone());
        match (&self.client, url) {
            (Some(client), Some(url)) => client.ask(&url, path, now()).await,
            _ => Err(NoAnswer::Failed("there is no such peer".into())),
        }
    }

    /// Notes that a peer answers.
    pub(in crate::server::archive) fn set_status(&self, number: usize, status: PeerStatus) {
        let mut peers = lock(&self.peers);
        let Some(peer) = peers.get_mut(number) else {
            return;
        };
        if matches!(peer.status, PeerStatus::Failing(..)) {
            info!("peer {}: answers again", peer.url);
        }
        peer.status = status;
    }

    /// Notes that a peer does not answer as it should, and why; since when.
    pub(in crate::server::archive) fn fail(&self, number: usize, problem: String) -> i64 {
        let mut peers = lock(&self.peers);
        let Some(peer) = peers.get_mut(number) else {
            return now();
        };
        if let PeerStatus::Failing(_, since) = peer.status {
            return since;
        }
        let url = &peer.url;
        warn!("peer {url}: {problem}; the calls that it records cannot be heard here meanwhile");
        peer.status = PeerStatus::Failing(problem, now());
        now()
    }

    /// Notes what a peer records.
    pub(in crate::server::archive) fn set_calls(
        &self,
        number: usize,
        host: &str,
        calls: &[PeerCall],
    ) {
        let of = |call: &PeerCall| ((call.folder.clone(), call.stem.clone()), call.sound);
        let calls = calls.iter().map(of).collect();
        if let Some(peer) = lock(&self.peers).get_mut(number) {
            peer.host = host.to_owned();
            peer.calls = calls;
        }
    }

    /// Removes copies that nobody uses.
    pub(in crate::server::archive) fn expire_copies(&self) {
        // One that is in use is locked.
        let is_used = |copy: &mut Arc<Mutex<Mirror>>| match copy.try_lock() {
            Ok(copy) => copy.used_at.elapsed() < UNUSED,
            Err(_) => true,
        };
        lock(&self.copies).retain(|_, copy| is_used(copy));
    }

    /// A part that a peer records now.
    pub(in crate::server::archive) fn running(
        &self,
        folder: &str,
        stem: &str,
    ) -> Option<RunningThere> {
        let peers = lock(&self.peers);
        let (peer, sound) = peers.iter().find_map(|peer| {
            let sound = peer.calls.get(&(folder.to_owned(), stem.to_owned()))?;
            Some((peer, *sound))
        })?;
        Some(RunningThere {
            host: peer.host.clone(),
            sound,
            answers: peer.status == PeerStatus::Answers,
        })
    }

    /// The copy of a part's file, brought on as far as it is recorded; if it is not to be whole, as far as
    /// a listener can wait for it.
    pub(in crate::server::archive) fn copy(
        &self,
        folder: &str,
        stem: &str,
        is_whole: bool,
    ) -> Result<PathBuf, NoCopy> {
        let key = (folder.to_owned(), stem.to_owned());
        let holders = self.holders(&key);
        let mut reason = NoCopy::NotThere;
        for (number, status) in holders {
            if let PeerStatus::Failing(problem, _) = status {
                reason = NoCopy::Away(problem);
                continue;
            }
            let path = self.root.join(number.to_string()).join(folder);
            let path = path.join(format!("{stem}.wav"));
            let mut copies = lock(&self.copies);
            let copy = copies
                .entry((format!("{number}/{folder}"), stem.to_owned()))
                .or_insert_with(|| Arc::new(Mutex::new(Mirror::new(path))));
            let copy = copy.clone();
            drop(copies);
            let brought = self.bring_on(number, &key, &mut lock(&copy), is_whole);
            match brought {
                Ok(path) => return Ok(path),
                Err(problem) => reason = problem,
            }
        }
        Err(reason)
    }

    /// The peers that record a part; of one that has just ended, all that answer.
    fn holders(&self, key: &Key) -> Vec<(usize, PeerStatus)> {
        let peers = lock(&self.peers);
        let with_number = peers.iter().enumerate();
        let recording: Vec<_> = with_number
            .filter(|(_, peer)| peer.calls.contains_key(key))
            .map(|(number, peer)| (number, peer.status.clone()))
            .collect();
        if !recording.is_empty() {
            return recording;
        }
        let answering = peers.iter().enumerate();
        answering
            .filter(|(_, peer)| peer.status == PeerStatus::Answers)
            .map(|(number, peer)| (number, peer.status.clone()))
            .collect()
    }

    fn bring_on(
        &self,
        number: usize,
        (folder, stem): &Key,
        copy: &mut Mirror,
        is_whole: bool,
    ) -> Result<PathBuf, NoCopy> {
        copy.used_at = Instant::now();
        // It may have failed while this request waited for another one's.
        let status = lock(&self.peers)
            .get(number)
            .map(|peer| peer.status.clone());
        if let Some(PeerStatus::Failing(problem, _)) = status {
            return Err(NoCopy::Away(problem));
        }
        let is_fresh = |at: Instant| at.elapsed() < FRESH;
        if !is_whole && copy.refreshed_at.is_some_and(is_fresh) {
            return Ok(copy.path().to_owned());
        }
        let began = Instant::now();
        loop {
            let folder = encode(folder);
            let stem = encode(stem);
            let from = copy.length;
            let path = format!("/peer/v1/audio?folder={folder}&stem={stem}&from={from}");
            // This runs on a thread that may block.
            let piece = Handle::current().block_on(self.ask(number, &path));
            let piece = piece.map_err(|problem| match problem {
                NoAnswer::NotThere => NoCopy::NotThere,
                NoAnswer::Failed(problem) => {
                    // Others who listen need not wait for it as well.
                    self.fail(number, problem.clone());
                    NoCopy::Away(problem)
                }
            })?;
            copy.add(&piece).map_err(NoCopy::Away)?;
            if copy.length > from && self.copied() > COPIES_BYTES {
                return Err(NoCopy::Away(
                    "too much is heard of other hosts at once".into(),
                ));
            }
            if copy.is_whole || !is_whole && began.elapsed() >= BRING_ON {
                break;
            }
        }
        copy.refreshed_at = Some(Instant::now());
        copy.used_at = Instant::now();
        Ok(copy.path().to_owned())
    }

    /// Bytes of all copies that nobody is just bringing on.
    fn copied(&self) -> u64 {
        let copies = lock(&self.copies);
        let length = |copy: &Arc<Mutex<Mirror>>| copy.try_lock().map_or(0, |copy| copy.length);
        copies.values().map(length).sum()
    }
}
