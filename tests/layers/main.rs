//! The layers named in `src/lib.rs` are kept: no layer imports from one above
//! it, and no two files import each other, however many files lie between.
//!
//! Imports are read with `syn`: `use` declarations, and paths in the code that
//! begin with `crate`, `self`, `super` or an imported module. Re-exports are
//! followed to the file that defines the item. Tests are left out, and so are
//! the arguments of macros, which `syn` does not parse.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use imports::{Crate, Edges};

/// The layers, uppermost first: the table in the root's documentation.
fn layers(root: &str) -> Vec<String> {
    let rows = root.lines().filter_map(|line| line.strip_prefix("//! | `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned()))
        .collect()
}

fn layer(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// What breaks the rules, a line each.
fn violations(read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let layers = layers(&read("lib.rs").expect("there is a root"));
    let parsed = Crate::parse(read);
    let mut violations = Vec::new();
    for child in parsed.top_level() {
        if child != "internals" && !layers.contains(child) {
            violations.push(format!("{child} is no layer in the table of lib.rs"));
        }
    }
    let edges = parsed.edges();
    let height = |file: &str| layers.iter().position(|name| name == layer(file));
    for ((from, to), shown) in &edges {
        if height(to) < height(from) {
            violations.push(format!("{from} imports {shown} from the upper layer {to}"));
        }
    }
    for circle in circles(&edges) {
        let members: BTreeSet<_> = circle.iter().collect();
        let shown = edges
            .iter()
            .filter(|((from, to), _)| members.contains(from) && members.contains(to))
            .map(|((from, to), shown)| format!("\n  {from} -> {to}: {shown}"));
        violations.push(format!(
            "a circle of {} files:{}",
            circle.len(),
            shown.collect::<String>()
        ));
    }
    violations
}

/// Groups of files that reach each other.
fn circles(edges: &Edges) -> Vec<Vec<String>> {
    let reachable = |from: &String| {
        let mut seen = BTreeSet::new();
        let mut open = vec![from.clone()];
        while let Some(file) = open.pop() {
            for (_, to) in edges.keys().filter(|(from, _)| *from == file) {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let files: BTreeSet<&String> = edges.keys().map(|(from, _)| from).collect();
    let reach: BTreeMap<&String, BTreeSet<String>> =
        files.iter().map(|file| (*file, reachable(file))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (file, reached) in &reach {
        let circle = reached
            .iter()
            .filter(|other| reach.get(other).is_some_and(|back| back.contains(*file)));
        let circle: Vec<String> = circle.cloned().collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

#[test]
fn no_arrow_back_up_and_no_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |name: &str| {
        let path: PathBuf = src.join(name);
        fs::read_to_string(path).ok()
    };
    let violations = violations(&read);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// A crate of two layers, with `upper` and `lower` as its files' texts.
fn of_two(files: &[(&str, &str)]) -> Vec<String> {
    let root = "//! | `upper` | |\n//! | `lower` | |\nmod upper;\nmod lower;\n";
    violations(&|name| {
        let own = files.iter().find(|(file, _)| *file == name);
        match name {
            "lib.rs" => Some(root.to_owned()),
            _ => own.map(|(_, text)| (*text).to_owned()),
        }
    })
}

#[test]
fn what_breaks_the_rules_is_found() {
    let upper = ("upper.rs", "use crate::lower::Low;\npub struct Up(Low);");
    let lower = ("lower.rs", "pub struct Low;");
    assert_eq!(of_two(&[upper, lower]), [""; 0]);
    for text in [
        "use crate::upper::Up;\npub struct Low;",
        "use super::upper;\npub struct Low(upper::Up);",
        "pub struct Low;\nfn f() { let _: Option<crate::upper::Up> = None; }",
    ] {
        let found = of_two(&[upper, ("lower.rs", text)]);
        assert!(
            found.iter().any(|line| line.contains("upper layer")),
            "{text}: {found:?}"
        );
        assert!(
            found.iter().any(|line| line.contains("circle of 2")),
            "{text}: {found:?}"
        );
    }
    let tests_may = "pub struct Low;\n#[cfg(test)]\nmod tests { use crate::upper::Up; }";
    assert_eq!(of_two(&[upper, ("lower.rs", tests_may)]), [""; 0]);
}

#[test]
fn a_circle_behind_a_re_export_is_found() {
    let upper = ("upper.rs", "");
    let files = [
        (
            "lower/mod.rs",
            "mod a;\nmod b;\npub use self::a::A;\npub use self::b::B;",
        ),
        ("lower/a.rs", "use crate::lower::B;\npub struct A(B);"),
        ("lower/b.rs", "use super::A;\npub struct B(Box<A>);"),
    ];
    let found = of_two(&[upper, files[0], files[1], files[2]]);
    assert!(
        found.len() == 1 && found[0].contains("circle of 2"),
        "{found:?}"
    );
    let parent = [
        ("lower/mod.rs", "mod a;\npub struct Parent(a::A);"),
        (
            "lower/a.rs",
            "use super::Parent;\npub struct A;\nimpl A { fn f(_: Parent) {} }",
        ),
    ];
    let found = of_two(&[upper, parent[0], parent[1]]);
    assert!(
        found.len() == 1 && found[0].contains("circle of 2"),
        "{found:?}"
    );
}
