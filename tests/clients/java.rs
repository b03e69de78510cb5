//! Java's java.net.http, whose first request offers HTTP/2.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::kinds::tests_of;
use crate::program::{Program, build, build_directory, source};

/// A short start matters more here than fast code.
const OPTIONS: [&str; 3] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"];

fn client() -> Program {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let classes = BUILT.get_or_init(|| {
        let directory = build_directory("java");
        let mut compiler = Command::new("javac");
        compiler.arg("-d").arg(&directory);
        build(compiler.arg(source("Client.java")));
        directory
    });
    let words = [&["java"][..], &OPTIONS].concat();
    let words = words.into_iter().map(OsStr::new);
    let words = words.chain([classes.as_os_str(), OsStr::new("Client")]);
    Program::new(words, &["zstd"])
}

tests_of!(client());
