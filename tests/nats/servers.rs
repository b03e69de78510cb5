//! NATS servers as child processes, and instances of the service on them.

use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Directory, PATIENCE, Service, eventually, lasting_address, until};

/// A server with JetStream. Killed when dropped; its log is printed if the test
/// has failed by then.
pub(crate) struct NatsServer {
    child: Option<Child>,
    port: u16,
    config: PathBuf,
    log: PathBuf,
    /// Holds the store and the configuration.
    _directory: Directory,
}

fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/test-python/bin/nats-server");
    assert!(program.exists(), "tests/run installs what this test needs");
    program
}

impl NatsServer {
    /// One server, with more lines of configuration.
    #[track_caller]
    pub(crate) fn start(more: &str) -> Self {
        let mut server = Self::prepare("alone", lasting_address().port(), true, more);
        server.run();
        server
    }

    /// One without JetStream.
    #[track_caller]
    pub(crate) fn without_jetstream() -> Self {
        let mut server = Self::prepare("alone", lasting_address().port(), false, "");
        server.run();
        server
    }

    fn prepare(name: &str, port: u16, jetstream: bool, more: &str) -> Self {
        let directory = Directory::new();
        std::fs::create_dir(&directory.0).unwrap();
        let mut text = format!("server_name: {name}\nlisten: 127.0.0.1:{port}\n");
        if jetstream {
            let store = directory.0.join("store");
            let store = store.display();
            writeln!(
                text,
                "jetstream {{ store_dir: \"{store}\", sync_interval: always, max_file_store: 1GB }}"
            )
            .unwrap();
        }
        text.push_str(more);
        let config = directory.0.join("nats.conf");
        std::fs::write(&config, text).unwrap();
        Self {
            child: None,
            port,
            config,
            log: directory.0.join("log"),
            _directory: directory,
        }
    }

    /// Starts it, or starts it again on the same port with the same store.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        self.spawn();
        until("the NATS server listens", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Changes its configuration, and starts it again.
    #[track_caller]
    pub(crate) fn reconfigure(&mut self, from: &str, to: &str) {
        self.kill();
        let text = std::fs::read_to_string(&self.config).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        std::fs::write(&self.config, text.replace(from, to)).unwrap();
        self.run();
    }

    fn spawn(&mut self) {
        assert!(self.child.is_none(), "it doesn't run");
        let log = File::options().create(true).append(true).open(&self.log);
        let child = Command::new(program())
            .arg("-c")
            .arg(&self.config)
            .stdout(Stdio::null())
            .stderr(log.expect("its directory is there"))
            .spawn();
        self.child = Some(child.expect("it can be started"));
    }

    /// `HOST:PORT`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("it is our child");
        if signal == Signal::STOP {
            // Each of its threads takes note of the signal by itself.
            until("the NATS server stands still", || stands_still(child.id()));
        }
    }

    /// An instance of the service on it.
    #[track_caller]
    pub(crate) fn instance(&self, flags: &[&str]) -> Service {
        Service::launch(instance(&self.address(), flags))
    }

    /// The same with gRPC.
    #[track_caller]
    pub(crate) fn instance_with_grpc(&self, flags: &[&str]) -> Service {
        let command = command(&self.address(), "127.0.0.1:0", flags);
        Service::launch_with(command, &["http", "admin", "grpc"])
    }

    /// Sends a request to JetStream's API.
    #[track_caller]
    pub(crate) fn api(&self, subject: &str, payload: &Value) -> Value {
        api(&self.address(), subject, payload)
    }

    /// The stream's state.
    #[track_caller]
    pub(crate) fn state(&self) -> Value {
        state(&self.address())
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            println!("log of the NATS server on port {}:\n{log}", self.port);
        }
    }
}

fn stands_still(process: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    tasks.flatten().all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // The state follows the name, which is in brackets.
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('T'))
    })
}

/// The command of an instance on these servers.
pub(crate) fn instance(servers: &str, flags: &[&str]) -> Command {
    command(servers, "off", flags)
}

fn command(servers: &str, grpc: &str, flags: &[&str]) -> Command {
    let mut command = Service::command();
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.args(["--grpc-listen", grpc]);
    command.args(["--ledger", &format!("nats://{servers}")]);
    command.args(flags);
    command
}

