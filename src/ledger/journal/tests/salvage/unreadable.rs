//! Pages that the disk can't read.

use std::io;
use std::sync::Arc;

use crate::ledger::journal::file_names::segment_name;
use crate::ledger::journal::salvage::salvage_source;
use crate::ledger::journal::storage::{File, Source, Storage};
use crate::ledger::journal::tests::disk::Disk;
use crate::ledger::journal::tests::fixture::{append, evaluated, open, options, read_all};
use crate::ledger::journal::{Lost, Output, Salvaged};

const SEGMENT: u64 = 16 << 10;
const PAGE: u64 = 4096;

/// A disk on which a page of one file is bad.
struct BadPage {
    disk: Disk,
    name: String,
    page: u64,
}

struct BadFile {
    file: Box<dyn File>,
    page: u64,
}

impl Source for BadPage {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let file = self.disk.open(name)?;
        if name != self.name {
            return Ok(file);
        }
        let page = self.page;
        Ok(Box::new(BadFile { file, page }))
    }
}

impl File for BadFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset < self.page + PAGE && self.page < offset + bytes.len() as u64 {
            return Err(io::Error::from_raw_os_error(5)); // EIO
        }
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        unreachable!("it is only read")
    }

    fn sync(&self) -> io::Result<()> {
        unreachable!("it is only read")
    }

    fn is_linked(&self) -> io::Result<bool> {
        self.file.is_linked()
    }

    fn made_at(&self) -> io::Result<Option<u64>> {
        self.file.made_at()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }
}

fn salvage(disk: &Disk, number: u32, page: u64) -> Salvaged {
    let source = BadPage {
        disk: disk.copy(),
        name: segment_name(number),
        page,
    };
    let target: Arc<dyn Storage> = Arc::new(Disk::new(2));
    let output = Output {
        line: &|record| record.id.as_bytes().to_vec(),
        report: &|_| b"{}".to_vec(),
    };
    salvage_source(&source, &target, None, output).unwrap()
}

/// In front of the last batch it costs what was in it; behind, nobody knows.
#[test]
fn a_page_that_cannot_be_read_is_reported() {
    let disk = Disk::new(1);
    let (mut journal, _) = open(&disk, &options(SEGMENT)).unwrap();
    let orders: Vec<_> = (0..10).map(|number| evaluated(number, 500)).collect();
    for order in orders.chunks(1) {
        append(&mut journal.ledger, order).1.unwrap();
    }
    let end = u64::from(journal.ledger.end().offset);
    assert_eq!(journal.ledger.end().segment, 1);
    let all = read_all(&journal).len() as u64;
    let killed = disk.copy();
    drop(journal);
    assert!(PAGE < end && end < 2 * PAGE, "{end}");
    // The second one is unused.
    for number in 1..=2 {
        for page in (0..SEGMENT).step_by(PAGE as usize) {
            let salvaged = salvage(&killed, number, page);
            let case = format!("{number}, {page}: {salvaged:?}");
            assert!(!salvaged.is_complete(), "{case}");
            let of_it = |damage: &&crate::ledger::journal::Damage| {
                damage.what == "the disk can't read it" && damage.file == segment_name(number)
            };
            let damage = salvaged.damages.iter().find(of_it).expect(&case);
            assert!(
                damage.offset < page + PAGE && page < damage.offset + damage.bytes,
                "{case}"
            );
            let saved: u64 = salvaged.runs.iter().map(|run| run.outcomes()).sum();
            if number == 2 || page >= end {
                assert_eq!(saved, all, "{case}");
                let lost = Lost {
                    first_seq: Some(all + 1),
                    last_seq: None,
                };
                assert_eq!(salvaged.lost, [lost], "{case}");
            } else {
                assert!(saved < all, "{case}");
            }
        }
    }
}
