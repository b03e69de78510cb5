//! The processor that README and docs/processors.md show, compiled and asked.

// docs: processor
use order_processor::{Order, Processor, Verdict};

struct Desk;

impl Processor for Desk {
    fn process(&self, order: &Order) -> Verdict {
        if order.value() > 10_000.into() {
            return Verdict::failed("over the desk's limit");
        }
        Verdict::Processed
    }
}
// docs: end

use std::fs;

use order_processor::internals::{HashKey, decode};

use crate::blocks::of;
use crate::root;

#[test]
fn it_is_the_one_that_is_shown() {
    let (_, source) = include_str!("processor.rs")
        .split_once("// docs: processor\n")
        .unwrap();
    let (source, _) = source.split_once("\n// docs: end\n").unwrap();
    for page in ["README.md", "docs/processors.md"] {
        let [shown] = &of(page, "rust")[..] else {
            panic!("{page}: one block");
        };
        let lines = shown.lines().map(|line| line.split(" // ").next().unwrap());
        assert_eq!(lines.collect::<Vec<_>>().join("\n"), source, "{page}");
    }
}

/// What a program of one's own is told to set is what the service has.
#[test]
fn settings_are_those_of_the_service() {
    let cargo = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let [settings] = &of("docs/processors.md", "toml")[..] else {
        panic!("one block");
    };
    for part in settings.split("\n\n") {
        let lines: Vec<_> = part.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(cargo.contains(&lines.join("\n")), "{part}");
    }
}

#[test]
fn it_decides_as_they_say() {
    let verdict = |value: &str| {
        let json = format!(r#"{{"id":"a","value":{value}}}"#);
        let order = decode(json.as_bytes(), &HashKey::random()).unwrap();
        Desk.process(&order)
    };
    assert!(matches!(verdict("10000"), Verdict::Processed));
    assert!(matches!(verdict("10000.01"), Verdict::Failed(_)));
    // README has it in a comment.
    let closed = Verdict::retry("the exchange is closed");
    assert!(matches!(closed, Verdict::Retry(_)));
}
