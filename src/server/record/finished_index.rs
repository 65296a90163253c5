//! The finished recordings of an archive. There may be 100 000 folders of phones, and a search
//! opens only those that have changed since the last one.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, SystemTime};

use crate::io::dir::folder_change::FolderChange;
use crate::io::dir::Dir;
use crate::server::record::archive::{Archive, RecordingPath, FINISHED};
use crate::wire::recording::is_recording_name;

/// A folder that has changed this recently may change once more without another time: file systems
/// count in steps of up to two seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// What the last search has found.
#[derive(Default)]
pub(super) struct FinishedIndex {
    folders: HashMap<String, IndexedFolder>,
}

struct IndexedFolder {
    /// The change that the search has seen; `None`: the folder may change without another time.
    seen: Option<FolderChange>,
    /// Of the finished recordings.
    stems: Vec<String>,
}

impl FinishedIndex {
    /// Searches the archive; all its finished recordings.
    pub(super) fn search(
        &mut self,
        archive: &Archive,
        now: SystemTime,
    ) -> io::Result<Vec<RecordingPath>> {
        let mut folders = HashMap::new();
        let mut names = archive.root().names()?;
        while let Some(name) = names.next_folder()? {
            let Ok(name) = String::from_utf8(name.to_vec()) else {
                continue;
            };
            let Ok(change) = archive.root().folder_change(name.as_bytes()) else {
                continue; // no folder, or it is gone
            };
            let known = self.folders.remove(&name);
            let unchanged = known.filter(|known| known.seen == Some(change));
            let folder = match unchanged {
                Some(folder) => folder,
                None => match archive.root().folder(name.as_bytes()) {
                    Ok(dir) => read(&dir, change, now)?,
                    Err(_) => continue,
                },
            };
            folders.insert(name, folder);
        }
        self.folders = folders;
        let folders = self.folders.iter();
        let paths = folders.flat_map(|(name, folder)| {
            folder.stems.iter().map(|stem| RecordingPath {
                folder: name.clone(),
                stem: stem.clone(),
            })
        });
        Ok(paths.collect())
    }
}

fn read(dir: &Dir, change: FolderChange, now: SystemTime) -> io::Result<IndexedFolder> {
    let mut stems = vec![];
    let mut names = dir.names()?;
    while let Some(name) = names.next_file()? {
        let stem = core::str::from_utf8(name)
            .ok()
            .and_then(|name| name.strip_suffix(FINISHED));
        if let Some(stem) = stem.filter(|stem| is_recording_name(format!("{stem}.wav").as_bytes()))
        {
            stems.push(stem.to_owned());
        }
    }
    let age = now.duration_since(change.time());
    let is_settled = age.is_ok_and(|age| age >= SETTLED);
    Ok(IndexedFolder {
        seen: is_settled.then_some(change),
        stems,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn stems(index: &mut FinishedIndex, archive: &Archive, now: SystemTime) -> Vec<String> {
        let paths = index.search(archive, now).unwrap();
        let mut stems: Vec<String> = paths.into_iter().map(|path| path.stem).collect();
        stems.sort();
        stems
    }

    #[test]
    fn a_folder_is_read_again_only_when_it_has_changed() {
        let root = std::env::temp_dir().join(format!("callrec-index-{}", std::process::id()));
        let archive = Archive::open(root.to_str().unwrap()).unwrap();
        let put = |name: &str| fs::write(root.join("a").join(name), "").unwrap();
        fs::create_dir(root.join("a")).unwrap();
        put("Record_1.json");
        put("Record_2.json.part");
        put("other.json");
        let mut index = FinishedIndex::default();
        let later = SystemTime::now() + Duration::from_secs(60);
        assert_eq!(stems(&mut index, &archive, later), ["Record_1"]);
        // What the index says of an unchanged folder is not looked up again.
        let folder = index.folders.get_mut("a").unwrap();
        folder.stems.push("Record_0".into());
        assert_eq!(stems(&mut index, &archive, later), ["Record_0", "Record_1"]);
        put("Record_3.json");
        assert_eq!(stems(&mut index, &archive, later), ["Record_1", "Record_3"]);
        // A change that is too new for its time to be unique is looked up again.
        put("Record_4.json");
        let now = SystemTime::now();
        assert_eq!(stems(&mut index, &archive, now).len(), 3);
        assert_eq!(index.folders["a"].seen, None);
        fs::remove_dir_all(root.join("a")).unwrap();
        assert!(stems(&mut index, &archive, later).is_empty());
        fs::remove_dir_all(root).unwrap();
    }
}
