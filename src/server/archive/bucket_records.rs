//! What people add to a recording, in a bucket: an object for each change below
//! `.archive/records/ID/`, named by its time and never overwritten, there before anyone is told. A
//! deleted recording has a tombstone there and nothing else.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::io::random::Random;
use crate::server::archive::bucket::Bucket;
use crate::server::archive::id::is_id;

const ROOT: &str = ".archive/records/";
/// After all changes, which begin with a digit.
const TOMBSTONE: &str = "tombstone";

fn name() -> Result<String, String> {
    let mut bytes = [0; 8];
    let filled = Random::open().fill(&mut bytes);
    filled.map_err(|error| format!("no random numbers: {error}"))?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Ok(format!("{millis:015}-{:016x}", u64::from_le_bytes(bytes)))
}

fn keys(bucket: &Bucket, id: &str) -> Result<Vec<String>, String> {
    let mut keys = vec![];
    bucket.list(&format!("{ROOT}{id}/"), &mut |object| {
        keys.push(object.key);
        Ok(())
    })?;
    Ok(keys)
}

/// The lines of a record, in order; empty if there is none.
pub(super) fn read(bucket: &Bucket, id: &str) -> Result<Vec<u8>, String> {
    let mut text = vec![];
    for key in keys(bucket, id)? {
        // One that has just gone was buried: its tombstone is listed.
        text.extend(bucket.get(&key)?.unwrap_or_default());
        text.push(b'\n');
    }
    Ok(text)
}

/// Adds a line; `false`: another archive has deleted the recording meanwhile, and the line goes, too.
pub(super) fn append(bucket: &Bucket, id: &str, line: &[u8]) -> Result<bool, String> {
    while !bucket.put_new(&format!("{ROOT}{id}/{}", name()?), line)? {}
    let mut keys = keys(bucket, id)?.into_iter();
    Ok(!keys.any(|key| key.ends_with(TOMBSTONE)))
}

/// Writes a tombstone. Whoever adds a line looks for it afterwards, and whoever has written it for a line
/// that was added: so one of two at once gives way.
pub(super) fn bury(bucket: &Bucket, id: &str, line: &[u8]) -> Result<(), String> {
    bucket.put_new(&format!("{ROOT}{id}/{TOMBSTONE}"), line)?;
    Ok(())
}

/// Takes a tombstone back.
pub(super) fn unbury(bucket: &Bucket, id: &str) -> Result<(), String> {
    bucket.delete(&format!("{ROOT}{id}/{TOMBSTONE}"))
}

/// Only the tombstone stays.
pub(super) fn forget_changes(bucket: &Bucket, id: &str) -> Result<(), String> {
    for key in keys(bucket, id)? {
        if !key.ends_with(TOMBSTONE) {
            bucket.delete(&key)?;
        }
    }
    Ok(())
}

/// What a listing shows of a record: how many objects, and the name of the last one.
#[derive(Default, PartialEq)]
pub(super) struct RecordState(usize, String);

impl RecordState {
    pub(super) fn has_several(&self) -> bool {
        self.0 > 1
    }
}

/// The records of a bucket as they were last seen.
#[derive(Default)]
pub(super) struct SeenRecords(HashMap<String, RecordState>);

impl SeenRecords {
    /// The ids whose records are others than when they were marked.
    pub(super) fn changed(&self, bucket: &Bucket) -> Result<Vec<(String, RecordState)>, String> {
        let mut found: HashMap<String, RecordState> = HashMap::new();
        bucket.list(ROOT, &mut |object| {
            let name = object.key.strip_prefix(ROOT);
            if let Some((id, name)) = name.and_then(|name| name.split_once('/')) {
                if is_id(id) {
                    let RecordState(count, last) = found.entry(id.to_owned()).or_default();
                    *count += 1;
                    name.clone_into(last);
                }
            }
            Ok(())
        })?;
        found.retain(|id, state| self.0.get(id) != Some(state));
        Ok(found.into_iter().collect())
    }

    /// A record was read as it is in this state.
    pub(super) fn mark(&mut self, id: String, state: RecordState) {
        self.0.insert(id, state);
    }
}
