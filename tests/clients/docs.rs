//! docs/clients.md shows the functions that the programs here run.

use std::fs;

use crate::authority::root;
use crate::program::source;

/// Programs, and the language of their blocks.
const SHOWN: [(&str, &str); 7] = [
    ("client.go", "go"),
    ("Client.java", "java"),
    ("client.mjs", "js"),
    ("with_requests.py", "python"),
    ("with_httpx.py", "python"),
    ("with_aiohttp.py", "python"),
    ("Client.cs", "csharp"),
];

/// What stands between `docs: submit` and `docs: end`, as little indented as can
/// be.
fn marked(program: &str) -> String {
    let text = fs::read_to_string(source(program)).unwrap();
    let lines = text
        .lines()
        .skip_while(|line| !line.ends_with("docs: submit"));
    let lines = lines
        .skip(1)
        .take_while(|line| !line.ends_with("docs: end"));
    let lines: Vec<&str> = lines.collect();
    let indents = lines.iter().filter(|line| !line.is_empty());
    let indents = indents.map(|line| line.len() - line.trim_start_matches(' ').len());
    let indent = indents.min().expect("it has a part for the docs");
    let lines = lines
        .iter()
        .map(|line| line.get(indent..).unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[test]
fn they_show_what_is_run() {
    let page = fs::read_to_string(root().join("docs/clients.md")).unwrap();
    for (program, language) in SHOWN {
        let block = format!("\n```{language}\n{}\n```\n", marked(program));
        assert!(
            page.contains(&block),
            "docs/clients.md lacks this of {program}:{block}"
        );
    }
}
