//! Which files are parts of one recording.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::recordings::frame_runs::FramePosition;

/// What identifies the recording that a file is a part of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartKey {
    /// The folder of the file.
    pub folder: PathBuf,
    /// Phone and id, from the sidecar.
    pub call: Option<(String, String)>,
    /// Which part it is, from the sidecar.
    pub part: Option<u64>,
    /// The position of the first frame, and that of a frame after the last.
    pub ends: Option<[FramePosition; 2]>,
}

/// Groups parts into recordings: each is a list of indices of `keys`, which are in order of time.
/// Parts belong together if they have the same id, or if one begins where the other ends. A part
/// number that does not increase is that of a copy.
pub fn group(keys: &[PartKey]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = vec![];
    let mut by_place = HashMap::new();
    let mut by_call = HashMap::new();
    let mut by_end = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        let distance = |number: &usize| distance(keys, &groups[*number], key);
        let place = key.call.as_ref().map(|call| (&key.folder, call));
        let here = place
            .and_then(|place| by_place.get(&place).copied())
            .filter(|number| distance(number).is_none_or(|parts| parts > 0));
        let continued = || {
            let [first, _] = key.ends?;
            by_end.get(&fields(first)).copied()
        };
        // A call that lasts beyond midnight, in folders of one day each.
        let elsewhere = || {
            let number = by_call.get(key.call.as_ref()?).copied();
            number.filter(|number| distance(number) == Some(1))
        };
        let found = here.or_else(continued).or_else(elsewhere);
        let number = found.unwrap_or(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
        by_place.extend(place.map(|place| (place, number)));
        by_call.extend(key.call.as_ref().map(|call| (call, number)));
        by_end.extend(key.ends.map(|[_, after]| (fields(after), number)));
    }
    groups
}

/// How many parts the key comes after the latest of the group; `None` if the sidecars do not say
/// it.
fn distance(keys: &[PartKey], group: &[usize], key: &PartKey) -> Option<i64> {
    let latest = group.iter().filter_map(|at| keys[*at].part).max()?;
    Some(key.part?.wrapping_sub(latest) as i64)
}

fn fields(at: FramePosition) -> (u32, u16, u32) {
    (at.ssrc, at.sequence, at.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recordings::frame_runs::tests::heads;

    fn key(id: &str, ssrc: u32, first: u32, after: u32) -> PartKey {
        let ends = heads(ssrc, [first, after]);
        let call = (!id.is_empty()).then(|| ("phone".to_owned(), id.to_owned()));
        PartKey {
            call,
            ends: Some([ends[0], ends[1]]),
            ..PartKey::default()
        }
    }

    /// The key of a part without RTP headers.
    fn numbered(folder: &str, part: u64) -> PartKey {
        PartKey {
            folder: folder.into(),
            call: Some(("phone".into(), "1".into())),
            part: Some(part),
            ends: None,
        }
    }

    #[test]
    fn copies_in_another_folder_are_another_recording() {
        let keys = [("a", 1), ("b", 1), ("a", 2), ("b", 2)].map(|(at, part)| numbered(at, part));
        assert_eq!(group(&keys), [vec![0, 2], vec![1, 3]]);
        let twice = [("a", 1), ("a", 1)].map(|(at, part)| numbered(at, part));
        assert_eq!(group(&twice), [vec![0], vec![1]]);
    }

    #[test]
    fn a_call_goes_on_in_the_folder_of_the_next_day() {
        let days = [("20260102", 1), ("20260103", 2), ("20260105", 5)];
        let keys = days.map(|(day, part)| numbered(day, part));
        assert_eq!(group(&keys), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn parts_are_known_by_their_id_or_by_where_they_begin() {
        let keys = [
            key("1", 7, 0, 10),
            key("2", 8, 0, 10),
            key("1", 7, 15, 20), // a part between them is missing
            key("", 7, 20, 30),
            key("", 8, 10, 20),
            key("", 9, 10, 20),
            PartKey::default(),
            PartKey::default(),
        ];
        assert_eq!(
            group(&keys),
            [vec![0, 2, 3], vec![1, 4], vec![5], vec![6], vec![7]]
        );
    }
}
