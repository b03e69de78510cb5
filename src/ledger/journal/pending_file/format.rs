//! The format of the file `pending`, written and read.
//!
//! All numbers are little-endian.
//!
//! | offset | bytes | header |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "ORDKEP" FE` |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 4 | zero |
//! | 16 | 16 | the ledger's id |
//! | 32 | 8 | the last sequence whose outcome had been made known when it was written (`Pipeline::settled_seq`): no order in the file was committed up to it |
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

use std::borrow::Cow;
use std::io;

use crc32c::{crc32c, crc32c_append};

use crate::ledger::LedgerId;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::format::{u32_at, u64_at};
use crate::ledger::journal::pending_file::PendingOrder;
use crate::ledger::journal::storage::{File, Source, read_full, write_full};
use crate::order::ID_LEN_MAX;

/// The file's name.
pub(in crate::ledger::journal) const NAME: &str = "pending";
/// Its name until it is whole.
pub(in crate::ledger::journal) const NEW: &str = "pending.new";
const MAGIC: [u8; 8] = *b"\xFFORDKEP\xFE";
/// The version of the format that is written.
const VERSION: u32 = 1;
const HEAD: usize = 64;
pub(super) const ORDER_HEAD: usize = 16;
pub(super) const SUM: usize = 4;
/// Bytes written in one go, but for a longer order.
pub(super) const WRITE_BYTES: usize = 1 << 20;

const _: () = assert!(ID_LEN_MAX <= u8::MAX as usize, "an id's length is one byte");

/// What stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ledger::journal) struct Left {
    pub(super) after_seq: u64,
    pub(super) orders: Vec<PendingOrder<'static>>,
}

/// The header.
struct Head {
    ledger: LedgerId,
    after_seq: u64,
    count: u64,
    len: u64,
}

pub(super) fn refused(what: impl Into<String>) -> OpenError {
    OpenError::PendingOrder {
        file: NAME,
        what: what.into(),
    }
}

pub(super) fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io {
        file: NAME.to_owned(),
        doing,
        source,
    }
}

/// What the directory's file holds, `None` without one.
pub(in crate::ledger::journal) fn load(
    storage: &dyn Source,
    ledger: LedgerId,
) -> Result<Option<Left>, OpenError> {
    let file = match storage.open(NAME) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io_error("open"))?,
    };
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

pub(super) fn decode(bytes: &[u8], ledger: LedgerId) -> Result<Left, OpenError> {
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

fn decode_order(bytes: &[u8]) -> Option<(PendingOrder<'static>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(ORDER_HEAD)?;
    let (id, rest) = rest.split_at_checked(head[12].into())?;
    let (order, rest) = rest.split_at_checked(u32_at(head, 8) as usize)?;
    let text = |bytes: &[u8]| Some(Cow::Owned(str::from_utf8(bytes).ok()?.to_owned()));
    let kept = PendingOrder {
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

/// Writes the file, and doesn't sync it.
pub(super) fn write<'a>(
    file: &dyn File,
    ledger: LedgerId,
    after_seq: u64,
    orders: impl Iterator<Item = PendingOrder<'a>> + Clone,
) -> io::Result<()> {
    let (mut count, mut len) = (0, HEAD + SUM);
    for order in orders.clone() {
        count += 1;
        len += order.len();
    }
    let head = Head {
        ledger,
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
    for PendingOrder {
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
