//! No circles between files: from the paths that each file names, none comes back to itself.
//!
//! A file that names another one (`use crate::a::b`, `super::b`, `b::C` of its own child) is above
//! it. A `mod` line alone is no such thing, nor is a path in `pub(in ...)`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::source::{code, expanded, files_under, squeezed};

/// A module's path: `["proto", "media"]`.
type Module = Vec<String>;

/// The module of a file below `src`.
fn module_of(path: &Path) -> Module {
    let inner = path.strip_prefix("src").unwrap().with_extension("");
    let mut module: Module = inner
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if module
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        module.pop();
    }
    module
}

/// The paths that a file names, each as a module's path from the crate's root.
fn named_paths(code: &str, own: &Module, children: &BTreeSet<String>) -> Vec<Module> {
    let mut paths: Vec<String> = vec![];
    for used in code.split("use ").skip(1) {
        let path = squeezed(used.split(';').next().unwrap());
        paths.extend(expanded(&path));
    }
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    paths.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
    paths
        .iter()
        .filter_map(|path| absolute(path, own, children))
        .collect()
}

fn absolute(path: &str, own: &Module, children: &BTreeSet<String>) -> Option<Module> {
    let mut parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
    let mut module: Module = match *parts.first()? {
        "crate" => vec![],
        "super" | "self" => own.clone(),
        child if children.contains(child) => own.clone(),
        _ => return None,
    };
    while let Some(first) = parts.first() {
        match *first {
            "super" => drop(module.pop()),
            "crate" | "self" => {}
            _ => break,
        }
        parts.remove(0);
    }
    module.extend(parts.into_iter().map(str::to_owned));
    Some(module)
}

type Graph = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

fn graph() -> Graph {
    let files: BTreeMap<Module, PathBuf> = files_under(Path::new("src"))
        .into_iter()
        .filter(|path| !path.starts_with("src/bin"))
        .map(|path| (module_of(&path), path))
        .collect();
    let mut graph = Graph::new();
    for (own, path) in &files {
        let children = files
            .keys()
            .filter(|module| module.len() == own.len() + 1 && module.starts_with(own))
            .map(|module| module.last().unwrap().clone())
            .collect();
        let code = code(path).replace("pub(in crate::", "pub(in ");
        let edges = graph.entry(path.clone()).or_default();
        if path.ends_with("tests.rs") {
            continue;
        }
        for mut module in named_paths(&code, own, &children) {
            while !module.is_empty() && !files.contains_key(&module) {
                module.pop();
            }
            let named = files.get(&module).filter(|_| !module.is_empty());
            edges.extend(named.filter(|named| *named != path).cloned());
        }
    }
    graph
}

/// A way from a file back to itself, if there is one.
fn circle_of(graph: &Graph, start: &PathBuf) -> Option<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start.clone()]];
    while let Some(way) = ways.pop() {
        for next in graph.get(way.last()?).into_iter().flatten() {
            if next == start {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                ways.push(way.iter().cloned().chain([next.clone()]).collect());
            }
        }
    }
    None
}

#[test]
fn no_file_names_itself_through_others() {
    let graph = graph();
    assert!(graph.len() > 150, "{} files", graph.len());
    let circles: Vec<String> = graph
        .keys()
        .filter_map(|file| circle_of(&graph, file))
        .map(|circle| {
            let names = circle.iter().map(|path| path.to_str().unwrap());
            names.collect::<Vec<_>>().join(" -> ")
        })
        .collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found() {
    let file = |name: &str| PathBuf::from(name);
    let mut graph = Graph::new();
    for (from, to) in [("a", "b"), ("b", "c"), ("d", "a")] {
        graph.entry(file(from)).or_default().insert(file(to));
    }
    assert_eq!(circle_of(&graph, &file("a")), None);
    graph.entry(file("c")).or_default().insert(file("a"));
    let circle = circle_of(&graph, &file("b")).unwrap();
    assert_eq!(circle, [file("b"), file("c"), file("a")]);
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let own: Module = vec!["proto".into(), "media".into()];
    let children = BTreeSet::from(["mixer".to_owned()]);
    let read = |path: &str| absolute(path, &own, &children).map(|module| module.join("::"));
    assert_eq!(
        read("crate::wire::rtp::Packet").unwrap(),
        "wire::rtp::Packet"
    );
    assert_eq!(
        read("super::recorder::Recorder").unwrap(),
        "proto::recorder::Recorder"
    );
    assert_eq!(read("mixer::Mixer").unwrap(), "proto::media::mixer::Mixer");
    assert_eq!(read("std::io"), None);
    assert!(named_paths("use crate::{a, b::c};", &own, &children).contains(&vec!["a".into()]));
}
