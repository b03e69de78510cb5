//! A Prometheus with the project's rules, in a hurry.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Directory, PATIENCE, lasting_address, until};

const RULES: &str = include_str!("../../k8s/monitoring/rules.yaml");
/// What every `for:`, every range and the one offset becomes.
const FOR: &str = "2s";
const RANGE: &str = "[10s]";
const OFFSET: [&str; 2] = ["offset 5h", "offset 5s"];
/// How long an alert may take to fire: many times what it takes by itself.
const ALERT_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at the alerts.
const LOOK: Duration = Duration::from_millis(100);

/// The names of the alerts in the rules.
pub(crate) fn alerts() -> Vec<&'static str> {
    let lines = RULES.lines().map(str::trim_start);
    let names = lines.filter_map(|line| line.strip_prefix("- alert: "));
    names.collect()
}

/// The rules with each duration of a `for:`, a range and an offset replaced, and
/// nothing else.
fn in_a_hurry() -> String {
    let mut out = String::new();
    for line in RULES.lines() {
        if let Some((indent, _)) = line.split_once("for: ") {
            assert!(indent.trim().is_empty(), "{line}");
            out += &format!("{indent}for: {FOR}\n");
            continue;
        }
        let mut parts = line.split('[');
        out += parts.next().unwrap_or_default();
        for part in parts {
            let (range, rest) = part.split_once(']').expect("a range ends");
            let (number, unit) = range.split_at(range.len() - 1);
            assert!(number.parse::<u32>().is_ok() && "smh".contains(unit));
            out += RANGE;
            out += rest;
        }
        out += "\n";
    }
    let [offset, shorter] = OFFSET;
    assert_eq!(out.matches("offset ").count(), out.matches(offset).count());
    out.replace(offset, shorter)
}

/// Killed when dropped.
pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
    directory: Directory,
}

impl Prometheus {
    pub(crate) fn start() -> Self {
        let directory = Directory::new();
        let path = |name: &str| directory.0.join(name);
        fs::create_dir_all(path("targets")).unwrap();
        fs::write(path("rules.yaml"), in_a_hurry()).unwrap();
        // JSON is YAML.
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "500ms"},
            "rule_files": [path("rules.yaml")],
            "scrape_configs": [{
                "job_name": "by the file",
                "file_sd_configs": [{"files": [path("targets/*.json")], "refresh_interval": "1s"}],
            }],
        });
        fs::write(path("prometheus.yml"), config.to_string()).unwrap();
        let address = lasting_address();
        let log = fs::File::create(path("log")).unwrap();
        let argument = |flag: &str, name: &str| format!("{flag}={}", path(name).display());
        let child = Command::new("prometheus")
            .arg(argument("--config.file", "prometheus.yml"))
            .arg(argument("--storage.tsdb.path", "tsdb"))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("tests/run installs prometheus");
        let prometheus = Self {
            child,
            address,
            directory,
        };
        until("Prometheus is ready", || {
            let reply = prometheus.get("/-/ready");
            reply.is_some_and(|reply| reply.starts_with("HTTP/1.0 200"))
        });
        prometheus
    }

    /// Has these scraped as targets of a job.
    pub(crate) fn watch(&self, job: &'static str, targets: &[SocketAddr]) -> Watched<'_> {
        let job = Watched {
            prometheus: self,
            job,
        };
        let list = json!([{"targets": targets, "labels": {"job": job.label()}}]);
        let file = self.directory.0.join(format!("targets/{}.json", job.job));
        let new = file.with_extension("new");
        fs::write(&new, list.to_string()).unwrap();
        fs::rename(&new, &file).unwrap();
        let look = format!(
            "count(sum_over_time(up{{job=\"{}\"}}[1m]) > 3)",
            job.label()
        );
        let all = json!(targets.len().to_string());
        let deadline = Instant::now() + ALERT_PATIENCE;
        while self.query(&look)["value"][1] != all {
            assert!(Instant::now() < deadline, "{} isn't scraped", job.job);
            thread::sleep(LOOK); // between two looks
        }
        job
    }

    /// The first result of an expression; null if it has none.
    fn query(&self, expression: &str) -> Value {
        let escaped = |byte: u8| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        let query: String = expression.bytes().map(escaped).collect();
        let data = self.api(&format!("query?query={query}"));
        data["result"][0].clone()
    }

    /// What the API has under this path.
    fn api(&self, path: &str) -> Value {
        let reply = self.get(&format!("/api/v1/{path}"));
        let reply = reply.expect("Prometheus runs");
        let (_, body) = reply.split_once("\r\n\r\n").expect("a head");
        let reply: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(reply["status"], "success", "{path}: {reply}");
        reply["data"].clone()
    }

    /// By HTTP/1.0, so that the reply ends with the connection.
    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: prometheus\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
        if thread::panicking() {
            let log = fs::read_to_string(self.directory.0.join("log"));
            eprintln!("Prometheus's log:\n{}", log.unwrap_or_default());
        }
    }
}

