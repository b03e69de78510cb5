//! Go's net/http.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::kinds::tests_of;
use crate::program::{Program, build, build_directory, source};

fn client() -> Program {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = BUILT.get_or_init(|| {
        let directory = build_directory("go");
        let program = directory.join("client");
        let mut compiler = Command::new("go");
        compiler.args(["build", "-o"]).arg(&program);
        compiler.arg(source("client.go"));
        compiler.env("GOCACHE", directory.join("cache"));
        compiler.env("GO111MODULE", "off");
        build(&mut compiler);
        program
    });
    Program::new([program], &["zstd"])
}

tests_of!(client());
