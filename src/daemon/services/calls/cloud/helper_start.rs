//! How the helper with the vendor's transport is started, and what it says.

use log::warn;

use super::{Cloud, INIT_BYTES};
use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::daemon::services::calls::cloud::helper::Helper;
use crate::daemon::services::calls::line::Line;
use crate::io::atomic_file;
use crate::proto::cloud::phone::{TransportEvent, TransportMode};
use crate::wire::base64;
use crate::wire::cloud::message::Url;

impl Cloud {
    pub(super) fn start_helper(
        &mut self,
        now: Instant,
        mode: TransportMode,
        url: &Url,
        line: &mut Line,
        context: &mut Context,
    ) {
        match self.try_start_helper(now, mode, url, line, context) {
            Ok(helper) => self.helper = Some(helper),
            Err(problem) => {
                warn!("cloud: {problem}");
                self.machine.handle_transport(now, TransportEvent::Ended);
            }
        }
    }

    fn try_start_helper(
        &mut self,
        now: Instant,
        mode: TransportMode,
        url: &Url,
        line: &mut Line,
        context: &mut Context,
    ) -> Result<Helper, String> {
        let program = self.link.config().transport.clone().unwrap_or_default();
        let ports = line
            .media
            .open_transport(now)
            .map_err(|why| why.to_string())?;
        let input = self.helper_input(mode, url)?;
        // One that still leaves is killed: there is one call at a time.
        self.helper = None;
        let (registry, token) = (context.poll.registry(), self.helper_token);
        Helper::start(&program, mode, ports, &input, registry, token)
            .map_err(|problem| format!("{program}: {problem} (cloudTransport)"))
    }

    /// The lines that the helper reads first: the caller's URL or the own token, and the cloud's
    /// configuration.
    fn helper_input(&self, mode: TransportMode, url: &Url) -> Result<Vec<u8>, String> {
        let first: &[u8] = match mode {
            TransportMode::Open => url,
            TransportMode::Wait => self.link.token(),
        };
        let mut second = String::new();
        if let Some(path) = &self.link.config().init_file {
            let mut buffer = vec![0; INIT_BYTES];
            let text = atomic_file::read(path, &mut buffer);
            let text = text.ok_or_else(|| format!("{path} cannot be read (cloudInitFile)"))?;
            base64::emit(&mut second, text);
        }
        Ok([first, b"\n", second.as_bytes(), b"\n"].concat())
    }

    pub(super) fn turn_helper(&mut self, now: Instant) {
        let Some(helper) = &mut self.helper else {
            return;
        };
        while let Some(event) = helper.poll_event() {
            self.machine.handle_transport(now, event);
        }
        let is_due = helper.has_told_end() || now >= helper.next_deadline();
        if is_due && helper.is_gone(now) {
            self.helper = None;
        }
    }
}
