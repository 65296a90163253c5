//! Which files are parts of one recording.

use std::collections::HashMap;

use crate::recordings::scan::Head;

/// What tells a file's recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// Phone and id, from the sidecar.
    pub call: Option<(String, String)>,
    /// What the first frame says, and what a frame behind the last would say.
    pub ends: Option<[Head; 2]>,
}

/// The recordings: the places of their parts in `keys`, which stand in the order of time. A part has the id of another
/// one, or goes on where another one ends.
pub fn group(keys: &[Key]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = vec![];
    let (mut by_call, mut by_end) = (HashMap::new(), HashMap::new());
    for (at, key) in keys.iter().enumerate() {
        let known = key
            .call
            .as_ref()
            .and_then(|call| by_call.get(call))
            .copied();
        let goes_on = || {
            key.ends
                .and_then(|[first, _]| by_end.get(&place(first)))
                .copied()
        };
        let number = known.or_else(goes_on).unwrap_or(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
        by_call.extend(key.call.as_ref().map(|call| (call, number)));
        by_end.extend(key.ends.map(|[_, behind]| (place(behind), number)));
    }
    groups
}

fn place(head: Head) -> (u32, u16, u32) {
    (head.ssrc, head.sequence, head.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recordings::scan::tests::heads;

    fn key(id: &str, ssrc: u32, first: u32, behind: u32) -> Key {
        let ends = heads(ssrc, [first, behind]);
        let call = (!id.is_empty()).then(|| ("phone".to_owned(), id.to_owned()));
        Key {
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
            Key::default(),
            Key::default(),
        ];
        assert_eq!(
            group(&keys),
            [vec![0, 2, 3], vec![1, 4], vec![5], vec![6], vec![7]]
        );
    }
}
