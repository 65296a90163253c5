//! What keeps recordings from being stored, in words for whoever keeps the server.

use crate::server::record::end_reason::Why;

/// One kind of it, with its number in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing is at the folder's path.
    Missing = 1,
    /// What is there cannot be opened.
    Unusable = 2,
    /// There is no room, or a quota is used up.
    Full = 3,
    /// Files cannot be created.
    Unwritable = 4,
    /// The last sync of the file system has failed.
    Unsynced = 5,
}

impl Trouble {
    const ALL: [Self; 5] = [
        Self::Missing,
        Self::Unusable,
        Self::Full,
        Self::Unwritable,
        Self::Unsynced,
    ];

    /// The one with this number in the metrics; 0 is none.
    pub(super) fn of(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|trouble| *trouble as u64 == number)
    }

    /// What a recording that it ends or prevents is told.
    pub(super) fn why(self) -> Why {
        match self {
            Self::Full => Why::DiskFull,
            _ => Why::DiskError,
        }
    }

    /// Recordings that run cannot go on: what they write is lost, or finds no room.
    pub(super) fn ends_recordings(self) -> bool {
        matches!(self, Self::Missing | Self::Full)
    }

    /// What has happened to the folder, and what to do.
    pub(super) fn words(self, dir: &str) -> String {
        match self {
            Self::Missing => format!(
                "recordings cannot be stored: the folder {dir} does not exist (it was removed, or its file system is not \
                 mounted); create it or mount its file system"
            ),
            Self::Unusable => format!(
                "recordings cannot be stored: {dir} cannot be opened as a folder; look at what is there and at its \
                 permissions"
            ),
            Self::Full => format!("disk full: {dir} has too little free space; delete files, or lower --reserve"),
            Self::Unwritable => format!(
                "recordings cannot be stored: files cannot be created in {dir}; look at its permissions, and whether the \
                 file system is read-only"
            ),
            Self::Unsynced => format!(
                "recordings cannot be stored: the file system of {dir} does not save what is written (sync fails); look \
                 at the disk"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_belong_together() {
        for trouble in Trouble::ALL {
            assert_eq!(Trouble::of(trouble as u64), Some(trouble));
            assert!(trouble.words("/srv/calls").contains("/srv/calls"));
        }
        assert_eq!((Trouble::of(0), Trouble::of(6)), (None, None));
        assert_eq!(
            (Trouble::Full.why(), Trouble::Missing.why()),
            (Why::DiskFull, Why::DiskError)
        );
    }
}
