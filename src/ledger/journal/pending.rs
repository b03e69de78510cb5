//! The file `pending`: orders whose submitters were told that they are queued,
//! and which a drain could not bring to an outcome in time.
//!
//! All numbers are little-endian.
//!
//! | offset | bytes | header |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "ORDKEP" FE` |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 4 | zero |
//! | 16 | 16 | the ledger's id |
//! | 32 | 8 | the last durable sequence when it was written: no order in the file was committed up to it |
//! | 40 | 8 | how many orders, one at least |
//! | 48 | 8 | bytes in the file |
//! | 56 | 4 | zero |
//! | 60 | 4 | CRC-32C of the 60 bytes before |
//!
//! | offset | bytes | order: one after the other from 64 on |
//! |---|---|---|
//! | 0 | 8 | when it was admitted, in nanoseconds since the Unix epoch |
//! | 8 | 4 | length of its JSON |
//! | 12 | 1 | length of its id |
//! | 13 | 3 | zero |
//! | 16 | | the id, the JSON |
//!
//! The last 4 bytes are the CRC-32C of all before. Magic, version and the
//! header's checksum keep their places for ever.
//!
//! # Its life
//!
//! It is written as `pending.new`, synced, renamed, and the name synced: there
//! is the old file or the new one, each whole. It is removed when every order
//! in it has its outcome. In between, orders in it may have been committed, and
//! nothing in it says so: the journal does. A start looks for their ids behind
//! the sequence in the header, wherever the dedupe window begins, and hands out
//! those that are not there; until the file is removed, no such segment is. So
//! a kill at any moment neither loses one nor has one committed twice.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    io,
    sync::Arc,
};

use crc32c::{crc32c, crc32c_append};

use super::{
    archive::Reader,
    catalogue::Catalogue,
    error::OpenError,
    format::{u32_at, u64_at},
    lock::Lock,
    storage::{File, Source, Storage, read_full, write_full},
};
use crate::{
    ledger::LedgerId,
    order::{ID_LEN_MAX, Order},
};

/// The file's name.
pub(super) const NAME: &str = "pending";
/// Its name until it is whole.
pub(super) const NEW: &str = "pending.new";
const MAGIC: [u8; 8] = *b"\xFFORDKEP\xFE";
/// The version of the format that is written.
const VERSION: u32 = 1;
const HEAD: usize = 64;
const ORDER_HEAD: usize = 16;
const SUM: usize = 4;
/// Bytes written in one go, but for a longer order.
const WRITE_BYTES: usize = 1 << 20;
/// What is read of the journal in one go.
const READ_RECORDS: usize = 4096;
const READ_BYTES: usize = 1 << 20;

const _: () = assert!(ID_LEN_MAX <= u8::MAX as usize, "an id's length is one byte");

/// An order that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// When it was admitted, in nanoseconds since the Unix epoch.
    pub accepted_at: u64,
    /// Its id.
    pub id: Cow<'a, str>,
    /// Its JSON.
    pub order: Cow<'a, str>,
}

impl<'a> Kept<'a> {
    /// An order as it is kept.
    pub fn new(accepted_at: u64, order: &'a Order) -> Self {
        Self {
            accepted_at,
            id: order.id().as_str().into(),
            order: order.json().into(),
        }
    }

    fn len(&self) -> usize {
        ORDER_HEAD + self.id.len() + self.order.len()
    }
}

/// Why orders could not be kept, or a file not be removed.
#[derive(Debug, thiserror::Error)]
#[error("can't {doing} {file}: {source}")]
pub struct KeepError {
    /// The file.
    file: &'static str,
    /// What was tried.
    doing: &'static str,
    /// What the system says.
    source: io::Error,
}

impl KeepError {
    fn of(file: &'static str, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            file,
            doing,
            source,
        }
    }
}

/// Where orders are kept: the data directory, which stays locked as long as
/// this lives.
pub struct Pending {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) ledger: LedgerId,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) _lock: Option<Arc<Lock>>,
}

/// What stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    after_seq: u64,
    orders: Vec<Kept<'static>>,
}

/// The header.
struct Head {
    ledger: LedgerId,
    after_seq: u64,
    count: u64,
    len: u64,
}

fn refused(what: impl Into<String>) -> OpenError {
    OpenError::Kept {
        file: NAME,
        what: what.into(),
    }
}

fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io {
        file: NAME.to_owned(),
        doing,
        source,
    }
}

