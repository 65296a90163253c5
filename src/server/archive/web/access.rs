//! What somebody may see and do: all ways to a recording go through here.

use std::sync::Arc;

use serde_json::Value;

use super::error::ApiError;
use super::viewer::Viewer;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::database::{self, values};
use crate::server::archive::id::is_id;
use crate::server::archive::lock::lock;
use crate::server::archive::scan::now;
use crate::server::archive::search::{find, Row};

/// Seconds in which one line is enough for who hears what.
const LISTEN_SECONDS: i64 = 600;

impl App {
    /// Does blocking work on a thread for it.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let app = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&app)).await;
        done.unwrap_or_else(|_| Err(ApiError::internal("a request has failed")))
    }

    /// The one way to a recording: `None` of it to whom may not see it, a refusal to whose role does not
    /// allow the action.
    pub(super) fn recording(
        &self,
        viewer: &Viewer,
        id: &str,
        least: Role,
    ) -> Result<Row, ApiError> {
        // A malformed id costs the same look as an unknown one.
        let asked = if is_id(id) { id } else { "" };
        let found = self.catalogue.read(|session| find(session, asked))?;
        let seen = found.filter(|row| viewer.rights.sees(&self.settings.tenants, &row.folder));
        let is_visible = |row: &Row| row.state != "deleted" || viewer.rights.role == Role::Admin;
        let row = seen.filter(is_visible).ok_or_else(ApiError::not_found)?;
        viewer.require(least)?;
        Ok(row)
    }

    /// The numbers of the folders that somebody may see; `None`: all.
    pub(super) fn folders_of(
        &self,
        viewer: &Viewer,
        devices: &[String],
    ) -> Result<Option<Vec<i64>>, String> {
        if devices.is_empty() && viewer.rights.is_of_all() && viewer.rights.devices.is_empty() {
            return Ok(None);
        }
        let wanted = |name: &str| {
            devices.is_empty()
                || devices
                    .iter()
                    .any(|device| device.eq_ignore_ascii_case(name))
        };
        self.catalogue.read(|session| {
            let sql = "SELECT id, name FROM folder";
            let of = |row: &database::Row| -> Result<(i64, String), String> {
                Ok((row.get(0)?, row.get(1)?))
            };
            let rows = session.rows(sql, values![], of)?;
            let seen = rows.into_iter().filter(|(_, name)| {
                wanted(name) && viewer.rights.sees(&self.settings.tenants, name)
            });
            Ok(Some(seen.map(|(id, _)| id).collect()))
        })
    }

    /// A line of the audit log; what cannot be logged is not done.
    pub(super) fn log(
        &self,
        viewer: &Viewer,
        what: &str,
        id: &str,
        more: Value,
    ) -> Result<(), ApiError> {
        let appended = self
            .audit
            .append(&self.accounts, &viewer.actor(), what, id, more, now());
        appended.map_err(|problem| ApiError::audit(&problem))
    }

    /// One line for each viewer, recording and format in ten minutes.
    pub(super) fn log_listen(
        &self,
        viewer: &Viewer,
        id: &str,
        format: &str,
    ) -> Result<(), ApiError> {
        let what = format!("{}\n{id}\n{format}", viewer.name);
        if !lock(&self.listens).is_new(&what, now(), LISTEN_SECONDS) {
            return Ok(());
        }
        let logged = self.log(viewer, "listen", id, serde_json::json!({"format": format}));
        if logged.is_err() {
            lock(&self.listens).forget(&what);
        }
        logged
    }
}
