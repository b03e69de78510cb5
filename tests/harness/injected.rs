//! strace, attached to a service and tampering with its system calls.

use std::process::{Child, Command, Stdio};

use crate::harness::{Service, until};

/// Detaches when dropped.
pub(crate) struct Injected(Child);

impl Injected {
    /// Does `what` (strace(1), "Tampering") to each of the service's calls of
    /// this name.
    #[track_caller]
    pub(crate) fn into(service: &Service, call: &str, what: &str) -> Self {
        let log = std::env::temp_dir().join(format!("orders-strace-{}", service.pid()));
        let child = Command::new("strace")
            .args(["-f", "-qq", "-p", &service.pid().to_string(), "-e"])
            .arg(format!("trace={call}"))
            .arg("-e")
            .arg(format!("inject={call}:{what}"))
            .arg("-o")
            .arg(&log)
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is there");
        until("traced", || {
            // Threads are attached one after the other: wait for all.
            let tasks = std::fs::read_dir(format!("/proc/{}/task", service.pid()));
            let mut tasks = tasks.expect("it runs").filter_map(Result::ok);
            tasks.all(|task| {
                let status = std::fs::read_to_string(task.path().join("status"));
                status.is_ok_and(|text| !text.contains("TracerPid:\t0\n"))
            })
        });
        let _ = std::fs::remove_file(log);
        Self(child)
    }
}

impl Injected {
    /// The same to one thread of the service only, by its name.
    #[track_caller]
    pub(crate) fn into_thread(service: &Service, thread: &str, call: &str, what: &str) -> Self {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", service.pid()));
        let task = tasks
            .expect("it runs")
            .filter_map(Result::ok)
            .map(|task| task.path())
            .find(|task| {
                let name = std::fs::read_to_string(task.join("comm"));
                name.is_ok_and(|name| name.trim_end() == thread)
            });
        let task = task.unwrap_or_else(|| panic!("no thread {thread}"));
        let id = task.file_name().and_then(|name| name.to_str()).unwrap();
        let child = Command::new("strace")
            .args(["-qq", "-p", id, "-e"])
            .arg(format!("trace={call}"))
            .arg("-e")
            .arg(format!("inject={call}:{what}"))
            .args(["-o", "/dev/null"])
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is there");
        until("traced", || {
            let status = std::fs::read_to_string(task.join("status"));
            status.is_ok_and(|text| !text.contains("TracerPid:\t0\n"))
        });
        Self(child)
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it ends with what it traces
        let _ = self.0.wait();
    }
}
