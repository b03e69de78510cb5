//! docs/access.md, run from top to bottom as it stands, on other ports, with
//! what it shows compared.

mod harness;

use std::fs;

use harness::{Directory, Service, lasting_address};

const PAGE: &str = include_str!("../docs/access.md");
/// Before the output of each command. Nothing that the page shows has it.
const MARK: &str = "\u{1}";
/// What the test has done already: the program is built and on the `PATH`.
const DONE: [&str; 2] = ["cargo install ", "export PATH="];
/// Longer than the page takes on a machine that does much else.
const SECONDS_MAX: &str = "180";

/// A command, or a block of them that prints nothing.
struct Step {
    command: String,
    shown: String,
}

/// The blocks of commands, in order: their fences and their lines.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let fences = PAGE.split("\n```").skip(1).step_by(2);
    let blocks = fences.filter_map(|block| block.split_once('\n'));
    blocks
        .filter(|(language, _)| ["sh", "console"].contains(language))
        .collect()
}

/// `$ command` and what it prints, as a terminal shows them.
fn shown_steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                shown: String::new(),
            });
        } else {
            let step = steps.last_mut().expect("a block begins with a command");
            if goes_on {
                step.command += &format!("\n{line}");
            } else {
                step.shown += &format!("{line}\n");
                continue;
            }
        }
        goes_on = line.ends_with('\\');
    }
    steps
}

fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for (language, block) in blocks() {
        if language == "console" {
            steps.extend(shown_steps(block));
            continue;
        }
        let to_do = |line: &&str| !DONE.iter().any(|done| line.starts_with(done));
        let lines: Vec<_> = block.lines().filter(to_do).collect();
        steps.push(Step {
            command: lines.join("\n"),
            shown: String::new(),
        });
    }
    steps
}

/// All of it, in one shell.
fn script(steps: &[Step]) -> String {
    let mut script =
        "set -o pipefail\ntrap 'touch reloaded; kill $(cat service.pid); wait' EXIT\n".to_owned();
    for step in steps {
        script += &format!("printf '{MARK}'\n{}\n", step.command);
    }
    for port in ["8080", "9090"] {
        let other = lasting_address().port();
        script = script.replace(&format!(":{port}"), &format!(":{other}"));
    }
    script
}

#[test]
fn its_commands_do_what_it_says() {
    let steps = steps();
    let directory = Directory::new();
    let clone = directory.0.join("clone");
    fs::create_dir_all(&clone).unwrap();
    let output = Service::script(SECONDS_MAX, "-eu", &script(&steps))
        .current_dir(&clone)
        .output()
        .unwrap();
    let [out, errors] = [output.stdout, output.stderr]
        .map(|text| String::from_utf8(text).expect("the page shows text"));
    let place = directory.0.join("orders-access");
    let log = fs::read_to_string(place.join("service.log")).unwrap_or_default();
    let printed: Vec<&str> = out.split(MARK).skip(1).collect();
    for (step, printed) in steps.iter().zip(&printed) {
        assert_eq!(*printed, step.shown, "$ {}\n{errors}\n{log}", step.command);
    }
    assert_eq!(printed.len(), steps.len(), "{errors}\n{log}");
    assert!(output.status.success(), "{errors}\n{log}");

    // Each order of the load has its own line.
    let load = fs::read_to_string(place.join("load.out")).unwrap();
    let sent = load.lines().count();
    assert!(sent > 0 && sent.is_multiple_of(200), "{sent} sent");
    let tokens = fs::read_to_string(place.join("tokens")).unwrap();
    for name in ["shop", "desk", "reporting"] {
        let header = fs::read_to_string(place.join(format!("{name}.header"))).unwrap();
        let token = header.trim_end().rsplit(' ').next().unwrap();
        assert!(tokens.contains(&format!("{name}:sha256:")));
        assert!(!tokens.contains(token) && !log.contains(token) && !out.contains(token));
    }
}

/// The page has what it is for, so that a rewrite doesn't lose it.
#[test]
fn it_shows_each_part() {
    let steps = steps();
    let has = |part: &str| {
        let of = |step: &Step| step.command.contains(part) || step.shown.contains(part);
        assert!(steps.iter().any(of), "{part}");
    };
    for part in [
        "--tls-cert",
        "--token-file",
        "--tls-client-ca",
        "kill -HUP",
        "\"status\":401",
        "\"status\":403",
        "429",
        "\"client\":\"trader\"",
    ] {
        has(part);
    }
    assert!(PAGE.contains("cargo install --locked --path ."));
}
