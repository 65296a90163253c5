//! The README's tables of keys, requests and counters are those of the program; their links lead
//! somewhere, and the files that they name exist. `readme_walk.rs` runs the commands.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use callrec::base::stats::NAMES;
use callrec::config::Config;

/// The words in backticks in the first column of the table under this heading.
fn first_column(heading: &str) -> Vec<String> {
    let text = fs::read_to_string("board/README.md").unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let columns = rows.map(|row| row.split(" | ").next().unwrap());
    columns
        .flat_map(|column| {
            column
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn set(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    names.into_iter().collect()
}

#[test]
fn the_keys_are_those_of_the_configuration() {
    // All keys, also those that are printed only when they have a value.
    let text =
        "fspEnabled = 1\nfspPassword = x\np2pServer = p2p.example.org\np2pCid = 0015651a2b3c\n\
                p2pKey = 0123456789abcdef0123456789abcdef\np2pInviteCode = sesame\n\
                intercomId = 2-1-1\ncloudCid = 7\n";
    let printed = Config::parse(text).unwrap().to_string();
    let keys = printed
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
    assert_eq!(
        set(first_column("Configuration")),
        set(keys.map(|(key, _)| key.to_owned()))
    );
}

#[test]
fn the_requests_are_those_that_are_understood() {
    let mut understood = BTreeSet::new();
    for path in sources(Path::new("src/proto")) {
        let source = fs::read_to_string(path).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        // Arms of a `match`, such as `"RecordStopRequest" => ...`, and rows of a table, such as
        // `name: "CallRequest"`.
        for line in code.lines().map(str::trim) {
            let row = line.strip_prefix("name: ");
            let arm = Some(line).filter(|line| line.contains("=>"));
            let name = row.or(arm).and_then(|line| line.strip_prefix('"'));
            if let Some((name, _)) = name.and_then(|name| name.split_once("Request\"")) {
                understood.insert(format!("{name}Request"));
            }
        }
    }
    assert!(understood.len() > 10, "{understood:?}");
    assert_eq!(set(first_column("The control socket")), understood);
}

#[test]
fn the_counters_are_those_that_are_printed() {
    assert_eq!(first_column("Counters"), NAMES);
}

/// The files that `src/README.md` names on each walk.
fn walks() -> Vec<Vec<String>> {
    let text = fs::read_to_string("src/README.md").unwrap();
    let walks = text.split("## Walks").nth(1).unwrap();
    let walks = walks.split("## How it works").next().unwrap();
    walks
        .split("### ")
        .skip(1)
        .map(|walk| {
            let block = walk.split("```").nth(1).unwrap();
            let lines = block.lines().filter(|line| !line.is_empty());
            let files = lines.map(|line| line.split_whitespace().next().unwrap());
            files.map(str::to_owned).collect()
        })
        .collect()
}

#[test]
fn walks_are_short_and_their_files_exist() {
    let walks = walks();
    assert_eq!(walks.len(), 8);
    for walk in walks {
        assert!((5..=12).contains(&walk.len()), "{walk:?}");
        for file in walk {
            assert!(fs::metadata(format!("src/{file}")).is_ok(), "{file}");
        }
    }
}

const DOCUMENTS: [&str; 8] = [
    "README.md",
    "board/README.md",
    "scripts/README.md",
    "src/README.md",
    "src/cli/README.md",
    "src/server/README.md",
    "src/server/cloud/README.md",
    "tests/README.md",
];

/// The text of a document, without its code blocks.
fn prose(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("\n```").step_by(2).collect()
}

/// What links to a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches(['#', ' ']).chars();
    let letters = letters.filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    letters.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for document in DOCUMENTS {
        let text = prose(Path::new(document));
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = Path::new(document).with_file_name(file);
            assert!(file.exists(), "{document}: {link}");
            let has_heading = || {
                let text = prose(&file);
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                headings.any(|line| anchor(line) == heading)
            };
            assert!(heading.is_empty() || has_heading(), "{document}: {link}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

/// Code spans that are paths of this repository: from its root, from `src`, or from the document.
#[test]
fn files_that_are_named_exist() {
    let is_path = |span: &&str| {
        let is_relative = span.starts_with(|first: char| first.is_ascii_lowercase());
        let is_lower = span
            .bytes()
            .all(|byte| !byte.is_ascii_uppercase() && byte != b' ');
        let is_made = span.starts_with("target/");
        span.contains('/') && is_relative && is_lower && !is_made && !span.contains(['*', ':', '='])
    };
    let mut count = 0;
    for document in DOCUMENTS {
        let here = Path::new(document).parent().unwrap();
        for span in prose(Path::new(document))
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(is_path)
        {
            let folders = [Path::new(""), Path::new("src"), here];
            let exists = folders.iter().any(|folder| folder.join(span).exists());
            assert!(exists, "{document}: {span}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn every_test_is_in_the_table_and_in_its_program() {
    let text = fs::read_to_string("tests/README.md").unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let named = rows.filter_map(|row| row.split('`').next());
    let named = named.filter(|name| name.ends_with(".rs"));
    let mut files = names("tests");
    for folder in names("tests") {
        let Ok(main) = fs::read_to_string(format!("tests/{folder}/main.rs")) else {
            continue;
        };
        for file in names(&format!("tests/{folder}")) {
            let module = file.strip_suffix(".rs").filter(|name| *name != "main");
            let Some(module) = module else { continue };
            let is_run = main.contains(&format!("\nmod {module};"));
            assert!(is_run, "tests/{folder}/main.rs does not name {file}");
            files.push(format!("{folder}/{file}"));
        }
    }
    let files = files.into_iter().filter(|name| name.ends_with(".rs"));
    assert_eq!(set(named.map(str::to_owned)), set(files));
}

/// What is in a folder.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let entries = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.collect()
}
