//! What the fuzz targets check, of each input in their corpora.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::internals::fuzzing as targets;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 15] = [
    ("authorization", targets::authorization),
    ("certificate", targets::certificate),
    ("content_coding", targets::content_coding),
    ("forwarded", targets::forwarded),
    ("grpc_messages", targets::grpc_messages),
    ("http_body", targets::http_body),
    ("http_connection", targets::http_connection),
    ("http_head", targets::http_head),
    ("journal", targets::journal),
    ("ndjson", targets::ndjson),
    ("order", targets::order),
    ("pending", targets::pending),
    ("proxy_header", targets::proxy_header),
    ("token_file", targets::token_file),
    ("traceparent", targets::traceparent),
];

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn stems(dir: &Path) -> BTreeSet<String> {
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files(dir).into_iter().map(stem).collect()
}

#[test]
fn every_input_of_the_corpora_passes() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems(&fuzz.join("targets")), names);
    assert_eq!(stems(&fuzz.join("corpus")), names);
    for (name, target) in TARGETS {
        let inputs = files(&fuzz.join("corpus").join(name));
        assert!(!inputs.is_empty(), "{name}");
        for input in inputs {
            println!("{}", input.display());
            target(&fs::read(&input).unwrap());
        }
    }
}
