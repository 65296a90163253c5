//! What prevents recordings from being stored, for the administrator of the server.

use crate::server::record::end_reason::EndReason;

/// A kind of problem, with its code in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiskProblem {
    /// The folder's path does not exist.
    Missing = 1,
    /// The path cannot be opened as a folder.
    Unusable = 2,
    /// There is too little free space, or a quota is used up.
    Full = 3,
    /// Files cannot be created.
    Unwritable = 4,
    /// The last sync of the file system failed.
    Unsynced = 5,
}

impl DiskProblem {
    const ALL: [Self; 5] = [
        Self::Missing,
        Self::Unusable,
        Self::Full,
        Self::Unwritable,
        Self::Unsynced,
    ];

    /// The problem with this code in the metrics; 0 stands for none.
    pub(super) fn from_code(code: u64) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|problem| *problem as u64 == code)
    }

    /// Why a recording that it ends, or does not let start, has ended.
    pub(super) fn end_reason(self) -> EndReason {
        match self {
            Self::Full => EndReason::DiskFull,
            _ => EndReason::DiskError,
        }
    }

    /// Running recordings cannot continue: what they write would be lost.
    pub(super) fn ends_recordings(self) -> bool {
        matches!(self, Self::Missing | Self::Full)
    }

    /// What has happened to the folder, and what to do about it.
    pub(super) fn message(self, dir: &str) -> String {
        match self {
            Self::Missing => format!(
                "recordings cannot be stored: the folder {dir} does not exist (it was removed, or its file system is not \
                 mounted); create it or mount its file system"
            ),
            Self::Unusable => format!(
                "recordings cannot be stored: {dir} cannot be opened as a folder; check what it is, and its permissions"
            ),
            Self::Full => format!(
                "disk full: {dir} has too little free space; delete files, or lower --reserve"
            ),
            Self::Unwritable => format!(
                "recordings cannot be stored: files cannot be created in {dir}; check its permissions, and whether the \
                 file system is read-only"
            ),
            Self::Unsynced => format!(
                "recordings cannot be stored: the file system of {dir} cannot be synced; check the disk"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_has_a_code_and_a_message() {
        for problem in DiskProblem::ALL {
            assert_eq!(DiskProblem::from_code(problem as u64), Some(problem));
            assert!(problem.message("/srv/calls").contains("/srv/calls"));
        }
        assert_eq!(DiskProblem::from_code(0), None);
        assert_eq!(DiskProblem::from_code(6), None);
        assert_eq!(DiskProblem::Full.end_reason(), EndReason::DiskFull);
        assert_eq!(DiskProblem::Missing.end_reason(), EndReason::DiskError);
    }
}
