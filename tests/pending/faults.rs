//! Pending files that can't be read or written, and a ledger that takes no
//! orders.

use std::fs;

use crate::harness::{Client, Directory, Injected, PATIENCE, Service, Small, order, until};
use crate::{STUCK, acknowledged, file, late, one_outcome_each};

#[test]
fn a_pending_file_that_cannot_be_used_refuses_the_start() {
    let directory = Directory::new();
    let service = directory.start(&STUCK);
    let ids: Vec<String> = (0..3).map(|number| format!("o-{number}")).collect();
    ids.iter().for_each(|id| acknowledged(&service, id));
    late(service, 3);
    let refuses = |flags: &[&str], why: &str| {
        let output = directory.command(flags).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(why), "{text}");
    };
    let whole = fs::read(file(&directory)).unwrap();
    let damaged =
        "pending holds orders that were acknowledged as queued, and it is damaged: restore it";
    for at in [0, 40, 70, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(file(&directory), bytes).unwrap();
        refuses(&[], damaged);
    }
    fs::write(file(&directory), &whole[..whole.len() - 1]).unwrap();
    refuses(&[], "it was cut or added to");
    fs::write(file(&directory), &whole).unwrap();
    refuses(
        &["--queue-bytes", "1KiB", "--max-body", "512"],
        "3 pending orders don't fit: raise --queue-bytes to 16",
    );
    // Of another ledger.
    let other = Directory::new();
    other.start(&[]).drain();
    fs::copy(file(&directory), file(&other)).unwrap();
    let output = other.command(&[]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("pending belongs to ledger"), "{text}");

    let service = directory.start(&[]);
    service.settled();
    one_outcome_each(&service, &ids);
    service.drain();
}

#[test]
fn orders_that_cannot_be_saved_are_reported() {
    let directory = Directory::new();
    let service = directory.start(&STUCK);
    (0..3).for_each(|number| acknowledged(&service, &format!("o-{number}")));
    late(service, 3);
    let before = fs::read(file(&directory)).unwrap();
    let service = directory.start(&STUCK);
    (0..2).for_each(|number| acknowledged(&service, &format!("new-{number}")));
    fs::create_dir(directory.0.join("pending.new")).unwrap();
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert!(
        ended.log.contains("can't make pending.new"),
        "{}",
        ended.log
    );
    // Those of the last time are still there.
    assert_eq!((ended.logged("kept"), ended.logged("lost")), (3, 2));
    assert_eq!(fs::read(file(&directory)).unwrap(), before);
    fs::remove_dir(directory.0.join("pending.new")).unwrap();
    let service = directory.start(&[]);
    let ids: Vec<String> = (0..3).map(|number| format!("o-{number}")).collect();
    service.settled();
    one_outcome_each(&service, &ids);
    service.drain();
}

/// A service with an acknowledged order inside, on a real file system that has
/// no space left; `None` if this process may not make one.
fn on_a_full_disk(reserved: bool) -> Option<(Small, Directory, Service)> {
    let small = Small::mount(100)?;
    let directory = small.directory();
    let service = directory.start(&STUCK);
    acknowledged(&service, "a");
    let reserve = directory.0.join("pending.reserve");
    until("space is reserved", || {
        fs::metadata(&reserve).is_ok_and(|file| file.len() == 2 << 20)
    });
    if !reserved {
        fs::remove_file(reserve).unwrap();
    }
    let filler = fs::File::create(directory.0.join("filler")).unwrap();
    let full = std::io::copy(&mut std::io::repeat(1), &mut &filler).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    Some((small, directory, service))
}

#[test]
fn a_full_disk_has_space_for_them() {
    let Some((_small, directory, service)) = on_a_full_disk(true) else {
        return;
    };
    let ended = late(service, 1);
    assert!(
        ended.log.contains("the space reserved for it is used"),
        "{}",
        ended.log
    );
    fs::remove_file(directory.0.join("filler")).unwrap();
    let service = directory.start(&[]);
    service.settled();
    one_outcome_each(&service, &["a".to_owned()]);
    until("space is reserved again", || {
        directory.0.join("pending.reserve").exists()
    });
    service.drain();
}