/// A job that is being scraped.
pub(crate) struct Watched<'a> {
    prometheus: &'a Prometheus,
    job: &'static str,
}

impl Watched<'_> {
    /// With the words that the rules look for.
    pub(crate) fn label(&self) -> String {
        format!("order-processor-{}", self.job)
    }

    /// The job's alerts: names, with `/` and the port where they have that
    /// label, and states.
    fn active(&self) -> Vec<(String, String)> {
        let data = self.prometheus.api("alerts");
        let alerts = data["alerts"].as_array().expect("a list").iter();
        let own = alerts.filter(|alert| alert["labels"]["job"] == self.label());
        let name = |labels: &Value| {
            let name = labels["alertname"].as_str().expect("a name");
            match labels["port"].as_str() {
                Some(port) => format!("{name}/{port}"),
                None => name.to_owned(),
            }
        };
        own.map(|alert| {
            let state = alert["state"].as_str().expect("a state");
            (name(&alert["labels"]), state.to_owned())
        })
        .collect()
    }

    /// None of these is firing, or about to, once what the machine was too busy
    /// for is over: a scrape that failed.
    #[track_caller]
    pub(crate) fn is_calm(&self, alerts: &[&str]) {
        let start = Instant::now();
        loop {
            let active = self.active();
            let early = |alert: &&&str| active.iter().any(|(name, _)| name == **alert);
            let early: Vec<_> = alerts.iter().filter(early).collect();
            if early.is_empty() {
                return;
            }
            let late = start.elapsed() > ALERT_PATIENCE;
            assert!(!late, "{}: {early:?} before the cause", self.job);
            thread::sleep(LOOK); // between two looks
        }
    }

    /// Goes on with the cause until each of these is firing.
    #[track_caller]
    pub(crate) fn fires(&self, alerts: &[&str], mut cause: impl FnMut()) {
        let start = Instant::now();
        let mut waiting: Vec<&str> = alerts.to_vec();
        while !waiting.is_empty() {
            cause();
            let active = self.active();
            waiting.retain(|alert| {
                let firing = |(name, state): &(String, String)| name == alert && state == "firing";
                !active.iter().any(firing)
            });
            let late = start.elapsed() > ALERT_PATIENCE;
            assert!(!late, "{}: no {waiting:?}, but {active:?}", self.job);
            thread::sleep(LOOK); // between two looks
        }
    }

    /// The first alert of the job that has been firing at any time, but for
    /// those of scrapes that failed.
    pub(crate) fn fired(&self) -> Option<String> {
        let job = self.label();
        let others = format!("alertname!=\"OrdersTargetDown\",job=\"{job}\"");
        let firing = format!("ALERTS{{alertstate=\"firing\",{others}}}");
        let first = self
            .prometheus
            .query(&format!("count_over_time({firing}[1h])"));
        Some(first["metric"]["alertname"].as_str()?.to_owned())
    }
}
