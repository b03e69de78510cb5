//! Segments of an earlier version of the format: read, never appended to, and
//! followed by segments of this version, whenever a start is cut short.

use crc32c::crc32c;

use crate::ledger::journal::file_names::{segment_name, segment_number};
use crate::ledger::journal::storage::Source;
use crate::ledger::journal::tests::disk::{Crash, Disk, Fault};
use crate::ledger::journal::tests::fixture::{
    Evaluated, append, committed, evaluated, open, options, read_all,
};
use crate::order::Submission;

const SEGMENT: u64 = 1024;
/// Where a segment's header has the version.
const VERSION_AT: usize = 8;

/// Orders of which an earlier version could record all there is.
fn plain(numbers: std::ops::Range<u64>) -> Vec<Evaluated> {
    let mut orders: Vec<_> = numbers.map(|number| evaluated(number, 40)).collect();
    for evaluated in &mut orders {
        evaluated.order.set_submission(Submission::default());
    }
    orders
}

fn segments(disk: &Disk) -> Vec<String> {
    let names = disk.names().unwrap();
    names
        .into_iter()
        .filter(|name| segment_number(name).is_some())
        .collect()
}

fn version(disk: &Disk, name: &str) -> u8 {
    disk.bytes(name)[VERSION_AT]
}

fn set_version(disk: &Disk, name: &str, version: u8) {
    disk.change(name, |bytes| {
        bytes[VERSION_AT] = version;
        let sum = crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..64].copy_from_slice(&sum);
    });
}

/// The journal as version 1 leaves it: after a clean end, or killed.
fn written_by_version_1(orders: &[Evaluated], crash: Option<Crash>) -> Disk {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
    for batch in orders.chunks(3) {
        append(&mut journal.ledger, batch).1.unwrap();
    }
    if let Some(crash) = crash {
        disk.plan(1, Fault::Dies);
        drop(journal);
        disk.restart(crash);
    } else {
        drop(journal);
    }
    disk.plan_nothing();
    for name in segments(&disk) {
        if version(&disk, &name) != 0 {
            set_version(&disk, &name, 1);
        }
    }
    disk
}

#[test]
fn an_earlier_segment_is_followed_by_one_of_this_version() {
    for crash in [None, Some(Crash::Kill), Some(Crash::PowerLoss)] {
        let old = plain(1..20);
        let disk = written_by_version_1(&old, crash);
        let earlier = segments(&disk);
        let bytes: Vec<_> = earlier.iter().map(|name| disk.bytes(name)).collect();
        let (mut journal, visited) = open(&disk, &options(SEGMENT)).unwrap();
        assert_eq!(visited.len(), old.len());
        let new: Vec<_> = (20..30).map(|number| evaluated(number, 40)).collect();
        for batch in new.chunks(3) {
            let (completions, result) = append(&mut journal.ledger, batch);
            result.unwrap();
            assert_eq!(committed(&completions).len(), batch.len());
        }
        drop(journal);
        for (name, before) in earlier.iter().zip(bytes) {
            let had_header = before[VERSION_AT] == 1;
            assert_eq!(version(&disk, name), if had_header { 1 } else { 2 });
            assert!(!had_header || disk.bytes(name) == before, "{name} changed");
        }
        let (journal, _) = open(&disk, &options(SEGMENT)).unwrap();
        let all = [old, new].concat();
        let records = read_all(&journal);
        assert_eq!(records.len(), all.len());
        for ((record, order), seq) in records.iter().zip(&all).zip(1..) {
            assert!(order.is_in(record) && record.outcome.seq == seq);
        }
    }
}

/// The first start of this version, cut short at each of its operations.
#[test]
fn every_operation_of_the_first_start_may_be_the_last() {
    let old = plain(1..12);
    let new = evaluated(12, 40);
    for crash in [Crash::Kill, Crash::PowerLoss] {
        let before = written_by_version_1(&old, Some(crash));
        for at in 1.. {
            let disk = before.copy();
            disk.plan(at, Fault::Dies);
            let mut acknowledged = false;
            if let Ok((mut journal, _)) = open(&disk, &options(SEGMENT)) {
                let (completions, result) = append(&mut journal.ledger, std::slice::from_ref(&new));
                acknowledged = result.is_ok() && completions.len() == 1;
            }
            let done = !disk.is_dead();
            disk.restart(crash);
            disk.plan_nothing();
            let (journal, _) = open(&disk, &options(SEGMENT)).unwrap();
            let records = read_all(&journal);
            assert!(records.len() >= old.len() + usize::from(acknowledged));
            for (record, order) in records.iter().zip(old.iter().chain([&new])) {
                assert!(order.is_in(record), "operation {at}: {record:?}");
            }
            if done {
                assert!(acknowledged && at > 3, "{at}");
                break;
            }
        }
    }
}

/// As an earlier version refuses this one's segments: by name, not as damage.
#[test]
fn a_later_version_is_refused_and_nothing_is_changed() {
    let disk = written_by_version_1(&plain(1..20), None);
    let last = segments(&disk)
        .into_iter()
        .rfind(|name| version(&disk, name) != 0)
        .unwrap();
    for name in [&segment_name(1), &last] {
        let disk = disk.copy();
        set_version(&disk, name, 3);
        let before = disk.ops();
        let refused = open(&disk, &options(SEGMENT)).err().expect("refused");
        let text = refused.to_string();
        assert!(text.contains(name) && text.contains("version 3"), "{text}");
        assert!(text.contains("use the version that wrote it"), "{text}");
        assert_eq!(disk.ops(), before);
    }
}
