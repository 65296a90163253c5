//! Devices, figures, and the audit log.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use axum::Extension;
use serde_json::{json, Map, Value};

use super::error::ApiError;
use super::recordings::{json_response, Pairs};
use super::viewer::Viewer;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::database::{values, Row};
use crate::server::archive::journal_reader::balance;

/// Lines of the audit log that are shown.
const AUDIT_LINES: usize = 200;
const MAX_AUDIT_LINES: usize = 1000;

/// `GET /api/v1/devices`
pub(super) async fn devices(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
) -> Result<Response, ApiError> {
    let body = app.run(move |app| Ok(json!({"devices": devices_of(app, &viewer)?})));
    Ok(json_response(&body.await?))
}

/// The devices that somebody may see: name, recordings, the time of the last one.
pub(super) fn devices_of(app: &App, viewer: &Viewer) -> Result<Vec<Value>, ApiError> {
    let found = app.catalogue.read(|session| {
        let sql = "SELECT name, (SELECT count(*) FROM recording WHERE folder = folder.id AND state <> 'deleted'),
            (SELECT document FROM recording WHERE folder = folder.id AND state <> 'deleted' ORDER BY key DESC LIMIT 1)
            FROM folder ORDER BY name";
        type Device = (String, i64, Option<String>);
        let of = |row: &Row| -> Result<Device, String> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
        session.rows(sql, values![], of)
    })?;
    let seen = found
        .into_iter()
        .filter(|(name, ..)| viewer.rights.sees(&app.settings.tenants, name));
    let shown = seen.map(|(name, count, last)| {
        let last: Value = last.and_then(|last| serde_json::from_str(&last).ok()).unwrap_or_default();
        json!({"device": name, "recordings": count, "last": last["start"], "tenant": app.settings.tenants.of(&name)})
    });
    Ok(shown.collect())
}

/// `GET /api/v1/stats`
pub(super) async fn stats(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
) -> Result<Response, ApiError> {
    let body = app.run(move |app| {
        viewer.require(Role::Supervisor)?;
        stats_of(app, &viewer)
    });
    Ok(json_response(&body.await?))
}

pub(super) fn stats_of(app: &App, viewer: &Viewer) -> Result<Value, ApiError> {
    let folders = app.folders_of(viewer, &[])?;
    let is_of_all = folders.is_none();
    let folders = folders.map(|folders| Value::from(folders).to_string());
    let stats = app.catalogue.read(|session| {
        let sql = "SELECT state, count(*), CAST(sum(duration) AS DOUBLE PRECISION), CAST(sum(size) AS DOUBLE PRECISION)
            FROM recording WHERE CAST(?1 AS TEXT) IS NULL
                OR folder IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(?1 AS TEXT))) GROUP BY 1";
        type State = (String, i64, f64, f64);
        let of = |row: &Row| -> Result<State, String> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        let mut states = Map::new();
        let (mut sound, mut size, mut count) = (0.0, 0.0, 0);
        for (state, number, duration, bytes) in session.rows(sql, values![folders], of)? {
            if state != "deleted" {
                sound += duration;
                size += bytes;
                count += number;
            }
            states.insert(state, number.into());
        }
        let mut stats = json!({"recordings": count, "states": states, "duration_ms": sound as u64, "size_bytes": size as u64});
        if is_of_all {
            let of_all = balance(session, None)?;
            let map = |counts: &[(String, u64)]| -> Map<String, Value> {
                counts.iter().map(|(reason, count)| (reason.clone(), (*count).into())).collect()
            };
            stats["balance"] = json!({
                "accepted": of_all.accepted, "running": of_all.running, "present": of_all.present,
                "deleted": of_all.deleted, "lost": map(&of_all.lost), "refused": map(&of_all.refused),
            });
        }
        Ok(stats)
    });
    Ok(stats?)
}

/// `GET /api/v1/audit?limit&id&who&what`
pub(super) async fn audit(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Query(pairs): Query<Pairs>,
) -> Result<Response, ApiError> {
    let body = app.run(move |app| {
        viewer.require(Role::Admin)?;
        let mut limit = AUDIT_LINES;
        let mut wanted = vec![];
        for (key, value) in &pairs {
            match key.as_str() {
                "limit" => {
                    let number = value
                        .parse()
                        .ok()
                        .filter(|number| (1..=MAX_AUDIT_LINES).contains(number));
                    limit = number.ok_or_else(|| {
                        ApiError::bad("bad-value", "limit: must be from 1 to 1000")
                    })?;
                }
                "id" | "who" | "what" => wanted.push((key.clone(), value.clone())),
                _ => {
                    return Err(ApiError::bad(
                        "unknown",
                        format!("{key}: there is no such parameter"),
                    ))
                }
            }
        }
        Ok(json!({"audit": lines(app, &viewer, limit, &wanted)?}))
    });
    Ok(json_response(&body.await?))
}

/// The newest lines, of an administrator's tenant or of all.
pub(super) fn lines(
    app: &App,
    viewer: &Viewer,
    limit: usize,
    wanted: &[(String, String)],
) -> Result<Vec<Value>, ApiError> {
    let is_wanted = |line: &Value| {
        let of_tenant =
            viewer.rights.is_of_all() || line["tenant"] == viewer.rights.tenant.as_str();
        of_tenant
            && wanted
                .iter()
                .all(|(key, value)| line[key] == value.as_str())
    };
    Ok(app.audit.latest(limit, &is_wanted)?)
}
