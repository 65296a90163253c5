//! `POST /api/v1/export`: many recordings as one ZIP file, written while it is sent.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{header, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::Extension;
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::ZipWriter;

use super::audio::disposition;
use super::body::{blocking, BodySink};
use super::changes::{confirm, json_body};
use super::error::ApiError;
use super::params::{self, Members};
use super::recordings::{shown, Pairs};
use super::sound_files::sound_files;
use super::viewer::Viewer;
use crate::io::regular_file;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::id::is_id;
use crate::server::archive::search::{self, Row};

/// Recordings of one export.
const MOST: usize = 10_000;
/// More ask for the password again.
const ASKS_ABOVE: usize = 100;
/// Columns of `index.csv`.
const COLUMNS: [&str; 14] = [
    "id",
    "start",
    "end_time",
    "duration_ms",
    "device",
    "dir",
    "remote_number",
    "remote_name",
    "local_number",
    "local_name",
    "state",
    "result",
    "lost",
    "note",
];

pub(super) async fn export(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let who = viewer.clone();
    let rows = app.run(move |app| {
        who.require(Role::Supervisor)?;
        let mut members = json_body(&headers, &body)?;
        let rows = wanted(app, &who, &mut members)?;
        let password = members.text("password")?;
        members.finish()?;
        if rows.len() > ASKS_ABOVE {
            confirm(app, &who, password.as_deref())?;
        }
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        app.log(&who, "export", "", json!({"count": ids.len(), "ids": ids}))?;
        Ok(rows)
    });
    let rows = rows.await?;
    let of_body = app.clone();
    let body = blocking(&app, &viewer, move |sink| {
        write(&of_body, &rows, sink).map_err(|error| error.to_string())
    });
    let kind = HeaderValue::from_static("application/zip");
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_DISPOSITION, disposition("recordings.zip"));
    Ok(response)
}

/// The recordings of a body: by id, or by a search.
fn wanted(app: &App, viewer: &Viewer, members: &mut Members) -> Result<Vec<Row>, ApiError> {
    let wrong = |words: &str| ApiError::bad("bad-value", words);
    match (members.take("ids"), members.take("search")) {
        (Some(Value::Array(ids)), None) if (1..=MOST).contains(&ids.len()) => {
            let mut rows: Vec<Row> = vec![];
            for id in ids {
                let id = id
                    .as_str()
                    .filter(|id| is_id(id))
                    .ok_or_else(ApiError::not_found)?;
                if rows.iter().all(|row| row.id != id) {
                    rows.push(app.recording(viewer, id, Role::Supervisor)?);
                }
            }
            Ok(rows)
        }
        (None, Some(Value::Object(members))) => {
            let mut pairs: Pairs = vec![];
            for (key, value) in members {
                let values = if let Value::Array(values) = value {
                    values
                } else {
                    vec![value]
                };
                for value in values {
                    let text = match value {
                        Value::String(text) => text,
                        Value::Number(number) => number.to_string(),
                        _ => return Err(wrong("search: its members must be strings and numbers")),
                    };
                    pairs.push((key.clone(), text));
                }
            }
            found(app, viewer, &pairs)
        }
        (Some(_), None) => Err(wrong("ids: must be a list of 1 to 10000 ids")),
        (None, Some(_)) => Err(wrong(
            "search: must be an object of the parameters of a search",
        )),
        _ => Err(wrong("ids or search: one of them is needed")),
    }
}

fn found(app: &App, viewer: &Viewer, pairs: &Pairs) -> Result<Vec<Row>, ApiError> {
    let search = params::search(pairs)?;
    if search.asks_for_deleted || search.cursor.is_some() {
        return Err(ApiError::bad(
            "bad-value",
            "search: state=deleted and cursor cannot be exported",
        ));
    }
    let mut query = search.query;
    query.limit = 500;
    query.folders = app.folders_of(viewer, &search.devices)?;
    let mut rows = vec![];
    loop {
        let page = app
            .catalogue
            .read(|session| search::search(session, &query))?;
        rows.extend(page.rows);
        if rows.len() > MOST {
            return Err(ApiError::bad(
                "too-many",
                "search: finds more than 10000 recordings; narrow it down",
            ));
        }
        match page.next {
            Some(next) => query.before = Some(next),
            None => return Ok(rows),
        }
    }
}

