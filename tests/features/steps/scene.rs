//! What a scenario has: its service, its clients, and what they were told.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt::{Debug, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::{fmt, mem};

use crate::batches::Batches;
use crate::crowd::Crowd;
use crate::feed::Reader;
use crate::front_ends::{Answer, Connection, FrontEnd, Gone, Protocol, Submission};
use crate::harness::{Ended, Reply, Service};

/// What cucumber hands from step to step.
#[derive(cucumber::World)]
pub(crate) struct World {
    scene: Scene,
}

impl Default for World {
    fn default() -> Self {
        Self {
            scene: Scene::new(),
        }
    }
}

impl Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scene.seen())
    }
}

impl World {
    /// Runs a step's work on a thread where it may block: all scenarios share
    /// the one that calls this. A panic goes on, with what has been seen so
    /// far.
    pub(crate) async fn act(&mut self, step: impl FnOnce(&mut Scene) + Send + 'static) {
        let mut scene = mem::replace(&mut self.scene, Scene::new());
        let work = tokio::task::spawn_blocking(move || {
            let done = catch_unwind(AssertUnwindSafe(|| step(&mut scene)));
            (scene, done)
        });
        let (scene, done) = work.await.expect("a panic is caught inside");
        self.scene = scene;
        if let Err(panic) = done {
            panic!("{}\n{}", message(&*panic), self.scene.seen());
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let string = || panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(string).unwrap_or("a panic without words")
}

/// A scenario's state.
pub(crate) struct Scene {
    /// Flags by name without dashes: what the sentences ask for, over the
    /// defaults here.
    pub flags: BTreeMap<&'static str, String>,
    service: Option<Service>,
    /// Where the journal is, if there is one. Removed in the end, after the
    /// service.
    directory: Option<Directory>,
    /// What the clients speak.
    pub protocol: Protocol,
    /// The clients that have handed in an order and wait, with its id.
    pub waiting: Vec<(String, JoinHandle<Result<Answer, Gone>>)>,
    /// A connection made before something happens.
    pub open: Option<Box<dyn Connection>>,
    /// The last order handed in.
    pub sent: Option<Submission>,
    /// The last answer.
    pub answer: Option<Answer>,
    /// The last reply to something else than an order.
    pub reply: Option<Reply>,
    /// Many clients, while they are busy.
    pub crowd: Option<Crowd>,
    /// What many clients were kind, by id.
    pub answers: HashMap<String, Answer>,
    pub batches: Batches,
    pub reader: Reader,
    pub ended: Option<Ended>,
}

impl Scene {
    fn new() -> Self {
        let flags = [
            ("listen", "127.0.0.1:0"),
            ("admin-listen", "127.0.0.1:0"),
            ("grpc-listen", "127.0.0.1:0"),
            ("ledger", "memory"),
        ];
        Self {
            flags: flags
                .map(|(flag, value)| (flag, value.to_owned()))
                .into_iter()
                .collect(),
            directory: None,
            service: None,
            protocol: Protocol::Http,
            waiting: Vec::new(),
            open: None,
            sent: None,
            answer: None,
            reply: None,
            crowd: None,
            answers: HashMap::new(),
            batches: Batches::default(),
            reader: Reader::default(),
            ended: None,
        }
    }

    /// Keeps outcomes on disk, in a directory of this scenario's own.
    pub(crate) fn keep_on_disk(&mut self) {
        let directory = Directory::new();
        self.set("ledger", "journal");
        self.set("data-dir", directory.0.to_str().expect("UTF-8"));
        self.directory = Some(directory);
    }

    /// Sets a flag. The service starts when a step first needs it, so that a
    /// scenario may say in several sentences what it is like.
    pub(crate) fn set(&mut self, flag: &'static str, value: impl ToString) {
        assert!(self.service.is_none(), "--{flag}: it runs already");
        self.flags.insert(flag, value.to_string());
    }

    /// The service, started if it isn't yet.
    pub(crate) fn service(&mut self) -> &Service {
        let flags = &self.flags;
        self.service.get_or_insert_with(|| {
            let mut command: Command = Service::command();
            for (flag, value) in flags {
                command.arg(format!("--{flag}")).arg(value);
            }
            Service::launch_with(command, &["http", "admin", "grpc"])
        })
    }

    /// Takes the service out, to end it.
    pub(crate) fn take_service(&mut self) -> Service {
        self.service(); // if no step has needed it before
        self.service.take().expect("just started")
    }

    /// The front_end that the scenario's clients come through.
    pub(crate) fn front_end(&mut self) -> Arc<dyn FrontEnd> {
        let protocol = self.protocol;
        protocol.front_end(self.service())
    }

    /// Hands in an order and remembers the answer.
    pub(crate) fn submit(&mut self, order: Submission) {
        let mut connection = self.front_end().connect().expect("the service listens");
        let answer = connection.submit(&order).expect("an answer");
        self.sent = Some(order);
        self.answer = Some(answer);
    }

    /// The last answer.
    pub(crate) fn answer(&self) -> &Answer {
        self.answer.as_ref().expect("a client was told something")
    }

    /// The last answer and reply, and the whole log.
    fn seen(&self) -> String {
        let mut seen = String::new();
        if let Some(answer) = &self.answer {
            let _ = writeln!(seen, "\nlast answer: {:?}\n{}", answer.kind, answer.seen);
        }
        if let Some(reply) = &self.reply {
            let text = String::from_utf8_lossy(&reply.body);
            let _ = writeln!(seen, "\nlast reply: {}\n{text}", reply.line);
        }
        let log = match (&self.service, &self.ended) {
            (Some(service), _) => service.log(),
            (None, Some(ended)) => ended.log.clone(),
            (None, None) => "(it doesn't run)".to_owned(),
        };
        let _ = writeln!(seen, "\nlog of the service:\n{log}");
        seen
    }
}

/// A directory that is removed in the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("orders-features-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Of an earlier process with this number, which was killed.
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // the service may not have made it
    }
}
