//! The format: every byte of it, and what is refused.

use std::borrow::Cow;
use std::sync::Arc;

use crc32c::crc32c;

use crate::ledger::LedgerId;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::{PENDING, PENDING_NEW};
use crate::ledger::journal::limits::SEGMENT_BYTES;
use crate::ledger::journal::pending_file::format::{SUM, WRITE_BYTES, decode, load};
use crate::ledger::journal::pending_file::order::PendingOrders;
use crate::ledger::journal::pending_file::{PendingFile, PendingOrder, PendingReserve};
use crate::ledger::journal::segment_index::SegmentIndex;
use crate::ledger::journal::storage::{Source, Storage};
use crate::ledger::journal::tests::disk::{Disk, Fault};
use crate::order::{ID_LEN_MAX, TraceParent};

pub(super) const ID: LedgerId = LedgerId([7; 16]);

pub(super) fn pending_file(disk: &Disk) -> PendingFile {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    PendingFile {
        storage: storage.clone(),
        reserve: PendingReserve::new(storage, SEGMENT_BYTES),
        ledger: ID,
        index: Arc::new(SegmentIndex::new(1 << 20, Vec::new(), 9)),
        _lock: None,
    }
}

fn pending(id: &str, order: &str) -> PendingOrder<'static> {
    PendingOrder {
        accepted_at: 0x0102_0304_0506_0708,
        id: Cow::Owned(id.to_owned()),
        order: Cow::Owned(order.to_owned()),
        client: None,
        traceparent: None,
    }
}

fn traceparent() -> TraceParent {
    let text = format!("00-{}-{}-01", "ab".repeat(16), "cd".repeat(8));
    TraceParent::parse(text.as_bytes()).unwrap()
}