/// What the directory's file holds, `None` without one.
pub(super) fn load(storage: &dyn Source, ledger: LedgerId) -> Result<Option<Left>, OpenError> {
    let names = storage.names().map_err(io_error("look for"))?;
    if !names.iter().any(|name| name == NAME) {
        return Ok(None);
    }
    let file = storage.open(NAME).map_err(io_error("open"))?;
    let mut head = [0; HEAD];
    let read = read_full(&*file, &mut head, 0).map_err(io_error("read"))?;
    let head = Head::decode(&head[..read], ledger)?;
    if file.len().map_err(io_error("measure"))? != head.len {
        return Err(refused("it was cut or added to"));
    }
    let mut bytes = vec![0; head.len as usize];
    let read = read_full(&*file, &mut bytes, 0).map_err(io_error("read"))?;
    decode(&bytes[..read], ledger).map(Some)
}

fn decode(bytes: &[u8], ledger: LedgerId) -> Result<Left, OpenError> {
    let head = Head::decode(bytes, ledger)?;
    let damaged = || refused("it is damaged");
    if bytes.len() as u64 != head.len || bytes.len() < HEAD + SUM {
        return Err(refused("it was cut or added to"));
    }
    let (body, sum) = bytes.split_at(bytes.len() - SUM);
    if crc32c(body) != u32_at(sum, 0) {
        return Err(damaged());
    }
    let mut orders = Vec::new();
    let mut rest = &body[HEAD..];
    while !rest.is_empty() {
        let (order, behind) = decode_order(rest).ok_or_else(damaged)?;
        orders.push(order);
        rest = behind;
    }
    if orders.len() as u64 != head.count {
        return Err(damaged());
    }
    Ok(Left {
        after_seq: head.after_seq,
        orders,
    })
}

fn decode_order(bytes: &[u8]) -> Option<(Kept<'static>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(ORDER_HEAD)?;
    let (id, rest) = rest.split_at_checked(head[12].into())?;
    let (order, rest) = rest.split_at_checked(u32_at(head, 8) as usize)?;
    let text = |bytes: &[u8]| Some(Cow::Owned(str::from_utf8(bytes).ok()?.to_owned()));
    let kept = Kept {
        accepted_at: u64_at(head, 0),
        id: text(id)?,
        order: text(order)?,
    };
    Some((kept, rest))
}

impl Head {
    fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.ledger.0);
        bytes[32..40].copy_from_slice(&self.after_seq.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.count.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.len.to_le_bytes());
        let sum = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The header that `bytes` start with, of a file of this ledger.
    fn decode(bytes: &[u8], ledger: LedgerId) -> Result<Self, OpenError> {
        let bytes: &[u8; HEAD] = bytes
            .first_chunk()
            .ok_or_else(|| refused("it was cut or added to"))?;
        if bytes[..8] != MAGIC || u32_at(bytes, 60) != crc32c(&bytes[..60]) {
            return Err(refused("it is damaged"));
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(OpenError::Version {
                file: NAME.to_owned(),
                version,
                known: VERSION,
            });
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        if LedgerId(id) != ledger {
            return Err(OpenError::Foreign {
                file: NAME.to_owned(),
                found: LedgerId(id),
                expected: ledger,
            });
        }
        Ok(Self {
            ledger,
            after_seq: u64_at(bytes, 32),
            count: u64_at(bytes, 40),
            len: u64_at(bytes, 48),
        })
    }
}

