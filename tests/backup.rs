//! `journal backup` and `journal restore`, and what a start makes of a directory
//! whose sequence has gone back.

mod harness;

use std::path::Path;
use std::process::Output;

use harness::{Client, Crowd, Directory, Service, get, order, until};

fn tool(words: &[&str], paths: &[(&str, &Path)]) -> Output {
    let mut command = Service::command();
    command.arg("journal").args(words);
    for (flag, path) in paths {
        command.arg(flag).arg(path);
    }
    command.output().expect("it runs")
}

#[track_caller]
fn done(output: Output) -> String {
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// What the feed's readers compare.
#[track_caller]
fn ledger_id(service: &Service) -> String {
    let reply = get(service.http, "/orders?after=0&limit=1");
    let id = reply.header("orders-ledger-id");
    id.expect("the feed names its ledger").to_owned()
}

fn seq(service: &Service, id: &str) -> u64 {
    let reply = Client::to(service.http).ask(order(id));
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()["seq"].as_u64().unwrap()
}

#[test]
fn a_backup_beside_a_busy_service_is_restored_as_another_ledger() {
    let (data, saved, restored) = (Directory::new(), Directory::new(), Directory::new());
    let service = data.start(&[]);
    let id = ledger_id(&service);
    let crowd = Crowd::start(service.http, 4);
    until("under load", || crowd.replies() > 100);
    let before = seq(&service, "before");
    let paths = [("--to", &*saved.0), ("--data-dir", &*data.0)];
    let told = done(tool(&["backup"], &paths));
    assert!(told.contains(&format!("ledger     {id}")), "{told}");
    let again = refused(tool(&["backup"], &paths));
    assert!(again.contains("is not empty"), "{again}");
    let after = seq(&service, "after");
    crowd.end();
    service.drain();
    let told = done(tool(&["verify"], &[("--data-dir", &saved.0)]));
    assert!(told.contains("rewound    its files are a copy"), "{told}");

    let paths = [("--from", &*saved.0), ("--data-dir", &*restored.0)];
    let told = done(tool(&["restore"], &paths));
    assert!(!told.contains(&id), "{told}");
    let told = done(tool(&["verify"], &[("--data-dir", &restored.0)]));
    assert!(!told.contains("rewound"), "{told}");
    let service = restored.start(&[]);
    let new_id = ledger_id(&service);
    assert!(new_id != id && told.contains(&new_id), "{new_id}: {told}");
    let known = get(service.http, "/orders/before").json();
    assert_eq!(known["seq"].as_u64(), Some(before));
    let next = seq(&service, "next");
    assert!((before + 1..=after).contains(&next), "{next} of {after}");
    service.drain();
    let service = restored.start(&[]);
    assert_eq!(ledger_id(&service), new_id, "kept from then on");
    service.drain();

    // Without a tool: the start notices.
    let service = saved.start(&[]);
    let started = ledger_id(&service);
    assert!(started != id && started != new_id);
    let log = service.drain().log;
    assert!(log.contains("it has a new ledger id"), "{log}");
}

#[test]
fn a_directory_whose_segments_were_deleted_is_another_ledger() {
    let directory = Directory::new();
    let service = directory.start(&[]);
    let id = ledger_id(&service);
    for number in 1..=3 {
        assert_eq!(seq(&service, &format!("o-{number}")), number);
    }
    service.signal(rustix::process::Signal::KILL);
    drop(service);
    for entry in std::fs::read_dir(&directory.0).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let told = done(tool(&["verify"], &[("--data-dir", &directory.0)]));
    assert!(
        told.contains("rewound    its segments are missing"),
        "{told}"
    );
    let service = directory.start(&[]);
    assert_ne!(ledger_id(&service), id);
    assert_eq!(seq(&service, "o-1"), 1);
    let log = service.drain().log;
    assert!(log.contains("its segments are missing"), "{log}");
}

#[test]
fn what_is_no_backup_is_refused() {
    let (nothing, data) = (Directory::new(), Directory::new());
    let paths = [("--from", &*nothing.0), ("--data-dir", &*data.0)];
    let told = refused(tool(&["restore"], &paths));
    assert!(told.contains("holds no journal"), "{told}");
    assert!(!data.0.exists(), "nothing is made");
    // Nor in a directory of somebody else's.
    std::fs::create_dir(&data.0).unwrap();
    let theirs = data.0.join("theirs");
    std::fs::write(&theirs, "x").unwrap();
    let source = Directory::new();
    source.start(&[]).drain();
    let paths = [("--from", &*source.0), ("--data-dir", &*data.0)];
    let told = refused(tool(&["restore"], &paths));
    assert!(told.contains("is not empty"), "{told}");
    assert_eq!(std::fs::read_dir(&data.0).unwrap().count(), 1);
    std::fs::remove_file(theirs).unwrap();
    // Nor is a directory restored into that a service holds.
    let service = data.start(&[]);
    let saved = Directory::new();
    let paths = [("--to", &*saved.0), ("--data-dir", &*data.0)];
    done(tool(&["backup"], &paths));
    let paths = [("--from", &*saved.0), ("--data-dir", &*data.0)];
    let told = refused(tool(&["restore"], &paths));
    assert!(told.contains("is in use by process"), "{told}");
    service.drain();
}

/// A volume that is the data directory is not quite empty when it is new.
#[test]
fn the_root_of_a_new_file_system_is_an_empty_directory() {
    let (data, volume) = (Directory::new(), Directory::new());
    let service = data.start(&[]);
    assert_eq!(seq(&service, "o-1"), 1);
    service.drain();
    std::fs::create_dir_all(volume.0.join("lost+found")).unwrap();
    let paths = [("--from", &*data.0), ("--data-dir", &*volume.0)];
    done(tool(&["restore"], &paths));
    let service = volume.start(&[]);
    assert_eq!(get(service.http, "/orders/o-1").status, 200);
    assert_eq!(seq(&service, "o-2"), 2);
    service.drain();
}
