//! The process under test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Figures, PATIENCE, get, until};

/// What every process under test is started with: ports of its own, nothing on
/// disk.
pub(crate) const BASE_FLAGS: [&str; 8] = [
    "--listen",
    "127.0.0.1:0",
    "--admin-listen",
    "127.0.0.1:0",
    "--grpc-listen",
    "off",
    "--ledger",
    "memory",
];

/// A running process. Killed when dropped.
pub(crate) struct Service {
    child: Child,
    pub http: SocketAddr,
    pub admin: SocketAddr,
    /// The gRPC port, where it was asked for.
    pub grpc: Option<SocketAddr>,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All of its log.
    pub log: String,
}

impl Ended {
    /// The number behind `name=` in the log's last line that has it.
    #[track_caller]
    pub(crate) fn logged(&self, name: &str) -> u64 {
        let name = format!("{name}=");
        let found = self.log.lines().rev().find_map(|line| {
            let rest = &line[line.find(&name)? + name.len()..];
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..end].parse().ok()
        });
        found.unwrap_or_else(|| panic!("{name} in {}", self.log))
    }
}

impl Service {
    /// Starts it with these flags beside the base flags and waits until it is
    /// ready.
    #[track_caller]
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut command = Self::command();
        command.args(BASE_FLAGS).args(flags);
        Self::launch(command)
    }

    /// The same with a gRPC port.
    #[track_caller]
    pub(crate) fn with_grpc(flags: &[&str]) -> Self {
        let mut command = Self::command();
        command.args(BASE_FLAGS.map(|flag| match flag {
            "off" => "127.0.0.1:0",
            flag => flag,
        }));
        command.args(flags);
        Self::launch_with(command, &["http", "admin", "grpc"])
    }

    /// The same on the engine of this name.
    #[track_caller]
    pub(crate) fn on(engine: &str, flags: &[&str]) -> Self {
        let mut command = Self::command();
        command.args(BASE_FLAGS).args(["--http-engine", engine]);
        command.args(flags);
        Self::launch(command)
    }

    /// The same with this many workers, which take this long for each order.
    #[track_caller]
    pub(crate) fn slow(engine: &str, workers: &str, time: &str, flags: &[&str]) -> Self {
        let simulate = format!("{time}..{time}");
        let slow = [
            "--processor",
            "simulate",
            "--simulate",
            &simulate,
            "--workers",
            workers,
        ];
        Self::on(engine, &[&slow[..], flags].concat())
    }

    /// The binary without flags, and without the `ORDERS_` variables of this
    /// process.
    pub(crate) fn command() -> Command {
        Self::shielded(env!("CARGO_BIN_EXE_order-processor"))
    }

    /// The binary started by a shell that does something first, such as `ulimit
    /// -n 100`.
    pub(crate) fn command_after(shell: &str) -> Command {
        let mut command = Self::shielded("sh");
        command.args(["-c", &format!("{shell}; exec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_order-processor"));
        command
    }

    /// timeout(1) without the `ORDERS_` variables of this process, for a script.
    pub(crate) fn timeout() -> Command {
        let mut command = Self::shielded("timeout");
        command.env_remove("ORDERS_ALLOWED_HOSTS");
        command
    }

    /// The same with a script of bash(1) that has the program on its `PATH`.
    pub(crate) fn script(seconds: &str, options: &str, text: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_order-processor"));
        let directory = program.parent().expect("it is in a directory");
        let path = std::env::var("PATH").expect("a PATH");
        let mut command = Self::timeout();
        command
            .args([seconds, "bash", options, "-c", text])
            .env("PATH", format!("{}:{path}", directory.display()));
        command
    }

    /// Has `wrapper`, such as strace(1), run a prepared command.
    pub(crate) fn wrapped(mut wrapper: Command, command: &Command) -> Command {
        wrapper.arg(command.get_program());
        Self::continued(wrapper, command)
    }

    /// The same command of another program, such as an earlier release.
    pub(crate) fn of_program(program: &Path, command: &Command) -> Command {
        Self::continued(Command::new(program), command)
    }

    /// With the arguments and variables of `command` behind its own.
    fn continued(mut longer: Command, command: &Command) -> Command {
        longer.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => longer.env(name, value),
                None => longer.env_remove(name),
            };
        }
        longer
    }

    fn shielded(program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ORDERS_") {
                command.env_remove(name);
            }
        }
        // What requests of these tests call the service, which is on loopback.
        command.env("ORDERS_ALLOWED_HOSTS", "orders,o,a");
        command
    }

    /// Starts a prepared command and waits until it is ready.
    #[track_caller]
    pub(crate) fn launch(command: Command) -> Self {
        Self::launch_with(command, &["http", "admin"])
    }

    /// The same for a command that listens on these ports.
    #[track_caller]
    pub(crate) fn launch_with(command: Command, ports: &[&str]) -> Self {
        let service = Self::listening(command, ports);
        until("ready", || get(service.admin, "/readyz").status == 200);
        service
    }

    /// Starts a prepared command and waits until it listens on these ports: it
    /// may be recovering then.
    #[track_caller]
    pub(crate) fn listening(mut command: Command, ports: &[&str]) -> Self {
        command.stderr(Stdio::piped());
        Self::spawn(command, ports)
    }

    /// The same as `launch`, for a command with a standard error of its own.
    #[track_caller]
    pub(crate) fn launch_stalled(command: Command) -> Self {
        let service = Self::spawn(command, &["http", "admin"]);
        until("ready", || get(service.admin, "/readyz").status == 200);
        service
    }

    #[track_caller]
    fn spawn(mut command: Command, ports: &[&str]) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        drop(command); // and with it its end of the pipe
        let log = Arc::new(Mutex::new(String::new()));
        let (line, lines) = mpsc::channel();
        let out = child.stdout.take().expect("piped, above");
        let err = child.stderr.take();
        let written = log.clone();
        let readers = vec![
            thread::spawn(move || {
                for text in BufReader::new(out).lines().map_while(Result::ok) {
                    let _ = line.send(text); // lines past the addresses are not read
                }
            }),
            thread::spawn(move || {
                let lines = err.into_iter().flat_map(|err| BufReader::new(err).lines());
                for text in lines.map_while(Result::ok) {
                    let mut log = written.lock().unwrap();
                    log.push_str(&text);
                    log.push('\n');
                }
            }),
        ];
        let mut service = Self {
            child,
            http: ([0, 0, 0, 0], 0).into(),
            admin: ([0, 0, 0, 0], 0).into(),
            grpc: None,
            log,
            readers,
        };
        for name in ports {
            let text = lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no address of {name}; log:\n{}", service.log()));
            let address = text
                .strip_prefix(&format!("listening {name} "))
                .unwrap_or_else(|| panic!("expected the address of {name}, got {text:?}"));
            let address = address.parse().expect("an address with its port");
            match *name {
                "http" => service.http = address,
                "admin" => service.admin = address,
                _ => service.grpc = Some(address),
            }
        }
        service
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The fields of each line with this message, of a log in JSON.
    pub(crate) fn log_lines(&self, message: &str) -> Vec<Value> {
        let log = self.log();
        let lines = log.lines();
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        let fields = lines.map(|line| line["fields"].clone());
        fields.filter(|line| line["message"] == message).collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is our child");
    }

    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for its end, within `timeout`.
    #[track_caller]
    pub(crate) fn wait(mut self, timeout: Duration) -> Ended {
        let deadline = Instant::now() + timeout;
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            let late = Instant::now() >= deadline;
            assert!(!late, "still alive after {timeout:?}; log:\n{}", self.log());
            thread::sleep(Duration::from_millis(5)); // between two polls
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("reading lines does not panic");
        }
        Ended {
            code: status.code(),
            log: self.log(),
        }
    }

    /// Drains it by SIGTERM and expects exit code 0.
    #[track_caller]
    pub(crate) fn drain(self) -> Ended {
        self.terminate();
        let ended = self.wait(PATIENCE);
        assert_eq!(ended.code, Some(0), "log:\n{}", ended.log);
        ended
    }

    #[track_caller]
    pub(crate) fn figures(&self) -> Figures {
        Figures::read(self.admin)
    }

    /// Waits until no order is inside and the accounting identity holds;
    /// returns the figures.
    #[track_caller]
    pub(crate) fn settled(&self) -> Figures {
        Figures::settled(self.admin)
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let nanos = self.of_each_thread("schedstat").into_iter().map(|text| {
            let first = text.split(' ').next().expect("three numbers");
            first.parse::<u64>().expect("nanoseconds on a core")
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Voluntary context switches of all its threads so far.
    pub(crate) fn sleeps(&self) -> u64 {
        let sleeps = self.of_each_thread("status").into_iter().map(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            let count = line.expect("every kernel has this line").trim();
            count.parse::<u64>().expect("a count")
        });
        sleeps.sum()
    }

    /// The names of its threads, as the kernel has them.
    pub(crate) fn thread_names(&self) -> Vec<String> {
        let names = self.of_each_thread("comm").into_iter();
        names.map(|name| name.trim_end().to_owned()).collect()
    }

    /// The contents of this file of each of its threads in /proc.
    fn of_each_thread(&self, file: &str) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it runs");
        let texts = tasks.filter_map(|task| {
            let path = task.ok()?.path().join(file);
            std::fs::read_to_string(path).ok() // a thread that has ended meanwhile
        });
        texts.collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("log of the service:\n{}", self.log());
        }
    }
}
