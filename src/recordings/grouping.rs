//! Which files are parts of one recording.

use std::collections::HashMap;

use crate::recordings::frame_runs::FramePosition;

/// What identifies the recording that a file is a part of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartKey {
    /// Phone and id, from the sidecar.
    pub call: Option<(String, String)>,
    /// The position of the first frame, and that of a frame after the last.
    pub ends: Option<[FramePosition; 2]>,
}

/// Groups parts into recordings: each is a list of indices of `keys`, which are in order of time. Parts belong together if
/// they have the same id, or if one begins where the other ends.
pub fn group(keys: &[PartKey]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = vec![];
    let mut by_call = HashMap::new();
    let mut by_end = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        let known = key
            .call
            .as_ref()
            .and_then(|call| by_call.get(call))
            .copied();
        let continued = || {
            key.ends
                .and_then(|[first, _]| by_end.get(&fields(first)))
                .copied()
        };
        let number = known.or_else(continued).unwrap_or(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
        by_call.extend(key.call.as_ref().map(|call| (call, number)));
        by_end.extend(key.ends.map(|[_, after]| (fields(after), number)));
    }
    groups
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
        }
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