/// Sends a request to JetStream's API; JSON comes back.
#[track_caller]
pub(crate) fn api(servers: &str, subject: &str, payload: &Value) -> Value {
    let payload = payload.to_string();
    eventually(subject, || try_api(servers, subject, payload.clone()))
}

fn try_api(servers: &str, subject: &str, payload: String) -> Option<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let servers: Vec<&str> = servers.split(',').collect();
        let client = async_nats::connect(servers).await.ok()?;
        let subject = format!("$JS.API.{subject}");
        let request = client.request(subject, payload.into());
        let reply = tokio::time::timeout(Duration::from_secs(5), request).await;
        serde_json::from_slice(&reply.ok()?.ok()?.payload).ok()
    })
}

/// The state of the stream `ORDERS`.
#[track_caller]
pub(crate) fn state(servers: &str) -> Value {
    let info = eventually("the stream has a leader", || {
        let info = api(servers, "STREAM.INFO.ORDERS", &json!({}));
        info["state"].is_object().then_some(info)
    });
    info["state"].clone()
}

/// Servers that form a cluster.
pub(crate) struct Cluster(pub(crate) Vec<NatsServer>);

impl Cluster {
    /// Three servers, once they have a leader.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let routes: Vec<u16> = (0..3).map(|_| lasting_address().port()).collect();
        let urls: Vec<String> = routes
            .iter()
            .map(|port| format!("\"nats-route://127.0.0.1:{port}\""))
            .collect();
        let servers = routes.iter().enumerate().map(|(number, route)| {
            let more = format!(
                "cluster {{ name: test, listen: 127.0.0.1:{route}, routes: [{}] }}\n",
                urls.join(", ")
            );
            NatsServer::prepare(&format!("s{number}"), lasting_address().port(), true, &more)
        });
        let mut cluster = Self(servers.collect());
        for server in &mut cluster.0 {
            server.run();
        }
        cluster.until_it_takes_streams();
        cluster
    }

    /// Until a stream can be placed, which takes a leader that has heard of all
    /// servers.
    #[track_caller]
    fn until_it_takes_streams(&self) {
        let stream = json!({ "name": "READY", "subjects": ["ready"], "num_replicas": 3 });
        // Several elections may fail before one succeeds.
        let deadline = Instant::now() + 4 * PATIENCE;
        loop {
            let reply = api(&self.addresses(), "STREAM.CREATE.READY", &stream);
            if reply["error"].is_null() {
                break;
            }
            assert!(Instant::now() < deadline, "no stream is placed: {reply}");
            thread::sleep(Duration::from_millis(50)); // between two polls
        }
        api(&self.addresses(), "STREAM.DELETE.READY", &json!({}));
    }

    pub(crate) fn addresses(&self) -> String {
        let addresses: Vec<String> = self.0.iter().map(NatsServer::address).collect();
        addresses.join(",")
    }

    /// Waits until each server has all of the stream, as after a restart: two
    /// of three acknowledge, and before that one of the two may be the one to
    /// fail next. Copying may take several attempts on a busy machine.
    #[track_caller]
    pub(crate) fn until_whole(&self) {
        let deadline = Instant::now() + 4 * PATIENCE;
        while !self.is_whole() {
            assert!(Instant::now() < deadline, "a server lags behind");
            std::thread::sleep(Duration::from_millis(20)); // between two polls
        }
    }

    fn is_whole(&self) -> bool {
        let info = api(&self.addresses(), "STREAM.INFO.ORDERS", &json!({}));
        let others = info["cluster"]["replicas"].as_array();
        others.is_some_and(|others| {
            others.len() == self.0.len() - 1 && others.iter().all(|other| other["current"] == true)
        })
    }

    /// The number of the server that leads the stream.
    #[track_caller]
    pub(crate) fn leader(&self) -> usize {
        eventually("the stream has a leader", || {
            let info = api(&self.addresses(), "STREAM.INFO.ORDERS", &json!({}));
            let leader = info["cluster"]["leader"].as_str()?;
            leader.strip_prefix('s')?.parse().ok()
        })
    }
}
