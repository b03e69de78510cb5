//! The commands of README.md and docs/api.md, in the order in which a reader
//! meets them, on one service, with the output that they show.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::blocks::of;
use crate::harness::{Directory, Service};
use crate::root;

/// Files with commands for one service at the default addresses.
const FILES: [&str; 2] = ["README.md", "docs/api.md"];
/// In the blocks about a cluster, which tests/nats runs.
const CLUSTER: [&str; 2] = ["127.0.0.1:8081", " stored "];

/// `$ command` and what it prints, as a block of a terminal shows them.
fn steps(block: &str) -> Vec<(String, String)> {
    let mut steps: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push((command.to_owned(), String::new()));
        } else {
            let (command, output) = steps.last_mut().expect("a block begins with a command");
            let text = if goes_on { command } else { output };
            *text += "\n";
            *text += line;
            if !goes_on {
                continue;
            }
        }
        goes_on = line.ends_with('\\') || line.ends_with('|');
    }
    steps
}

/// `text` with the service's own addresses.
pub(crate) fn addressed(text: &str, service: &Service) -> String {
    let text = text
        .replace("localhost:8080", &service.http.to_string())
        .replace("127.0.0.1:8080", &service.http.to_string())
        .replace("localhost:9090", &service.admin.to_string());
    match service.grpc {
        Some(grpc) => text.replace("localhost:50051", &grpc.to_string()),
        None => text,
    }
}

/// `text` without what differs from run to run: times in quotes.
fn timeless(text: &str) -> String {
    let is_time = |part: &str| part.len() == 27 && part.starts_with("20") && part.ends_with('Z');
    let parts = text.trim().split('"');
    let parts: Vec<_> = parts
        .map(|part| if is_time(part) { "TIME" } else { part })
        .collect();
    parts.join("\"")
}

pub(crate) fn shell(command: &str) -> Output {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", command])
        .current_dir(root())
        .output();
    output.expect("bash is there")
}

#[test]
fn what_is_shown_is_what_happens() {
    let directory = Directory::new();
    let service = directory.start_with_grpc(&["--workers", "1"]); // in order
    let mut run = 0;
    for file in FILES {
        for block in of(file, "console") {
            if CLUSTER.iter().any(|mark| block.contains(mark)) {
                continue;
            }
            for (command, shown) in steps(&block) {
                let output = shell(&addressed(&command, &service));
                let errors = String::from_utf8_lossy(&output.stderr);
                let printed = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success(), "{file}: $ {command}\n{errors}");
                let (printed, shown) = (timeless(&printed), timeless(&shown));
                assert_eq!(printed, shown, "{file}: $ {command}\n{errors}");
                run += 1;
            }
        }
    }
    assert!(run >= 5, "{run} commands");
    python_client(&service);
    journal_tools(&directory);
    service.drain();
}

/// The Python client of docs/api.md, with stubs made as it says.
fn python_client(service: &Service) {
    let scratch = Directory::new();
    fs::create_dir_all(&scratch.0).unwrap();
    let python = root().join("target/test-python/bin/python");
    let proto = format!("-I{}", root().join("proto").display());
    let made = of("docs/api.md", "sh")
        .into_iter()
        .find(|block| block.contains("protoc"));
    let made = made.expect("it says how to make stubs");
    let protoc = made.lines().find(|line| line.contains("protoc")).unwrap();
    let words = protoc
        .split(' ')
        .map(|word| if word == "-Iproto" { &proto } else { word });
    let status = Command::new(&python)
        .args(words.skip(1))
        .current_dir(&scratch.0)
        .status();
    assert!(status.expect("tests/run installs it").success(), "{protoc}");

    let [program] = &of("docs/api.md", "python")[..] else {
        panic!("one client in Python");
    };
    let mut client = Command::new(&python)
        .args(["-u", "-c", &addressed(program, service)])
        .current_dir(&scratch.0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut met = || {
        let line = lines.next().expect("it goes on").unwrap();
        line.contains("ord-005")
    };
    while !met() {} // the reply
    while !met() {} // the feed
    client.kill().unwrap();
    client.wait().unwrap();
}

/// `order-processor journal …` of docs/operations.md, beside the service.
fn journal_tools(directory: &Directory) {
    let scratch = Directory::new();
    fs::create_dir_all(&scratch.0).unwrap();
    let copies = |name: &str| scratch.0.join(name).display().to_string();
    let mut run = 0;
    let blocks = of("docs/operations.md", "sh");
    let lines = blocks.iter().flat_map(|block| block.lines());
    for line in lines.filter(|line| line.starts_with("order-processor journal ")) {
        let command = line.split('#').next().unwrap();
        run += 1;
        let data_dir = match command.contains(" restore ") {
            true => scratch.0.join(format!("restored-{run}")),
            false => PathBuf::from(&directory.0),
        };
        let command = command
            .replacen("order-processor", env!("CARGO_BIN_EXE_order-processor"), 1)
            .replace("./restored", "./data")
            .replace("./data", &data_dir.display().to_string())
            .replace("/backups/monday", &copies("monday"))
            .replace(" DIR ", &format!(" {} ", copies("copy")));
        let output = shell(&command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
    }
    assert!(run >= 6, "{run} commands");
}
