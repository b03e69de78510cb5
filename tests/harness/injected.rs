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

impl Drop for Injected {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it ends with what it traces
        let _ = self.0.wait();
    }
}
