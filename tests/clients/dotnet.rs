//! .NET's HttpClient, which PowerShell uses, too. Mono's compiler is in Debian;
//! its output runs on .NET, and that comes as a package of Python.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::authority::root;
use crate::kinds::tests_of;
use crate::program::{Program, build, build_directory, source};

const RUNTIME: &str = r#"{"runtimeOptions": {
    "framework": {"name": "Microsoft.NETCore.App", "version": "8.0.0"},
    "configProperties": {"System.Globalization.Invariant": true}
}}"#;

fn client() -> Program {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = BUILT.get_or_init(|| {
        let directory = build_directory("dotnet");
        let program = directory.join("Client.dll");
        let mut compiler = Command::new("mcs");
        compiler.args(["-langversion:7", "-target:exe", "-r:System.Net.Http.dll"]);
        compiler.arg(format!("-out:{}", program.display()));
        build(compiler.arg(source("Client.cs")));
        fs::write(directory.join("Client.runtimeconfig.json"), RUNTIME).unwrap();
        program
    });
    let dotnet = root().join("target/clients-python/dotnet");
    assert!(dotnet.exists(), "tests/run installs .NET");
    Program::new([&dotnet, program], &["zstd"])
}

tests_of!(client());
