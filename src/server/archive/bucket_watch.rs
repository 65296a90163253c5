//! The thread that looks at the buckets: records, recordings, and what is left of deleted ones.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::server::archive::app::App;
use crate::server::archive::bucket::Bucket;
use crate::server::archive::bucket_records::{self, SeenRecords};
use crate::server::archive::bucket_scan::BucketScan;
use crate::server::archive::deletion::forget;
use crate::server::archive::lock::lock;
use crate::server::archive::parts::PartWriter;
use crate::server::archive::records;
use crate::server::archive::scan::now;

/// The least time between two listings; they may not take more than a quarter of the time, and cost
/// money where storage is rented.
const LIST_EVERY: Duration = Duration::from_secs(5);
const LIST_SHARE: u32 = 3;
/// The slowest.
const LIST_AT_LEAST: Duration = Duration::from_secs(3600);

/// For ever.
pub(super) fn watch(app: &App) {
    let mut seen = SeenRecords::default();
    let mut failing: HashSet<usize> = HashSet::new();
    let mut is_first = true;
    loop {
        let began = Instant::now();
        for (number, bucket) in app.cache.buckets().iter().enumerate() {
            match look(app, number, bucket, &mut seen) {
                Ok(()) if failing.remove(&number) => info!("{}: can be read again", bucket.url()),
                Ok(()) if is_first => {
                    info!("{}: all its recordings are in the catalogue", bucket.url())
                }
                Ok(()) => {}
                Err(problem) => {
                    if failing.insert(number) {
                        warn!("{problem}; its recordings stay in the catalogue");
                    }
                }
            }
        }
        is_first = false;
        let count = failing.len() as u64;
        app.failing_buckets.store(count, Ordering::Relaxed);
        let pause = (began.elapsed() * LIST_SHARE).clamp(LIST_EVERY, LIST_AT_LEAST);
        // What has failed has not been listed, however long it took.
        std::thread::sleep(if count > 0 { LIST_EVERY } else { pause });
    }
}

fn look(
    app: &App,
    number: usize,
    bucket: &Arc<Bucket>,
    seen: &mut SeenRecords,
) -> Result<(), String> {
    // Records first: a hold or a tombstone is known before its recording.
    if number == 0 {
        read_records(app, bucket, seen)?;
    }
    let scan = BucketScan {
        catalogue: &app.catalogue,
        key: &app.key,
        bucket,
        place: app.places.bucket(number),
    };
    app.announce(scan.scan()?);
    for (id, folder, stem) in scan.deleted()? {
        let _changing = lock(&app.changing);
        app.cache.delete(&folder, &stem)?;
        info!(
            "{}/{folder}/{stem}.wav: is deleted; the object is removed",
            bucket.url()
        );
        forget(app, &id)?;
    }
    Ok(())
}

/// What other archives have added, and what was there before the catalogue was.
fn read_records(app: &App, bucket: &Bucket, seen: &mut SeenRecords) -> Result<(), String> {
    for (id, state) in seen.changed(bucket)? {
        let _changing = lock(&app.changing);
        let added = app.records.read(&id);
        let added = added.map_err(|error| format!("the record of {id}: {error}"))?;
        if added.tombstone.is_some() && state.has_several() {
            // A deletion was interrupted, or somebody has changed it meanwhile elsewhere.
            bucket_records::forget_changes(bucket, &id)?;
        }
        let change = app.catalogue.write(|session| {
            if !records::put(session, &id, &added)? {
                return Ok(None);
            }
            let writer = PartWriter {
                session,
                key: &app.key,
                now: now(),
            };
            writer.rejoin(&id, true)
        });
        app.announce(change?.into_iter().collect());
        seen.mark(id, state);
    }
    Ok(())
}