/// The file with these orders in it.
fn bytes_of(orders: &[PendingOrder<'static>]) -> Vec<u8> {
    let disk = Disk::new(1);
    pending_file(&disk)
        .write(9, orders.iter().cloned())
        .unwrap();
    disk.bytes(PENDING)
}

pub(super) fn two() -> [PendingOrder<'static>; 2] {
    let second = PendingOrder {
        client: Some("desk-7".into()),
        traceparent: Some(traceparent()),
        ..pending("bc", r#"{"id":"bc","value":-2.50,"note":"ü"}"#)
    };
    [pending("a", r#"{"id":"a","value":1}"#), second]
}

#[test]
fn every_byte_is_at_its_offset() {
    let submitted = PendingOrder {
        client: Some("b".into()),
        traceparent: Some(traceparent()),
        ..two()[0].clone()
    };
    let bytes = bytes_of(&[two()[0].clone(), submitted]);
    let mut expected = b"\xFFORDKEP\xFE".to_vec();
    expected.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([7; 16]);
    expected.extend([9, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([64 + 2 * (16 + 1 + 20) + 1 + 25 + 4, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([0; 4]);
    expected.extend(crc32c(&expected).to_le_bytes());
    expected.extend([8, 7, 6, 5, 4, 3, 2, 1]);
    expected.extend([20, 0, 0, 0, 1, 0, 0, 0]);
    expected.extend(b"a{\"id\":\"a\",\"value\":1}");
    expected.extend([8, 7, 6, 5, 4, 3, 2, 1]);
    expected.extend([20, 0, 0, 0, 1, 1, 1, 0]);
    expected.extend(b"a{\"id\":\"a\",\"value\":1}b");
    expected.extend([0xab; 16]);
    expected.extend([0xcd; 8]);
    expected.push(1);
    expected.extend(crc32c(&expected).to_le_bytes());
    assert_eq!(bytes, expected);
}

#[test]
fn orders_are_read_back() {
    // Several pieces, one of them a long order.
    let note = "n".repeat(3 * WRITE_BYTES);
    let mut orders: Vec<_> = (0..5000)
        .map(|n| pending(&format!("o-{n}"), &"x".repeat(n % 700)))
        .collect();
    orders.push(pending(&"i".repeat(ID_LEN_MAX), &note));
    for orders in [two().to_vec(), orders] {
        let bytes = bytes_of(&orders);
        let loaded = decode(&bytes, ID).unwrap();
        let after_seq = 9;
        assert!(loaded == PendingOrders { after_seq, orders });
    }
}

#[test]
fn every_flip_and_every_cut_is_refused() {
    let bytes = bytes_of(&two());
    assert!(decode(&bytes, ID).is_ok());
    let on_disk = |bytes: &[u8]| {
        let disk = Disk::new(1);
        pending_file(&disk).write(9, two().into_iter()).unwrap();
        disk.change(PENDING, |file| *file = bytes.to_vec());
        load(&disk, ID)
    };
    assert_eq!(on_disk(&bytes).unwrap().unwrap().orders, two());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            assert!(decode(&flipped, ID).is_err(), "bit {bit} of {at}");
        }
        let mut flipped = bytes.clone();
        flipped[at] = !flipped[at];
        assert!(on_disk(&flipped).is_err(), "byte {at}");
        assert!(decode(&bytes[..at], ID).is_err(), "cut at {at}");
        assert!(on_disk(&bytes[..at]).is_err(), "cut at {at}");
        let mut zeroed = bytes.clone();
        zeroed[at..].fill(0);
        if zeroed != bytes {
            assert!(on_disk(&zeroed).is_err(), "zeroes from {at}");
        }
    }
    let mut longer = bytes;
    longer.push(0);
    let error = on_disk(&longer).unwrap_err().to_string();
    assert!(
        error.contains("pending") && error.contains("restore it"),
        "{error}"
    );
}

/// Behind a correct checksum.
#[test]
fn impossible_content_is_refused() {
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes_of(&two());
        bytes.truncate(bytes.len() - SUM);
        change(&mut bytes);
        let head = crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..64].copy_from_slice(&head);
        bytes.extend(crc32c(&bytes).to_le_bytes());
        decode(&bytes, ID)
    };
    assert!(changed(&|_| {}).is_ok());
    // The earlier version has zeroes where there is nothing to say.
    let earlier = changed(&|bytes| bytes[8] = 1).unwrap();
    assert_eq!(earlier.orders, two());
    let newer = changed(&|bytes| bytes[8] = 3).unwrap_err();
    assert!(
        matches!(newer, OpenError::Version { version: 3, .. }),
        "{newer}"
    );
    let foreign = changed(&|bytes| bytes[16] = 0).unwrap_err();
    assert!(matches!(foreign, OpenError::Foreign { .. }), "{foreign}");
    for change in [
        &(|bytes: &mut Vec<u8>| bytes[40] = 3) as &dyn Fn(&mut Vec<u8>), // three orders
        &|bytes| bytes[48] += 1,                                         // a longer file
        &|bytes| bytes[64 + 8] += 1,                                     // a longer order
        &|bytes| bytes[64 + 12] = 255,                                   // a longer id
        &|bytes| bytes[64 + 13] = 1,                                     // a longer name
        &|bytes| bytes[64 + 14] = 1,                                     // a trace context
        &|bytes| bytes[64 + 16] = 0xFF,                                  // no UTF-8
    ] {
        let error = changed(change).unwrap_err();
        assert!(matches!(error, OpenError::PendingFile { .. }), "{error}");
    }
}

#[test]
fn a_failed_write_leaves_the_old_file_or_the_new() {
    let total = {
        let disk = Disk::new(1);
        pending_file(&disk).write(9, two().into_iter()).unwrap();
        disk.ops()
    };
    for at in 1..=total {
        for fault in [Fault::Fails, Fault::SyncFails, Fault::Full(0)] {
            let disk = Disk::new(at);
            let file = pending_file(&disk);
            file.write(3, two().into_iter().take(1)).unwrap();
            disk.plan(at, fault);
            let result = file.write(9, two().into_iter());
            let loaded = load(&disk, ID).unwrap().unwrap();
            // The old one or the new one, and the new one if it says so.
            match (result.is_ok(), loaded.after_seq) {
                (_, 9) => assert_eq!(loaded.orders, two()),
                (false, 3) => assert_eq!(loaded.orders, two()[..1]),
                other => panic!("{other:?} at {at} of {fault:?}"),
            }
            assert!(!disk.names().unwrap().iter().any(|name| name == PENDING_NEW));
        }
    }
}
