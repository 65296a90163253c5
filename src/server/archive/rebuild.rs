//! `callrec-server archive rebuild`: the catalogue again, from recordings and records alone.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::io::file_lock::FileLock;
use crate::server::archive::accounts::{secret, Accounts};
use crate::server::archive::bucket::Bucket;
use crate::server::archive::bucket_records::SeenRecords;
use crate::server::archive::bucket_scan::BucketScan;
use crate::server::archive::catalogue::Catalogue;
use crate::server::archive::database::{values, DatabasePlace, Row, Session};
use crate::server::archive::id::IdKey;
use crate::server::archive::journal_reader;
use crate::server::archive::places::Places;
use crate::server::archive::records::{put, Records};
use crate::server::archive::scan::Scanner;
use crate::server::archive::settings::ArchiveSettings;

/// The flag by which running servers learn that the catalogue is another one: its value changes.
pub(super) const REBUILT: &str = "rebuilt";

pub(super) fn main(settings: &ArchiveSettings) -> Result<ExitCode, Failure> {
    rebuild(settings).map_err(Failure::Failed)
}

fn rebuild(settings: &ArchiveSettings) -> Result<ExitCode, String> {
    let accounts = Accounts::of(settings)?;
    let key = accounts.id_key()?;
    let places = Places::open(settings, &accounts)?;
    let new = match settings.database() {
        DatabasePlace::File(path) => create(&with_suffix(&path, ".new"))?,
        DatabasePlace::Shared(url) => Catalogue::create_shared(&url)?,
    };
    let shows_progress = std::io::stderr().is_terminal();
    let catalogue = fill(settings, new, &places, &key, shows_progress)?;
    let (count, unreadable) = catalogue.read(result)?;
    drop(catalogue);
    install(settings)?;
    accounts.set_flag(REBUILT, &secret()?)?;
    let mut text = String::new();
    for (place, folder, stem, problem) in &unreadable {
        let place = places.path(*place);
        text += &format!("{}/{folder}/{stem}.wav: {problem}\n", place.display());
    }
    text += &format!("{count} recordings\n");
    print(&text).map_err(|failure| failure.into_message().0)?;
    Ok(ExitCode::from(u8::from(!unreadable.is_empty())))
}

/// Place, folder, stem and problem of a part.
type Unreadable = (i64, String, String, String);

/// How many recordings there are, and the parts that could not be read.
fn result(session: &Session) -> Result<(i64, Vec<Unreadable>), String> {
    let count = "SELECT count(*) FROM recording WHERE state <> 'deleted'";
    let count = session.one(count, values![], |row| row.get(0))?;
    let sql =
        "SELECT place, folder.name, stem, problem FROM part JOIN folder ON folder.id = part.folder
        WHERE problem IN ('unreadable', 'permission', 'no-sidecar')";
    let of = |row: &Row| -> Result<Unreadable, String> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    };
    Ok((count, session.rows(sql, values![], of)?))
}

/// Makes a catalogue in a new file.
pub(super) fn create(path: &Path) -> Result<Catalogue, String> {
    remove(path)?;
    Catalogue::create(path)
}

/// Fills a new catalogue.
pub(super) fn fill(
    settings: &ArchiveSettings,
    catalogue: Catalogue,
    places: &Places,
    key: &IdKey,
    shows_progress: bool,
) -> Result<Arc<Catalogue>, String> {
    let catalogue = Arc::new(catalogue);
    let buckets = settings.buckets()?;
    let records = Records::new(&settings.home(), &buckets);
    catalogue.write(|session| records.load(session))?;
    if let Some(bucket) = buckets.first() {
        read_records(&catalogue, &records, bucket)?;
    }
    let mut scanner = Scanner::new(catalogue.clone(), key.clone(), places.dirs().to_vec());
    if shows_progress {
        scanner.progress = Some(show_progress);
    }
    scanner.scan()?;
    for (number, bucket) in buckets.iter().enumerate() {
        let scan = BucketScan {
            catalogue: &catalogue,
            key,
            bucket,
            place: places.bucket(number),
        };
        scan.scan()?;
    }
    catalogue.write(|session| journal_reader::read(session, key, places.dirs(), true))?;
    // Recordings of which nothing but the tombstone is left.
    scanner.bury_all()?;
    if shows_progress {
        finish_progress();
    }
    Ok(catalogue)
}

/// What people have added, in a bucket.
fn read_records(catalogue: &Catalogue, records: &Records, bucket: &Bucket) -> Result<(), String> {
    for (id, _) in SeenRecords::default().changed(bucket)? {
        let added = records.read(&id);
        let added = added.map_err(|error| format!("the record of {id}: {error}"))?;
        catalogue.write(|session| put(session, &id, &added))?;
    }
    Ok(())
}

#[allow(clippy::print_stderr)] // the progress is for the person who waits
fn show_progress(count: usize) {
    eprint!("\r{count} files");
}

#[allow(clippy::print_stderr)]
fn finish_progress() {
    eprintln!();
}

/// Puts the new catalogue in the place of the old one.
fn install(settings: &ArchiveSettings) -> Result<(), String> {
    let path = match settings.database() {
        DatabasePlace::File(path) => path,
        DatabasePlace::Shared(url) => return Catalogue::replace_shared(&url),
    };
    let new = with_suffix(&path, ".new");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    // Nobody serves it: the file is replaced. Else a server has it open, which sees the new content.
    let lock = FileLock::try_acquire(&lock_path(&settings.home())).map_err(failed)?;
    if lock.is_none() {
        Catalogue::replace_file(&path, &new)?;
        return remove(&new);
    }
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(with_suffix(&path, suffix));
    }
    std::fs::rename(new, &path).map_err(failed)
}

/// The file that a running server has locked.
pub(super) fn lock_path(home: &Path) -> String {
    home.join("lock").display().to_string()
}

pub(super) fn remove(path: &Path) -> Result<(), String> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let path = with_suffix(path, suffix);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{}: {error}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
