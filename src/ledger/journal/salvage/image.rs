//! A file read into memory, as far as the disk gives it.

use std::io;
use std::ops::Range;

use crate::ledger::journal::storage::{File, read_full};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// Bytes given up where the disk can't read: a page.
const PAGE: usize = 4096;

pub(super) struct Image {
    /// The bytes up to the file's end or the length asked for; zeroes where the
    /// disk gave none.
    pub(super) bytes: Vec<u8>,
    /// The length of the file.
    pub(super) len: u64,
    /// What the disk didn't give, in order.
    pub(super) unreadable: Vec<Range<usize>>,
}

impl Image {
    /// Reads up to `max` bytes. A page that can't be read is no error.
    pub(super) fn read(file: &dyn File, max: u64) -> io::Result<Self> {
        let len = file.len()?;
        let mut image = Self {
            bytes: vec![0; len.min(max) as usize],
            len,
            unreadable: Vec::new(),
        };
        for start in (0..image.bytes.len()).step_by(READ_BYTES) {
            let end = (start + READ_BYTES).min(image.bytes.len());
            if read_full(file, &mut image.bytes[start..end], start as u64).is_err() {
                image.read_pages(file, start..end);
            }
        }
        Ok(image)
    }

    fn read_pages(&mut self, file: &dyn File, range: Range<usize>) {
        for start in range.clone().step_by(PAGE) {
            let page = start..(start + PAGE).min(range.end);
            if read_full(file, &mut self.bytes[page.clone()], start as u64).is_err() {
                self.bytes[page.clone()].fill(0);
                self.unreadable.push(page);
            }
        }
    }

    /// Whether the disk didn't give some of these bytes.
    pub(super) fn is_unreadable(&self, range: &Range<usize>) -> bool {
        let overlaps = |gap: &Range<usize>| gap.start < range.end && range.start < gap.end;
        self.unreadable.iter().any(overlaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with a bad sector.
    struct BadSector;

    const LEN: usize = READ_BYTES + 2 * PAGE + 10;
    const BAD: Range<usize> = READ_BYTES + PAGE + 512..READ_BYTES + PAGE + 1024;

    impl File for BadSector {
        fn len(&self) -> io::Result<u64> {
            Ok(LEN as u64)
        }
        fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
            let start = offset as usize;
            let end = (start + bytes.len()).min(LEN);
            if start < BAD.end && BAD.start < end {
                return Err(io::Error::from_raw_os_error(5)); // EIO
            }
            bytes[..end - start].fill(7);
            Ok(end - start)
        }
        fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
            unreachable!("it is only read")
        }
        fn sync(&self) -> io::Result<()> {
            unreachable!("it is only read")
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

    #[test]
    fn a_bad_sector_costs_its_page() {
        let image = Image::read(&BadSector, u64::MAX).unwrap();
        let page = READ_BYTES + PAGE..READ_BYTES + 2 * PAGE;
        assert_eq!(image.unreadable, std::slice::from_ref(&page));
        assert_eq!((image.bytes.len(), image.len), (LEN, LEN as u64));
        let expected = |at| if page.contains(&at) { 0 } else { 7 };
        assert!((0..LEN).all(|at| image.bytes[at] == expected(at)));
        assert!(image.is_unreadable(&(0..page.start + 1)));
        assert!(!image.is_unreadable(&(0..page.start)));
        let start = Image::read(&BadSector, 100).unwrap();
        assert!(start.bytes.len() == 100 && start.unreadable.is_empty());
    }
}
