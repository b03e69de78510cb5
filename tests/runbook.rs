//! The last sections of docs/runbook.md, followed word for word: a full disk, a
//! damaged journal, a backup.

mod harness;

use std::fs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use harness::{Client, Directory, Service, Small, get, submit, until};

/// The console blocks of a section, as one.
fn section(heading: &str) -> String {
    let page = include_str!("../docs/runbook.md");
    let (_, text) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let text = text.split("\n## ").next().unwrap();
    let blocks = text.split("\n```console\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

/// Somebody who types the commands in a directory.
struct Terminal {
    directory: PathBuf,
    /// What runs, if anything does.
    service: Option<Service>,
}

impl Terminal {
    fn in_directory(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            service: None,
        }
    }

    /// Runs each command, which must print what is shown. Returns how many.
    #[track_caller]
    fn follow(&mut self, heading: &str) -> usize {
        let text = section(heading);
        let steps: Vec<_> = text.split("$ ").skip(1).collect();
        for step in &steps {
            let (command, shown) = step.split_once('\n').unwrap();
            let printed = self.run(command);
            assert_eq!(nameless(&printed), nameless(shown), "$ {command}");
        }
        steps.len()
    }

    #[track_caller]
    fn run(&mut self, command: &str) -> String {
        if let Some(flags) = command.strip_suffix(" &") {
            let data = flags.strip_prefix("order-processor --data-dir ").unwrap();
            let data = Directory(self.directory.join(data));
            self.stop();
            self.service = Some(data.start(&[]));
            std::mem::forget(data); // the directory above is removed
            return String::new();
        }
        let mut command = command.to_owned();
        if let Some(service) = &self.service {
            command = command.replace("localhost:8080", &service.http.to_string());
            command = command.replace("localhost:9090", &service.admin.to_string());
        }
        let output = Service::script("60", "-eu", &format!("exec 2>&1\n{command}"))
            .current_dir(&self.directory)
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "$ {command}\n{printed}");
        printed
    }

    fn stop(&mut self) {
        if let Some(service) = self.service.take() {
            service.drain();
        }
    }
}

/// Without ledger ids.
fn nameless(text: &str) -> String {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut out = String::new();
    let mut rest = text.trim();
    while let Some(start) = rest.find(is_hex) {
        let end = rest[start..]
            .find(|c| !is_hex(c))
            .map_or(rest.len(), |len| start + len);
        out += &rest[..start];
        out += if end - start == 32 {
            "ID"
        } else {
            &rest[start..end]
        };
        rest = &rest[end..];
    }
    out + rest
}

/// A scratch directory with a journal of five orders in `data`.
fn with_five_orders() -> (Directory, Terminal) {
    let scratch = Directory::new();
    fs::create_dir(&scratch.0).unwrap();
    let mut terminal = Terminal::in_directory(&scratch.0);
    terminal.run("order-processor --data-dir ./data &");
    let service = terminal.service.as_ref().unwrap();
    let mut client = Client::to(service.http);
    for number in 1..=5 {
        let body = format!(r#"{{"id":"ord-00{number}","value":{number}}}"#);
        assert_eq!(client.ask(submit("", &body)).status, 201);
    }
    (scratch, terminal)
}

#[test]
fn a_damaged_journal() {
    let (scratch, mut terminal) = with_five_orders();
    terminal.stop();
    let segment = scratch.0.join("data/journal-0000000001.seg");
    let bytes = fs::read(&segment).unwrap();
    let third = bytes
        .windows(7)
        .position(|seven| seven == b"ord-003")
        .unwrap();
    let file = File::options().write(true).open(&segment).unwrap();
    file.write_all_at(b"?", third as u64).unwrap();
    let commands = terminal.follow("A damaged journal");
    assert!(commands >= 8, "{commands} commands");
    // The service runs on what was saved.
    let service = terminal.service.as_ref().expect("it was started");
    let page = get(service.http, "/orders?after=3");
    assert_eq!(page.text().lines().count(), 2);
    terminal.stop();
}

#[test]
fn a_backup() {
    let (_scratch, mut terminal) = with_five_orders();
    let commands = terminal.follow("Back up and restore");
    assert!(commands >= 6, "{commands} commands");
    terminal.stop();
}

/// On a small file system of its own, which takes root.
#[test]
fn a_full_disk() {
    let Some(small) = Small::mount(8) else {
        return;
    };
    let data = small.directory();
    let volume = data.0.parent().unwrap().to_owned();
    data.make_with_segments_of(1 << 20);
    // As much as leaves space for two segments.
    fs::write(volume.join("filler"), vec![1; 11 << 19]).unwrap();
    let mut terminal = Terminal::in_directory(&volume);
    terminal.run("order-processor --data-dir ./data &");
    let service = terminal.service.as_ref().unwrap();
    let filler = "x".repeat(50_000);
    let mut client = Client::to(service.http);
    let mut number = 0;
    loop {
        let body = format!(r#"{{"id":"long-{number}","value":1,"x":"{filler}"}}"#);
        match client.ask(submit("Prefer: wait=1\r\n", &body)).status {
            200 | 201 => number += 1,
            // The disk is slow: the same order once more.
            202 if get(service.admin, "/readyz").status == 200 => {}
            _ => break,
        }
    }
    until("it is full", || get(service.admin, "/readyz").status == 503);
    let commands = terminal.follow("A full disk");
    assert!(commands >= 3, "{commands} commands");
    terminal.stop();
}
