//! One instance with its directory: the old process ends before the next one
//! starts, as a StatefulSet and systemd do it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use crate::harness::{
    Client, Directory, PATIENCE, Service, eventually, get, lasting_address, order, post, until,
};
use crate::load::{Persistent, Told, agrees, feed};
use crate::versions::Version::{self, New, Old};
use crate::versions::are_the_same;

/// What the programs of a test follow each other with.
struct Instance {
    directory: Directory,
    http: SocketAddr,
    flags: &'static [&'static str],
}

impl Instance {
    fn new(flags: &'static [&'static str]) -> Self {
        Self {
            directory: Directory::with_segments_of(1 << 20),
            http: lasting_address(),
            flags,
        }
    }

    fn command(&self, version: Version) -> Command {
        let mut command = version.command(self.http);
        command.args(["--ledger", "journal", "--data-dir"]);
        command.arg(&self.directory.0).args(self.flags);
        command
    }

    fn start(&self, version: Version) -> Service {
        Service::launch(self.command(version))
    }

    /// The old version on what the new one has written. If it knows the format,
    /// it serves it; else it refuses to start, says so and changes nothing, and
    /// the new version is started again.
    #[track_caller]
    fn go_back(&self) -> Service {
        let before = self.files();
        let service = Service::listening(self.command(Old), &["http", "admin"]);
        if serves(&service) {
            return service;
        }
        let ended = service.wait(PATIENCE);
        assert_eq!(ended.code, Some(1), "{}", ended.log);
        assert!(!are_the_same(), "{}", ended.log);
        let says_why = ended
            .log
            .contains(" of the format, and this program knows ");
        assert!(says_why, "{}", ended.log);
        assert!(self.files() == before, "it changed a file");
        eprintln!("refused by the old program: {}", ended.log.trim_end());
        self.start(New)
    }

    /// All files but the lock, which names its holder.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(&self.directory.0).unwrap();
        let files = entries.map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        });
        files.filter(|(name, _)| name != "lock").collect()
    }
}

/// Whether a process that has bound its ports becomes ready, or ends.
#[track_caller]
fn serves(service: &Service) -> bool {
    eventually("it is ready, or has ended", || {
        let Ok(mut client) = Client::try_to(service.admin) else {
            return Some(false);
        };
        let asked = client.try_send("GET /readyz HTTP/1.1\r\nHost: orders\r\n\r\n");
        let reply = asked.ok().and_then(|()| client.try_reply());
        (reply?.status == 200).then_some(true)
    })
}

/// The feed has no gap, and each answered order once with the outcome that its
/// client got; sent again, an order gets that outcome again.
#[track_caller]
fn has_all(service: &Service, told: &HashMap<String, Told>) {
    service.settled();
    let feed = feed(service.http);
    let last = feed.values().map(|outcome| outcome.seq).max().unwrap_or(0);
    assert_eq!(feed.len() as u64, last, "sequences without gaps, from 1");
    agrees(told, &feed);
    let mut client = Client::to(service.http);
    // Enough of them to have some of each process.
    for (id, outcome) in told
        .iter()
        .filter(|(_, told)| told.status == "processed")
        .take(1000)
    {
        let reply = client.ask(order(id));
        assert_eq!(
            reply.header("idempotent-replayed"),
            Some("true"),
            "{reply:?}"
        );
        assert_eq!(Told::of(&reply).as_ref(), Some(outcome), "{id}");
    }
}

/// Orders that the processor fails.
#[track_caller]
fn failed(http: SocketAddr, name: &str) -> HashMap<String, Told> {
    let ids = (0..5).map(|number| format!("{name}-{number}"));
    let told = ids.map(|id| {
        let reply = post(http, "", &format!(r#"{{"id":"{id}","value":1000}}"#));
        assert_eq!(reply.status, 422, "{reply:?}");
        (id, Told::of(&reply).expect("an outcome"))
    });
    told.collect()
}

#[test]
fn an_update_under_load_and_the_way_back() {
    let instance = Instance::new(&["--max-value", "100"]);
    let old = instance.start(Old);
    let ledger = ledger_id(&old);
    let mut told = failed(instance.http, "old");
    let clients = Persistent::start(&[instance.http], 6);
    clients.more(300, "answers of the old version");
    old.drain();
    let new = instance.start(New);
    clients.more(300, "answers of the new version");
    told.extend(clients.end());
    has_all(&new, &told);

    told.extend(failed(instance.http, "new"));
    let clients = Persistent::named("back", &[instance.http], 6);
    clients.more(300, "answers before the way back");
    new.drain();
    let service = instance.go_back();
    clients.more(300, "answers after the way back");
    told.extend(clients.end());
    has_all(&service, &told);
    assert_eq!(failed(instance.http, "old"), first_outcomes(&told, "old"));
    service.drain();
    // Whichever it was, the new version goes on with it.
    let service = instance.start(New);
    has_all(&service, &told);
    assert_eq!(ledger_id(&service), ledger, "followers go on");
    service.drain();
}

/// The old version is killed, as by a machine that fails while it is updated.
#[test]
fn what_a_killed_version_leaves_is_recovered_by_the_other() {
    let instance = Instance::new(&[]);
    let clients = Persistent::start(&[instance.http], 6);
    for (version, next) in [(Old, New), (New, New)] {
        let service = instance.start(version);
        let ledger = ledger_id(&service);
        clients.more(200, "answers");
        drop(service); // killed
        let service = instance.start(next);
        assert_eq!(ledger_id(&service), ledger, "followers go on");
        clients.more(200, "answers after the kill");
        drop(service);
    }
    let told = clients.end();
    let service = instance.start(New);
    has_all(&service, &told);
    service.drain();
}

#[track_caller]
fn ledger_id(service: &Service) -> String {
    let page = get(service.http, "/orders?after=0&limit=1");
    page.header("orders-ledger-id").unwrap().to_owned()
}

fn first_outcomes(told: &HashMap<String, Told>, name: &str) -> HashMap<String, Told> {
    let ids = (0..5).map(|number| format!("{name}-{number}"));
    ids.map(|id| (id.clone(), told[&id].clone())).collect()
}

/// Orders that were acknowledged as queued when the deadline of the drain passed:
/// the file `pending` of one version is taken up by the other.
#[test]
fn pending_orders_are_taken_up_by_the_other_version() {
    let instance = Instance::new(&[
        "--processor",
        "simulate",
        "--simulate",
        "500ms..500ms",
        "--workers",
        "1",
        "--drain-timeout",
        "200ms",
    ]);
    let mut service = instance.start(Old);
    let mut all = Vec::new();
    for (name, back) in [("there", false), ("back", true)] {
        for number in 0..10 {
            let id = format!("{name}-{number}");
            let body = format!(r#"{{"id":"{id}","value":1}}"#);
            let reply = post(instance.http, "Prefer: respond-async\r\n", &body);
            assert_eq!(reply.status, 202, "{reply:?}");
            all.push(id);
        }
        service.terminate();
        let ended = service.wait(PATIENCE);
        assert_eq!(ended.code, Some(3), "{}", ended.log);
        assert!(ended.logged("kept") > 0, "{}", ended.log);
        service = if back {
            instance.go_back()
        } else {
            instance.start(New)
        };
        until("all have an outcome", || {
            feed(instance.http).len() == all.len()
        });
        has_all(&service, &HashMap::new());
    }
    let outcomes = feed(instance.http);
    assert!(all.iter().all(|id| outcomes.contains_key(id)));
    service.drain();
}
