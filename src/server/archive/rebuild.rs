//! `callrec-server archive rebuild`: the catalogue again, from recordings and records alone.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::io::file_lock::FileLock;
use crate::server::archive::accounts::Accounts;
use crate::server::archive::bucket::Bucket;
use crate::server::archive::bucket_records::SeenRecords;
use crate::server::archive::bucket_scan::BucketScan;
use crate::server::archive::catalogue::{fault, Catalogue};
use crate::server::archive::id::IdKey;
use crate::server::archive::journal_reader;
use crate::server::archive::records::{put, Records};
use crate::server::archive::scan::Scanner;
use crate::server::archive::settings::ArchiveSettings;

/// The flag by which a running server learns that the catalogue is another one.
pub(super) const REBUILT: &str = "rebuilt";

pub(super) fn main(settings: &ArchiveSettings) -> Result<ExitCode, Failure> {
    rebuild(settings).map_err(Failure::Failed)
}

fn rebuild(settings: &ArchiveSettings) -> Result<ExitCode, String> {
    let home = settings.home();
    let accounts = Accounts::open(&home)?;
    let key = accounts.id_key()?;
    let path = settings.database();
    let new = with_suffix(&path, ".new");
    let catalogue = fill(settings, &new, &key, std::io::stderr().is_terminal())?;
    let (count, unreadable) = catalogue.read(|connection| {
        let count = "SELECT count(*) FROM recording WHERE state <> 'deleted'";
        let count: i64 = connection.query_row(count, [], |row| row.get(0)).map_err(fault)?;
        let sql = "SELECT place, folder.name, stem, problem FROM part JOIN folder ON folder.id = part.folder
            WHERE problem IN ('unreadable', 'permission', 'no-sidecar')";
        let mut find = connection.prepare(sql).map_err(fault)?;
        type Row = (i64, String, String, String);
        let of = |row: &rusqlite::Row| -> rusqlite::Result<Row> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        let rows: Vec<Row> = find.query_map([], of).map_err(fault)?.collect::<Result<_, _>>().map_err(fault)?;
        Ok((count, rows))
    })?;
    drop(catalogue);
    install(&new, &path, &home)?;
    accounts.set_flag(REBUILT, "1")?;
    let mut text = String::new();
    for (place, folder, stem, problem) in &unreadable {
        let place = settings.place(*place);
        text += &format!("{}/{folder}/{stem}.wav: {problem}\n", place.display());
    }
    text += &format!("{count} recordings\n");
    print(&text).map_err(|failure| failure.into_message().0)?;
    Ok(ExitCode::from(u8::from(!unreadable.is_empty())))
}

/// Makes a catalogue in a new file.
pub(super) fn fill(
    settings: &ArchiveSettings,
    path: &Path,
    key: &IdKey,
    shows_progress: bool,
) -> Result<Arc<Catalogue>, String> {
    remove(path)?;
    let catalogue = Arc::new(Catalogue::create(path)?);
    let buckets = settings.buckets()?;
    let records = Records::new(&settings.home(), &buckets);
    catalogue.write(|connection| records.load(connection))?;
    if let Some(bucket) = buckets.first() {
        read_records(&catalogue, &records, bucket)?;
    }
    let mut scanner = Scanner::new(catalogue.clone(), key.clone(), settings.dirs());
    if shows_progress {
        scanner.progress = Some(show_progress);
    }
    scanner.scan()?;
    for (number, bucket) in buckets.iter().enumerate() {
        let scan = BucketScan {
            catalogue: &catalogue,
            key,
            bucket,
            number,
        };
        scan.scan()?;
    }
    catalogue.write(|connection| journal_reader::read(connection, key, &settings.dirs(), true))?;
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
        catalogue.write(|connection| put(connection, &id, &added))?;
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
fn install(new: &Path, path: &Path, home: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    // Nobody serves it: the file is replaced. Else a server has it open, which sees the new content.
    let lock = FileLock::try_acquire(&lock_path(home)).map_err(failed)?;
    if lock.is_none() {
        Catalogue::open(path)?.replace_with(new)?;
        return remove(new);
    }
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(with_suffix(path, suffix));
    }
    std::fs::rename(new, path).map_err(failed)
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
