//! strace, attached to a service and tampering with its system calls.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::harness::{Service, eventually, until};

/// Detaches when dropped.
pub(crate) struct Injected(Child);

impl Injected {
    /// Does `what` (strace(1), "Tampering") to each of the service's calls of
    /// this name.
    #[track_caller]
    pub(crate) fn into(service: &Service, call: &str, what: &str) -> Self {
        let process = service.pid().to_string();
        let attached = Self(strace(&["-f", "-p", &process], call, what));
        until("traced", || {
            // Threads are attached one after the other: wait for all.
            tasks(service).iter().all(|task| is_traced(task))
        });
        attached
    }

    /// The same to one thread of the service only, by its name.
    #[track_caller]
    pub(crate) fn into_thread(service: &Service, thread: &str, call: &str, what: &str) -> Self {
        // A thread names itself, a moment after it has begun.
        let task = eventually(&format!("the thread {thread}"), || {
            tasks(service).into_iter().find(|task| {
                let name = fs::read_to_string(task.join("comm"));
                name.is_ok_and(|name| name.trim_end() == thread)
            })
        });
        let id = task.file_name().and_then(|name| name.to_str()).unwrap();
        let attached = Self(strace(&["-p", id], call, what));
        until("traced", || is_traced(&task));
        attached
    }

    /// The same to the thread that commits.
    #[track_caller]
    pub(crate) fn into_committer(service: &Service, call: &str, what: &str) -> Self {
        // The line that says so may be on its way.
        let fused = eventually("the plan of its threads", || {
            let log = service.log();
            let plan = log.lines().find(|line| line.contains(", I/O threads "))?;
            Some(plan.contains("(which commits, too)"))
        });
        let thread = if fused { "worker-0" } else { "committer" };
        Self::into_thread(service, thread, call, what)
    }
}

fn strace(whom: &[&str], call: &str, what: &str) -> Child {
    Command::new("strace")
        .args(["-qq", "-o", "/dev/null"])
        .args(whom)
        .args(["-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:{what}")])
        .stderr(Stdio::null())
        .spawn()
        .expect("strace is there")
}

fn tasks(service: &Service) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{}/task", service.pid()));
    let tasks = tasks.expect("it runs").filter_map(Result::ok);
    tasks.map(|task| task.path()).collect()
}

fn is_traced(task: &Path) -> bool {
    let status = fs::read_to_string(task.join("status"));
    status.is_ok_and(|text| !text.contains("TracerPid:\t0\n"))
}

impl Drop for Injected {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it ends with what it traces
        let _ = self.0.wait();
    }
}