#[test]
fn a_full_disk_without_it_is_reported() {
    let Some((_small, _directory, service)) = on_a_full_disk(false) else {
        return;
    };
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert!(ended.log.contains("write pending.new"), "{}", ended.log);
    assert_eq!(ended.logged("lost"), 1);
}

/// A client that waits has its answer at the deadline all the same, and once
/// the disk answers, what was acknowledged is saved.
#[test]
fn a_disk_that_hangs_holds_up_no_client() {
    let directory = Directory::new();
    let service = directory.start(&STUCK);
    acknowledged(&service, "acknowledged");
    let mut waits = Client::to(service.http);
    waits.send(order("waits"));
    until("both are inside", || service.figures().inside() == 2);
    let hung = Injected::into(&service, "fdatasync", "delay_enter=600000000");
    service.terminate();
    assert_eq!(waits.reply().problem(503)["retry_safe"], true);
    until("it says so", || service.log().contains("waiting to save"));
    drop(hung);
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert_eq!((ended.logged("kept"), ended.logged("lost")), (1, 0));
    let service = directory.start(&[]);
    service.settled();
    one_outcome_each(&service, &["acknowledged".to_owned()]);
    service.drain();
}

/// The ledger has the orders, and no space for them: it returns them.
#[test]
fn orders_the_ledger_could_not_write_are_saved() {
    let directory = Directory::new();
    let service = directory.start(&["--drain-timeout", "300ms"]);
    let _full = Injected::into_committer(&service, "pwrite64", "error=ENOSPC");
    let ids: Vec<String> = (0..5).map(|number| format!("o-{number}")).collect();
    acknowledged(&service, &ids[0]);
    until("no space", || {
        service.log().contains("orders are refused until it works")
    });
    assert_eq!(service.figures().inside(), 1);
    late(service, 1);
    let service = directory.start(&[]);
    service.settled();
    one_outcome_each(&service, &ids[..1]);
    service.drain();
}

/// The ledger has an order and doesn't return: the drain doesn't wait for it
/// without end, and no client is left to believe that the order is queued.
#[test]
fn orders_the_ledger_does_not_return_are_reported() {
    let directory = Directory::new();
    let service = directory.start(&["--drain-timeout", "300ms"]);
    let hung = Injected::into_committer(&service, "fdatasync", "delay_enter=20000000");
    acknowledged(&service, "acknowledged");
    let mut waits = Client::to(service.http);
    until("with the ledger", || {
        let figures = service.figures();
        let queued = figures.get("queue_depth") + figures.get("commit_queue_depth");
        figures.inside() == 1 && queued == 0.0
    });
    waits.send(order("acknowledged"));
    until("waits", || service.figures().count("orders_duplicate") == 1);
    service.terminate();
    assert_eq!(waits.reply().problem(503)["type"], "/problems/ledger-down");
    until("it has given up", || service.log().contains("lost=1"));
    drop(hung); // a process isn't gone while one of its threads is traced
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert_eq!(ended.logged("lost"), 1, "{}", ended.log);
}

/// What became of acknowledged orders is said, whatever else goes wrong.
#[test]
fn a_fault_in_a_drain_says_what_is_lost() {
    let directory = Directory::new();
    let service = directory.start(&[
        "--processor",
        "simulate",
        "--simulate",
        "2s..2s,fail=0",
        "--workers",
        "1",
    ]);
    let _failing = Injected::into_committer(&service, "fdatasync", "error=EIO");
    let ids = ["a".to_owned(), "b".to_owned()];
    ids.iter().for_each(|id| acknowledged(&service, id));
    service.terminate();
    let ended = service.wait(PATIENCE);
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    // They have no outcome, and the file has both still.
    assert_eq!((ended.logged("kept"), ended.logged("lost")), (2, 0));
    let again = directory.start(&[]);
    again.settled();
    one_outcome_each(&again, &ids);
    again.drain();
}
