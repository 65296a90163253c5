//! A server that is spoken to with TLS, and what the log says of it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use log::warn;
use rustls::pki_types::ServerName;
use rustls::ClientConfig;

/// Servers whose last problem is remembered.
const MAX_TOLD: usize = 16;

/// A server that is spoken to with TLS.
#[derive(Clone)]
pub struct TlsServer {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
    /// As the log names it.
    pub(super) shown: String,
    pub(super) told: Told,
}

/// What the log says of each server: the same is not said again until it has worked.
#[derive(Clone, Default)]
pub(super) struct Told(Rc<RefCell<Vec<(String, String)>>>);

impl TlsServer {
    /// It works again, or for the first time.
    pub(super) fn handle_success(&self) {
        self.told
            .0
            .borrow_mut()
            .retain(|(server, _)| *server != self.shown);
    }

    /// Logs a problem, once.
    pub(super) fn warn(&self, problem: &str) {
        let mut told = self.told.0.borrow_mut();
        let server = &self.shown;
        if told
            .iter()
            .any(|(known, said)| known == server && said == problem)
        {
            return;
        }
        told.retain(|(known, _)| known != server);
        if told.len() < MAX_TOLD {
            told.push((server.clone(), problem.into()));
        }
        warn!("cloud: no TLS with {server}: {problem}");
    }
}
