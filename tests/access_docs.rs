//! The part of docs/access.md on tokens, run as it stands, on other ports.

mod harness;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use harness::{Directory, Service};

/// The blocks of a page that begin with this fence.
fn blocks<'a>(page: &'a str, fence: &str) -> Vec<&'a str> {
    let fence = format!("\n```{fence}\n");
    let rest = page.split(&fence).skip(1);
    rest.map(|text| text.split("\n```").next().unwrap_or_default())
        .collect()
}

/// A port that is free at this moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

#[test]
fn its_commands_do_what_it_says() {
    let (_, page) = include_str!("../docs/access.md")
        .split_once("\n## Tokens\n")
        .unwrap();
    let (page, _) = page.split_once("\n## ").unwrap();
    let mut script = "trap 'kill $! && wait $!' EXIT\n".to_owned();
    script += &blocks(page, "sh").join("\n");
    for port in ["8080", "9090"] {
        script = script.replace(&format!(":{port}"), &format!(":{}", free_port()));
    }
    let directory = Directory::new();
    fs::create_dir(&directory.0).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_order-processor"));
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    let output = Service::timeout()
        .args(["60", "bash", "-euo", "pipefail", "-c", &script])
        .env("PATH", path)
        .current_dir(&directory.0)
        .output()
        .unwrap();
    let (out, log) = (output.stdout, output.stderr);
    let [out, log] = [out, log].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{out}\n{log}");
    let lines: String = out
        .lines()
        .filter(|line| !line.starts_with("listening ") && !line.starts_with("ready "))
        .collect();
    let shown = blocks(page, "text")[0].split("…}").next().unwrap();
    let shown: String = shown.lines().collect();
    assert!(lines.starts_with(&shown), "{lines}\n{shown}");
    assert!(log.contains("the token file was read again"), "{log}");
    let tokens = fs::read_to_string(directory.0.join("tokens")).unwrap();
    for name in ["shop", "reporting", "partner"] {
        let token = fs::read_to_string(directory.0.join(format!("{name}.token"))).unwrap();
        assert!(tokens.contains(&format!("{name}:sha256:")));
        assert!(!tokens.contains(token.trim_end()) && !log.contains(token.trim_end()));
    }
}
