//! Each package that `Cargo.toml` names has a line in `src/README.md` that says why.

use std::collections::BTreeSet;
use std::fs;

/// The names in the tables of dependencies, also those of one processor or of the tests.
fn named_in_cargo_toml() -> BTreeSet<String> {
    let text = fs::read_to_string("Cargo.toml").unwrap();
    let mut names = BTreeSet::new();
    let mut here = false;
    for line in text.lines() {
        if let Some(table) = line.strip_prefix('[') {
            here = table.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (here, line.split_once(" = ")) {
            if !name.starts_with('#') {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// The names in the table of packages.
fn explained() -> BTreeSet<String> {
    let text = fs::read_to_string("src/README.md").unwrap();
    let (_, section) = text.split_once("\n## The packages it uses\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, why) = row.split_once("` | ").unwrap();
        assert!(why.trim_end_matches(" |").len() > 10, "{name}: why?");
        name.to_owned()
    })
    .collect()
}

#[test]
fn every_package_has_its_reason() {
    let named = named_in_cargo_toml();
    assert!(named.len() > 20, "{named:?}");
    assert_eq!(named, explained());
}
