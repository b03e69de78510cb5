//! README's section on more than one machine, run as it stands there: three
//! servers, two instances, the leader killed under load.
//!
//! What is changed: ports and the servers' directories, so that tests can run
//! beside each other, and the seconds under load. The program is the one under
//! test.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::harness::{Directory, lasting_address};
use crate::load::factor;

/// The heading; the section ends with the next.
const SECTION: &str = "## More than one machine\n";
/// What the ports in it begin with.
const PORTS: [&str; 5] = [":422", ":822", ":622", ":808", ":909"];

/// Commands to run, and the lines that some of them print.
struct Script {
    commands: String,
    expected: Vec<String>,
}

impl Script {
    fn of(section: &str) -> Self {
        let (mut commands, mut expected) = (String::new(), Vec::new());
        let blocks = section.split("```").skip(1).step_by(2);
        for block in blocks {
            let (kind, lines) = block.split_once('\n').expect("a block has lines");
            for line in lines.lines() {
                match (kind, line.strip_prefix("$ ")) {
                    ("sh", _) => commands.extend([line, "\n"]),
                    ("console", Some(command)) => commands.extend([command, "\n"]),
                    ("console", None) => expected.push(line.to_owned()),
                    _ => panic!("a block of {kind}"),
                }
            }
        }
        Self { commands, expected }
    }

    fn replace(&mut self, from: &str, to: &str) {
        assert!(self.commands.contains(from), "{from} in {}", self.commands);
        self.commands = self.commands.replace(from, to);
    }
}

/// The beginning of port numbers of which those that end with 1, 2 and 3 are
/// free, and nobody else's.
fn free_ports() -> u16 {
    loop {
        let first = lasting_address().port();
        let follows = |more| lasting_address().port() == first + more;
        if first % 10 == 1 && (1..=2).all(follows) {
            return first / 10;
        }
    }
}

/// Ends all that a script has started and left.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

#[test]
fn the_readme_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, section) = readme.split_once(SECTION).expect("the section is there");
    let (section, _) = section.split_once("\n## ").expect("it ends");
    let mut script = Script::of(section);
    for ports in PORTS {
        script.replace(ports, &format!(":{}", free_ports()));
    }
    let directory = Directory::new();
    let here = &directory.0;
    std::fs::create_dir_all(here.join("target/release")).unwrap();
    symlink(root.join("perf"), here.join("perf")).unwrap();
    let program = here.join("target/release/order-processor");
    symlink(env!("CARGO_BIN_EXE_order-processor"), program).unwrap();
    script.replace("/tmp/nats-", &format!("{}/nats-", here.display()));
    script.replace("cargo build --release\n", "");
    let seconds = 10 * factor();
    script.replace("-d15s", &format!("-d{seconds}s"));
    script.replace("sleep 5\n", "sleep 1\n");

    let path = std::env::var("PATH").unwrap();
    let servers = root.join("target/test-python/bin");
    let child = Command::new("sh")
        .args(["-ec", &script.commands])
        .current_dir(here)
        .env("PATH", format!("{}:{path}", servers.display()))
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(here.join("stdout")).unwrap())
        .stderr(std::fs::File::create(here.join("stderr")).unwrap())
        .process_group(0)
        .spawn();
    let mut child = child.expect("there is a shell");
    let _group = Group(Pid::from_child(&child));
    let status = child.wait().unwrap();
    let printed = |file| std::fs::read_to_string(here.join(file)).unwrap();
    let (stdout, stderr) = (printed("stdout"), printed("stderr"));
    assert!(status.success(), "{status}\n{stdout}\n{stderr}");
    let mut lines = stdout.lines();
    for expected in &script.expected {
        assert!(
            lines.any(|line| line == expected),
            "{expected} in\n{stdout}\n{stderr}"
        );
    }
    let answered = printed("answered");
    // Before the kill and after it.
    assert!(answered.lines().count() > 10, "{stdout}\n{answered}");
}
