//! The book of docs/, without mdBook: what its preprocessor makes of the pages,
//! of which the book has no other, and the files that book.toml names.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::links::{anchors_of, links};
use crate::root;

const SCRIPT: &str = "docs/book/outside.py";

/// The chapters, as file and text, that mdBook gets from the preprocessor.
/// `items` is what its version calls them.
fn chapters(items: &str, config: &Value) -> Vec<(String, String)> {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let given: Vec<Value> = links(&summary)
        .into_iter()
        .map(|path| {
            let content = fs::read_to_string(root().join("docs").join(&path)).unwrap();
            json!({"Chapter": {"name": path, "content": content, "path": path, "sub_items": []}})
        })
        .chain(["Separator".into(), json!({"PartTitle": "Part"})])
        .collect();
    let mut script = Command::new("python3")
        .arg(root().join(SCRIPT))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let book = json!([{"config": config}, {items: given}]).to_string();
    let mut input = script.stdin.take().expect("piped, above");
    input.write_all(book.as_bytes()).unwrap();
    drop(input);
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success());
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let made = made[items].as_array().unwrap();
    assert!(made.len() > given.len(), "chapters are added");
    let chapters = made.iter().filter_map(|item| item.get("Chapter"));
    let text = |chapter: &Value, key: &str| chapter[key].as_str().unwrap().to_owned();
    chapters
        .map(|chapter| (text(chapter, "path"), text(chapter, "content")))
        .collect()
}

#[test]
fn no_link_of_the_book_leads_out_of_it() {
    let chapters = chapters("items", &json!({}));
    assert_eq!(chapters[0].0, "index.md");
    let mut pictures = 0;
    for (page, text) in &chapters {
        for link in links(text) {
            if link.starts_with("http") {
                continue;
            }
            if link.starts_with("data:image/") {
                pictures += 1;
                continue;
            }
            let (file, part) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() { page } else { file };
            let Some((_, target)) = chapters.iter().find(|(path, _)| path == file) else {
                let copied = !file.contains("..") && root().join("docs").join(file).is_file();
                assert!(copied, "{page}: {link}");
                continue;
            };
            let found = part.is_empty() || anchors_of(target).contains(&part.to_owned());
            assert!(found, "{page}: no heading {link}");
        }
    }
    assert!(pictures >= 2, "{pictures} pictures from outside of docs/");
    let api = &chapters
        .iter()
        .find(|(path, _)| path == "api.md")
        .unwrap()
        .1;
    assert!(api.contains(" `proto/order.proto` "), "a path, and no link");
}

#[test]
fn links_lead_to_the_repository_if_it_has_an_address() {
    let of = |items: &str, config: Value| {
        let chapters = chapters(items, &config);
        chapters
            .into_iter()
            .find(|(path, _)| path == "api.md")
            .unwrap()
            .1
    };
    let host = json!({"output": {"html": {"git-repository-url": "https://git.example/o/p/"}}});
    let link = "[proto/order.proto](https://git.example/o/p/blob/HEAD/proto/order.proto)";
    assert!(of("items", host).contains(link));
    let base = json!({"preprocessor": {"outside": {"base": "https://git.example/src/main/"}}});
    let link = "[proto/order.proto](https://git.example/src/main/proto/order.proto)";
    assert!(of("sections", base).contains(link));
}

#[test]
fn it_is_for_html_and_its_files_are_there() {
    for (renderer, code) in [("html", 0), ("markdown", 1)] {
        let status = Command::new("python3")
            .arg(root().join(SCRIPT))
            .args(["supports", renderer])
            .status();
        assert_eq!(status.unwrap().code(), Some(code), "{renderer}");
    }
    let settings = fs::read_to_string(root().join("docs/book.toml")).unwrap();
    let files: Vec<_> = settings
        .split(['"', ' '])
        .filter(|word| word.starts_with("book/"))
        .collect();
    assert_eq!(files, ["book/outside.py", "book/tables.css"]);
    for file in files {
        assert!(root().join("docs").join(file).is_file(), "{file}");
    }
}
