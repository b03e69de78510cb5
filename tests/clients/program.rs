//! A client program: it takes a URL and scenarios, and prints `ok SCENARIO`
//! after each.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::authority::root;
use crate::harness::Service;

/// Seconds that a program may take. One that passes needs a few; one that waits
/// for good is ended.
const SECONDS_MAX: &str = "150";

pub(crate) struct Program {
    command: Vec<OsString>,
    /// Scenarios that the library has no means for.
    without: &'static [&'static str],
}

impl Program {
    pub(crate) fn new(
        command: impl IntoIterator<Item = impl AsRef<OsStr>>,
        without: &'static [&'static str],
    ) -> Self {
        let command = command.into_iter().map(|word| word.as_ref().to_owned());
        Self {
            command: command.collect(),
            without,
        }
    }

    /// Has it do these on a service, as far as it can.
    #[track_caller]
    pub(crate) fn runs(&self, at: SocketAddr, scenarios: &[&str], variables: &[(&str, &str)]) {
        self.runs_at(&format!("http://{at}"), scenarios, variables, || {});
    }

    /// The same at this URL; `restart` is called when it asks for that.
    #[track_caller]
    pub(crate) fn runs_at(
        &self,
        url: &str,
        scenarios: &[&str],
        variables: &[(&str, &str)],
        mut restart: impl FnMut(),
    ) {
        let scenarios = scenarios.iter().filter(|name| !self.without.contains(name));
        let scenarios: Vec<&str> = scenarios.copied().collect();
        let mut child = Service::timeout()
            .arg(SECONDS_MAX)
            .args(&self.command)
            .arg(url)
            .args(&scenarios)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("timeout(1) is there");
        let output = child.stdout.take().expect("piped, above");
        let mut done = Vec::new();
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            match line.strip_prefix("ok ") {
                Some(scenario) => done.push(scenario.to_owned()),
                None if line == "restart" => restart(),
                None => eprintln!("{line}"),
            }
        }
        let status = child.wait().expect("it is our child");
        assert!(
            status.success() && done == scenarios,
            "{:?} on {url}: {status}, done: {done:?} of {scenarios:?} (tests/run installs what it needs)",
            self.command
        );
    }
}

/// A program of `programs/`.
pub(crate) fn source(name: &str) -> PathBuf {
    root().join("tests/clients/programs").join(name)
}

/// Where programs are built: a directory of this name.
pub(crate) fn build_directory(name: &str) -> PathBuf {
    let directory = root().join("target/clients").join(name);
    fs::create_dir_all(&directory).expect("target/ can be written to");
    directory
}

/// Runs a compiler.
#[track_caller]
pub(crate) fn build(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|why| panic!("{command:?}: {why}; see tests/run"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

/// A program of the Python environment for these tests.
pub(crate) fn python(name: &str) -> PathBuf {
    let path = root().join("target/clients-python/bin").join(name);
    assert!(path.exists(), "tests/run installs {name}");
    path
}