impl Pending {
    /// Of the orders that were left, those that have no outcome; the file goes
    /// if there are none. The journal must have been recovered.
    pub(super) fn sort_out(
        &self,
        left: Option<Left>,
        mut journal: Reader,
    ) -> Result<Vec<Kept<'static>>, OpenError> {
        // One that was being written: nobody relies on it.
        match self.storage.remove(NEW) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Io {
                    file: NEW.to_owned(),
                    doing: "remove",
                    source: error,
                });
            }
            _ => {}
        }
        let Some(Left { after_seq, orders }) = left else {
            return Ok(Vec::new());
        };
        let (oldest, last) = (self.catalogue.oldest_seq(), self.catalogue.last_seq());
        if after_seq > last {
            let what = format!(
                "the journal ends at sequence {last}, though it reached {after_seq} when they were kept"
            );
            return Err(refused(what));
        }
        if oldest > after_seq + 1 {
            let what = format!(
                "the outcomes {} to {} are gone, among which theirs may have been",
                after_seq + 1,
                oldest - 1
            );
            return Err(refused(what));
        }
        self.catalogue.need_after(after_seq);
        let mut open: HashMap<&str, usize> = HashMap::new();
        for (at, kept) in orders.iter().enumerate() {
            if open.insert(&kept.id, at).is_some() {
                return Err(refused(format!("the id {} is in it twice", kept.id)));
            }
        }
        let mut seq = after_seq;
        while seq < last && !open.is_empty() {
            let records = journal
                .range(seq, READ_RECORDS, READ_BYTES)
                .map_err(|why| refused(format!("their outcomes can't be looked for: {why}")))?;
            let Some(newest) = records.last() else { break };
            seq = newest.outcome.seq;
            for record in &records {
                open.remove(&*record.id);
            }
        }
        let mut open: Vec<usize> = open.into_values().collect();
        open.sort_unstable();
        if open.is_empty() {
            self.clear().map_err(|error| OpenError::Io {
                file: NAME.to_owned(),
                doing: "remove",
                source: error.source,
            })?;
        }
        let mut orders: Vec<_> = orders.into_iter().map(Some).collect();
        Ok(open.iter().filter_map(|&at| orders[at].take()).collect())
    }

    /// Keeps these orders and no others: none has an outcome, or none up to
    /// sequence `after_seq`. They are on disk when this returns.
    ///
    /// # Errors
    /// When the file can't be written; what was kept before is kept still.
    pub fn keep<'a>(
        &self,
        after_seq: u64,
        orders: impl Iterator<Item = Kept<'a>> + Clone,
    ) -> Result<(), KeepError> {
        let failed = |doing| KeepError::of(NEW, doing);
        let file = self.storage.create(NEW).map_err(failed("make"))?;
        let written = self
            .write(&*file, after_seq, orders)
            .map_err(failed("write"))
            .and_then(|()| file.sync().map_err(failed("sync")))
            .and_then(|()| self.storage.rename(NEW, NAME).map_err(failed("rename")));
        if let Err(error) = written {
            // Gives its space back. Should that fail, the next start does it.
            let _ = self.storage.remove(NEW);
            return Err(error);
        }
        self.storage
            .sync_names()
            .map_err(failed("sync the name of"))
    }

    /// Keeps these orders beside those that are kept already.
    ///
    /// # Errors
    /// As [`keep`](Self::keep), and when the file that is there can't be read.
    pub fn keep_too<'a>(
        &self,
        after_seq: u64,
        orders: impl Iterator<Item = Kept<'a>> + Clone,
    ) -> Result<(), KeepError> {
        let old = load(&*self.storage, self.ledger)
            .map_err(|error| KeepError::of(NAME, "add to")(io::Error::other(error.to_string())))?;
        let Some(Left {
            after_seq: old_after_seq,
            orders: mut old,
        }) = old
        else {
            return self.keep(after_seq, orders);
        };
        let ids: HashSet<String> = orders.clone().map(|kept| kept.id.into_owned()).collect();
        old.retain(|kept| !ids.contains(&*kept.id));
        // The older sequence: those of the old file may be committed behind it.
        self.keep(
            after_seq.min(old_after_seq),
            old.iter().cloned().chain(orders),
        )
    }

    fn write<'a>(
        &self,
        file: &dyn File,
        after_seq: u64,
        orders: impl Iterator<Item = Kept<'a>> + Clone,
    ) -> io::Result<()> {
        let (mut count, mut len) = (0, HEAD + SUM);
        for order in orders.clone() {
            count += 1;
            len += order.len();
        }
        let head = Head {
            ledger: self.ledger,
            after_seq,
            count,
            len: len as u64,
        };
        let mut buffer = head.encode().to_vec();
        let (mut offset, mut sum) = (0, 0);
        let mut flush = |buffer: &mut Vec<u8>, sum: &mut u32| {
            write_full(file, buffer, offset)?;
            *sum = crc32c_append(*sum, buffer);
            offset += buffer.len() as u64;
            buffer.clear();
            io::Result::Ok(())
        };
        for Kept {
            accepted_at,
            id,
            order,
        } in orders
        {
            // The JSON of an order is shorter than a record, and an id than a byte.
            buffer.extend_from_slice(&accepted_at.to_le_bytes());
            buffer.extend_from_slice(&(order.len() as u32).to_le_bytes());
            buffer.extend_from_slice(&[id.len() as u8, 0, 0, 0]);
            buffer.extend_from_slice(id.as_bytes());
            buffer.extend_from_slice(order.as_bytes());
            if buffer.len() >= WRITE_BYTES {
                flush(&mut buffer, &mut sum)?;
            }
        }
        if !buffer.is_empty() {
            flush(&mut buffer, &mut sum)?;
        }
        buffer.extend_from_slice(&sum.to_le_bytes());
        flush(&mut buffer, &mut sum)
    }

    /// Keeps nothing any more: all that were kept have their outcome.
    ///
    /// # Errors
    /// When the file can't be removed. The next start finds that all in it are
    /// committed, and removes it.
    pub fn clear(&self) -> Result<(), KeepError> {
        let failed = |doing| KeepError::of(NAME, doing);
        match self.storage.remove(NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove")(error));
            }
            _ => {}
        }
        self.storage
            .sync_names()
            .map_err(failed("sync the name of"))?;
        // Not before: until then the file may come back.
        self.catalogue.need_after(u64::MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