type Zip<'a> = ZipWriter<StreamWriter<&'a mut BodySink>>;

fn write(app: &App, rows: &[Row], sink: &mut BodySink) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(sink);
    let mut sums = String::new();
    let mut index = vec![];
    let mut table = format!("\u{feff}{}\r\n", COLUMNS.join(","));
    for row in rows {
        let document = shown(app, row);
        let folder = format!(
            "{}_{}",
            document["call"].as_str().map_or("Record", plain_or),
            row.id
        );
        let files = sound_files(app, row);
        for audio in files.map_err(|error| io::Error::other(error.message().to_owned()))? {
            for path in [audio.clone(), audio.with_extension("json")] {
                add_file(&mut zip, &folder, &path, &mut sums)?;
            }
        }
        table += &line(&document);
        index.push(document);
    }
    let index = serde_json::to_vec_pretty(&index).unwrap_or_default();
    add_bytes(&mut zip, "index.json", &index, &mut sums)?;
    add_bytes(&mut zip, "index.csv", table.as_bytes(), &mut sums)?;
    let sums = sums.into_bytes();
    add_bytes(&mut zip, "SHA256SUMS", &sums, &mut String::new())?;
    zip.finish()?.flush()
}

/// A stem is of the recorder's alphabet; a sidecar may say anything.
fn plain_or(call: &str) -> &str {
    let is_plain = call
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if is_plain {
        call
    } else {
        "Record"
    }
}

fn options() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)
}

fn add_file(zip: &mut Zip, folder: &str, path: &Path, sums: &mut String) -> io::Result<()> {
    // What has gone meanwhile is missing, and the index says which recording it was of.
    let Ok(mut file) = regular_file::open_no_follow(path, File::options().read(true)) else {
        return Ok(());
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("{folder}/{name}");
    let is_large = file.metadata()?.len() > u64::from(u32::MAX) / 2;
    zip.start_file(name.as_str(), options().large_file(is_large))?;
    let mut summed = Summed {
        zip,
        sum: Sha256::new(),
    };
    io::copy(&mut file, &mut summed)?;
    let sum = summed.sum.finalize();
    add_sum(sums, &sum, &name);
    Ok(())
}

fn add_bytes(zip: &mut Zip, name: &str, bytes: &[u8], sums: &mut String) -> io::Result<()> {
    zip.start_file(name, options())?;
    zip.write_all(bytes)?;
    add_sum(sums, &Sha256::digest(bytes), name);
    Ok(())
}

fn add_sum(sums: &mut String, sum: &[u8], name: &str) {
    let digits: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    *sums += &format!("{digits}  {name}\n");
}

/// Sums what it passes on.
struct Summed<'a, 'b> {
    zip: &'a mut Zip<'b>,
    sum: Sha256,
}

impl Write for Summed<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.zip.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}

/// A line of the table.
fn line(document: &Value) -> String {
    let cells: Vec<String> = COLUMNS
        .iter()
        .map(|column| cell(&document[column]))
        .collect();
    cells.join(",") + "\r\n"
}

/// A cell of a table: strangers' text must not become a formula.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let steers = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if steers { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r', '\'']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_no_formulas() {
        for (text, expected) in [
            ("=1+1", "\"'=1+1\""),
            ("+49", "\"'+49\""),
            ("-1", "\"'-1\""),
            ("@x", "\"'@x\""),
            ("\tx", "\"'\tx\""),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("Ann", "Ann"),
        ] {
            assert_eq!(cell(&text.into()), expected, "{text}");
        }
        assert_eq!(cell(&Value::Null), "");
        assert_eq!(cell(&5.into()), "5");
    }
}
