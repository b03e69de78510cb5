//! Recovery and the pending file on any bytes. Checksums are made right, or
//! nothing behind one would ever be reached.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use crc32c::crc32c;

use crate::ledger::LedgerId;
use crate::ledger::journal::file_names::{PENDING, segment_name};
use crate::ledger::journal::format::{FRAME_HEAD, SEGMENT_HEAD, u32_at};
use crate::ledger::journal::manifest::Manifest;
use crate::ledger::journal::pending_file;
use crate::ledger::journal::recovery::{NoSpace, Recovery};
use crate::ledger::journal::storage::{File, Source, Storage};

const ID: LedgerId = LedgerId([7; 16]);
const SEGMENT: usize = 2048;
/// A frame's magic, and where its body's length stands.
const FRAME_MAGIC: &[u8] = b"\xFFBATCH1\xFE";
const BODY_LEN: usize = 8;

/// What a start recovers, the next one finds again, in the same order and
/// without a gap; or both refuse.
pub fn journal(bytes: &[u8]) {
    let disk = Memory::default();
    for (number, bytes) in (1..).zip(bytes.chunks(SEGMENT)) {
        let mut segment = bytes.to_vec();
        segment.resize(SEGMENT, 0);
        repair_segment(&mut segment);
        disk.put(&segment_name(number), segment);
    }
    let first = recovered(&disk);
    let second = recovered(&disk);
    assert_eq!(first.is_some(), second.is_some());
    if let (Some(first), Some(second)) = (first, second) {
        assert_eq!(first, second);
    }
}

/// The records that a start finds, and the next sequence; `None` if it is
/// refused.
fn recovered(disk: &Memory) -> Option<(Vec<(u64, String)>, u64)> {
    let mut records = Vec::new();
    let recovery = Recovery {
        storage: disk,
        manifest: Manifest::of(ID, SEGMENT as u64),
        window: 1_000_000,
        progress: &mut |_| {},
        visit: &mut |record| records.push((record.seq, format!("{:?}", record.to_record()))),
        no_space: NoSpace::Wait,
    };
    let next_seq = recovery.run().ok()?.end.next_seq;
    let seqs = records.iter().map(|(seq, _)| *seq);
    let first = next_seq - records.len() as u64;
    assert!(seqs.eq(first..next_seq), "without a gap, up to the last");
    Some((records, next_seq))
}

/// Makes ledger id and checksum right of a header, the checksums of all that
/// looks like a frame, and of its records.
fn repair_segment(bytes: &mut [u8]) {
    if bytes[..60].iter().any(|&byte| byte != 0) {
        bytes[16..32].copy_from_slice(&ID.0);
        let sum = crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..64].copy_from_slice(&sum);
    }
    let salt = crc32c(&ID.0);
    let mut at = SEGMENT_HEAD;
    while at + FRAME_HEAD <= bytes.len() {
        if &bytes[at..at + 8] != FRAME_MAGIC {
            at += 8;
            continue;
        }
        let sum = crc32c::crc32c_append(salt, &bytes[at..at + 60]);
        bytes[at + 60..at + 64].copy_from_slice(&sum.to_le_bytes());
        let body_len = u32_at(bytes, at + BODY_LEN) as usize;
        at += FRAME_HEAD;
        let end = at.saturating_add(body_len).min(bytes.len());
        while at + 8 <= end {
            let len = u32_at(bytes, at) as usize;
            let record_end = at.saturating_add(len);
            if len < 8 || record_end > end {
                break;
            }
            let sum = crc32c::crc32c_append(salt, &bytes[at..at + 4]);
            let sum = crc32c::crc32c_append(sum, &bytes[at + 8..record_end]);
            bytes[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
            at = record_end;
        }
        at = at.next_multiple_of(8);
    }
}

/// A pending file that is read is written and read again.
pub fn pending(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let len = bytes.len();
    if len >= 64 + 4 {
        bytes[16..32].copy_from_slice(&ID.0);
        bytes[48..56].copy_from_slice(&(len as u64).to_le_bytes());
        let sum = crc32c(&bytes[..60]).to_le_bytes();
        bytes[60..64].copy_from_slice(&sum);
        let sum = crc32c(&bytes[..len - 4]).to_le_bytes();
        bytes[len - 4..].copy_from_slice(&sum);
    }
    let disk = Memory::default();
    disk.put(PENDING, bytes);
    let Ok(Some(loaded)) = pending_file::load(&disk, ID) else {
        return;
    };
    let file = disk.create(PENDING).expect("in memory");
    pending_file::write_copy(&*file, ID, &loaded).expect("in memory");
    let again = pending_file::load(&disk, ID).expect("it is one");
    assert_eq!(again.as_ref(), Some(&loaded));
}

/// A directory in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, MemoryFile>>>);

#[derive(Clone, Default)]
struct MemoryFile(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn put(&self, name: &str, bytes: Vec<u8>) {
        let file = MemoryFile(Arc::new(Mutex::new(bytes)));
        self.0.lock().unwrap().insert(name.to_owned(), file);
    }
}

impl Source for Memory {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let file = self.0.lock().unwrap().get(name).cloned();
        Ok(Box::new(file.ok_or(io::ErrorKind::NotFound)?))
    }
}

impl Storage for Memory {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.put(name, Vec::new());
        self.open(name)
    }
    fn open_or_create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.open(name).or_else(|_| self.create(name))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.replace(from, to)
    }
    fn replace(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.lock().unwrap();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.0.lock().unwrap().remove(name);
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }
    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }
    fn restrict(&self, _name: &str) -> io::Result<bool> {
        Ok(false)
    }
    fn is_exposed(&self) -> io::Result<bool> {
        Ok(false)
    }
    fn itself(&self) -> io::Result<Box<dyn File>> {
        Ok(Box::new(MemoryFile::default()))
    }
}

impl File for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let held = self.0.lock().unwrap();
        let from = held.get(offset as usize..).unwrap_or(&[]);
        let read = from.len().min(bytes.len());
        bytes[..read].copy_from_slice(&from[..read]);
        Ok(read)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut held = self.0.lock().unwrap();
        let end = offset as usize + bytes.len();
        if held.len() < end {
            held.resize(end, 0);
        }
        held[offset as usize..end].copy_from_slice(bytes);
        Ok(bytes.len())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn is_linked(&self) -> io::Result<bool> {
        Ok(true)
    }
    fn made_at(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}
