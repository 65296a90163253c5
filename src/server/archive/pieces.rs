//! The index of pieces of three characters: SQLite has one of its own (FTS5); for PostgreSQL each piece is
//! a number in an array. Whoever finds a recording by its pieces compares the text itself.

use crate::server::archive::database::{values, Session, Value};

/// Pieces of a search that are looked up at the most.
const MOST: usize = 40;
/// The multiplier of the hash FNV-1a.
const PRIME: u32 = 16_777_619;
const BASIS: u32 = 2_166_136_261;

/// The pieces of a text. `None`: the text is shorter than one.
pub(super) fn pieces(text: &str) -> Option<Vec<String>> {
    let chars: Vec<char> = text.chars().collect();
    let pieces = chars
        .windows(3)
        .take(MOST)
        .map(|piece| piece.iter().collect());
    Some(pieces.collect()).filter(|pieces: &Vec<String>| !pieces.is_empty())
}

/// Stores what a recording is found by.
pub(super) fn insert(session: &Session, key: i64, words: &str) -> Result<(), String> {
    let words = match session.is_postgres() {
        true => Value::Pieces(numbers_of(words)),
        false => words.into(),
    };
    let sql = "INSERT INTO search(rowid, words) VALUES(?1, ?2)";
    session.execute(sql, &[key.into(), words]).map(drop)
}

/// Removes it.
pub(super) fn remove(session: &Session, key: i64) -> Result<(), String> {
    let sql = "DELETE FROM search WHERE rowid = ?1";
    session.execute(sql, values![key]).map(drop)
}

/// A statement that finds the keys of recordings with all pieces of one of the alternatives.
pub(super) fn source(is_postgres: bool, alternatives: &[Vec<String>]) -> (String, Vec<Value>) {
    let select = "SELECT rowid AS key FROM search WHERE";
    if !is_postgres {
        let query: Vec<String> = alternatives.iter().map(|all| query(all)).collect();
        return (
            format!("{select} search MATCH ?"),
            vec![query.join(" OR ").into()],
        );
    }
    let tests = vec!["words @> ?"; alternatives.len()].join(" OR ");
    let numbers =
        |all: &Vec<String>| Value::Pieces(all.iter().map(|piece| number(piece)).collect());
    (
        format!("{select} ({tests})"),
        alternatives.iter().map(numbers).collect(),
    )
}

/// A query of FTS5.
fn query(pieces: &[String]) -> String {
    let quoted = |piece: &String| format!("\"{}\"", piece.replace('"', "\"\""));
    let pieces: Vec<String> = pieces.iter().map(quoted).collect();
    format!("({})", pieces.join(" AND "))
}

/// The numbers of all pieces, each once.
fn numbers_of(text: &str) -> Vec<i32> {
    let chars: Vec<char> = text.chars().collect();
    let pieces = chars.windows(3);
    let mut numbers: Vec<i32> = pieces
        .map(|piece| number(&String::from_iter(piece)))
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Two pieces of the same number only cost a comparison.
fn number(piece: &str) -> i32 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(PRIME);
    i32::from_ne_bytes(piece.bytes().fold(BASIS, mix).to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_all_its_pieces() {
        assert_eq!(pieces("12"), None);
        assert_eq!(pieces("1234").unwrap(), ["123", "234"]);
        assert_eq!(query(&pieces("1234").unwrap()), "(\"123\" AND \"234\")");
        assert_eq!(query(&pieces("a\"b").unwrap()), "(\"a\"\"b\")");
    }

    #[test]
    fn each_piece_has_a_number_once() {
        let numbers = numbers_of("王伟王伟王");
        assert_eq!(numbers.len(), 2, "{numbers:?}");
        for piece in pieces("王伟王伟").unwrap() {
            assert!(numbers.contains(&number(&piece)), "{piece}");
        }
        assert!(!numbers.contains(&number("伟伟伟")));
    }
}
