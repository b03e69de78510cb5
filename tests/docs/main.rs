//! README and docs: what they show is what happens, and links lead somewhere.
//!
//! | file | what it holds |
//! |---|---|
//! | `commands.rs` | commands for one service print what is shown |
//! | `first_steps.rs` | those that show no output do what is said of them |
//! | `processor.rs` | the processor that is shown |
//! | `blocks.rs` | each block is run by a test, or says that it is not |
//! | `links.rs` | links of the pages |
//! | `book.rs` | links of the book, which has what is in `docs/` only |

#[path = "../harness/mod.rs"]
mod harness;

mod blocks;
mod book;
mod commands;
mod first_steps;
mod links;
mod processor;

use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
