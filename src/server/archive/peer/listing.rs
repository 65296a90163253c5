//! The running calls of a host, as it tells them to its peers: JSON with host, instance and calls.

use serde_json::{json, Map, Value};

use crate::server::archive::audio_file::AudioFile;
use crate::server::archive::bucket::FIRST_BUCKET;
use crate::server::archive::catalogue::Catalogue;
use crate::server::archive::database::{values, Row};
use crate::server::archive::places::Places;
use crate::server::archive::settings::ArchiveSettings;
use crate::wire::recording::name::NAME_PREFIX;

/// Calls that are told of at most; there are fewer at once on one host.
const MOST_CALLS: usize = 5000;
/// Bytes after which no further call is added; the client takes 4 MiB.
const MOST_BYTES: usize = 3 << 20;
/// The longest name of a folder or a file.
const NAME_BYTES: usize = 200;

/// A running part on another host.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server::archive) struct PeerCall {
    pub(in crate::server::archive) folder: String,
    pub(in crate::server::archive) stem: String,
    /// What the peer's own configuration says; `None`: it has no tenants.
    pub(in crate::server::archive) tenant: Option<String>,
    pub(in crate::server::archive) size: i64,
    /// Milliseconds that can be heard.
    pub(in crate::server::archive) sound: i64,
    /// The sidecar's members.
    pub(in crate::server::archive) members: Map<String, Value>,
}

/// A peer's answer.
#[derive(Debug, PartialEq)]
pub(in crate::server::archive) struct Listing {
    pub(in crate::server::archive) host: String,
    /// Another one in each process: an archive that asks itself finds out.
    pub(in crate::server::archive) instance: String,
    pub(in crate::server::archive) calls: Vec<PeerCall>,
}

/// The running calls that this host records.
pub(in crate::server::archive) fn emit(
    catalogue: &Catalogue,
    settings: &ArchiveSettings,
    places: &Places,
    instance: &str,
) -> Result<Vec<u8>, String> {
    let rows = catalogue.read(|session| {
        let sql = "SELECT place, folder.name, stem, members FROM part JOIN folder ON folder.id = part.folder
            WHERE state IN ('running', 'interrupted') AND state = 'running' AND gone = 0 AND place < ?1 ORDER BY start DESC LIMIT ?2";
        type Part = (i64, String, String, String);
        let of = |row: &Row| -> Result<Part, String> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        session.rows(sql, values![FIRST_BUCKET, MOST_CALLS as i64], of)
    })?;
    let has_tenants = !settings.tenants.lines().is_empty();
    let mut calls = vec![];
    let mut bytes = 0;
    for (place, folder, stem, members) in rows {
        let path = places.path(place).join(&folder).join(format!("{stem}.wav"));
        let Ok(audio) = AudioFile::open(&path) else {
            continue; // it has just gone
        };
        bytes += members.len() + folder.len() + stem.len() + 200;
        if bytes > MOST_BYTES {
            break;
        }
        let members: Value = serde_json::from_str(&members).unwrap_or_default();
        let tenant = has_tenants.then(|| settings.tenants.of(&folder).to_owned());
        calls.push(json!({
            "folder": folder, "stem": stem, "tenant": tenant, "size": audio.bytes, "sound_ms": audio.sound(),
            "members": members,
        }));
    }
    let listing = json!({"host": settings.host_name(), "instance": instance, "calls": calls});
    Ok(listing.to_string().into_bytes())
}

/// Reads a peer's answer. Calls with names that no recorder makes are left out.
pub(in crate::server::archive) fn parse(bytes: &[u8]) -> Result<Listing, String> {
    let wrong = || "its answer is not a list of running calls".to_owned();
    let listing: Value = serde_json::from_slice(bytes).map_err(|_| wrong())?;
    let text = |key: &str| listing[key].as_str().filter(|text| is_name(text));
    let calls = listing["calls"].as_array().ok_or_else(wrong)?;
    if calls.len() > MOST_CALLS {
        return Err(format!("its answer has more than {MOST_CALLS} calls"));
    }
    Ok(Listing {
        host: text("host").ok_or_else(wrong)?.to_owned(),
        instance: text("instance").ok_or_else(wrong)?.to_owned(),
        calls: calls.iter().filter_map(call).collect(),
    })
}

fn call(value: &Value) -> Option<PeerCall> {
    let name = |key: &str| value[key].as_str().filter(|text| is_name(text));
    let count = |key: &str| value[key].as_i64().filter(|count| *count >= 0);
    Some(PeerCall {
        folder: name("folder")?.to_owned(),
        stem: name("stem")
            .filter(|stem| stem.starts_with(NAME_PREFIX))?
            .to_owned(),
        tenant: name("tenant").map(str::to_owned),
        size: count("size")?,
        sound: count("sound_ms")?,
        members: value["members"].as_object()?.clone(),
    })
}

/// It may be the name of a folder or a file.
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && c != '/';
    !text.is_empty()
        && text.len() <= NAME_BYTES
        && !text.starts_with('.')
        && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(calls: &Value) -> Vec<u8> {
        json!({"host": "a", "instance": "x", "calls": calls})
            .to_string()
            .into_bytes()
    }

    fn one(key: &str, value: Value) -> Value {
        let mut call = json!({
            "folder": "d1", "stem": "Record_1", "tenant": null, "size": 5, "sound_ms": 7, "members": {"id": "17"},
        });
        call[key] = value;
        call
    }

    #[test]
    fn calls_are_taken_over_and_those_with_foreign_names_are_not() {
        let good = parse(&listing(&json!([one("tenant", "acme".into())]))).unwrap();
        let call = &good.calls[0];
        assert_eq!((good.host.as_str(), call.stem.as_str()), ("a", "Record_1"));
        assert_eq!((call.size, call.sound), (5, 7));
        assert_eq!(call.tenant.as_deref(), Some("acme"));
        for (key, value) in [
            ("folder", json!("../x")),
            ("folder", json!(".archive")),
            ("folder", json!("")),
            ("folder", json!("a\0")),
            ("folder", json!("a".repeat(201))),
            ("folder", json!(5)),
            ("stem", json!("Record_/../../x")),
            ("stem", json!("other")),
            ("size", json!(-1)),
            ("sound_ms", json!("x")),
            ("members", json!([])),
        ] {
            let calls = json!([one(key, value.clone())]);
            let taken = parse(&listing(&calls)).unwrap().calls;
            assert!(taken.is_empty(), "{key} {value}");
        }
    }

    #[test]
    fn what_is_no_listing_is_refused_at_every_length() {
        let whole = listing(&json!([one("size", json!(5))]));
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        for text in ["null", "[]", "{}", "{\"host\":\"a\"}", "<html>"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        let many: Vec<Value> = vec![json!(0); MOST_CALLS + 1];
        assert!(parse(&listing(&many.into())).is_err());
        let deep = "[".repeat(100_000);
        assert!(parse(deep.as_bytes()).is_err());
    }
}
