//! README and docs: what they show is what happens, and links lead somewhere.
//!
//! | file | what it holds |
//! |---|---|
//! | `commands.rs` | commands for one service print what is shown |
//! | `links.rs` | links of the pages |
//! | `book.rs` | links of the book, which has what is in `docs/` only |

#[path = "../harness/mod.rs"]
mod harness;

mod book;
mod commands;
mod links;

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The fenced blocks of this language.
fn blocks(file: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let opening = format!("\n```{language}\n");
    let rest = text.split(&opening).skip(1);
    rest.map(|rest| {
        let end = rest.find("\n```\n").expect("a block ends");
        rest[..end].to_owned()
    })
    .collect()
}
