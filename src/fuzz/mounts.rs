//! The parser of the mount table.

use crate::proto::recorder::stick::parse_mount;

/// Mount tables: what is parsed from a line is contained in it.
pub fn mounts(data: &[u8]) {
    for line in data.split(|b| *b == b'\n') {
        let Some(mount) = parse_mount(line) else {
            continue;
        };
        let words: Vec<&[u8]> = line
            .split(|b| *b == b' ')
            .filter(|word| !word.is_empty())
            .collect();
        let device = String::from_utf8_lossy(words[2]);
        let numbers: Vec<Option<u32>> = device
            .split(':')
            .map(|number| number.parse().ok())
            .collect();
        assert_eq!(numbers, [Some(mount.device.0), Some(mount.device.1)]);
        assert_eq!(
            escaped(&mount.point),
            escaped_again(words[4]),
            "the path is what the line says"
        );
        assert!(words.contains(&mount.source));
        let options = |word: &[u8]| word.split(|b| *b == b',').any(|option| option == b"ro");
        assert!(
            !(mount.writable && options(words[5])),
            "a mount that is read-only is not written to"
        );
    }
}

/// A path with each byte as three octal digits.
fn escaped(path: &[u8]) -> String {
    path.iter().map(|byte| format!("\\{byte:03o}")).collect()
}

/// The same for a path in which some bytes are already escaped.
fn escaped_again(word: &[u8]) -> String {
    let is_octal = |digits: &[u8]| {
        digits[0] <= b'3' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
    };
    let mut text = String::new();
    let mut rest = word;
    while let Some((first, tail)) = rest.split_first() {
        match tail.first_chunk::<3>() {
            Some(digits) if *first == b'\\' && is_octal(digits) => {
                text.push('\\');
                text.extend(digits.iter().map(|digit| char::from(*digit)));
                rest = &tail[3..];
            }
            _ => {
                text += &escaped(&[*first]);
                rest = tail;
            }
        }
    }
    text
}
