//! The format of the file, written and read.
//!
//! All numbers are little-endian.
//!
//! | offset | bytes | header |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "ORDKEP" FE` |
//! | 8 | 4 | format version: 2; 1 is read, too, and has zeroes for what is new |
//! | 12 | 4 | zero |
//! | 16 | 16 | the ledger's id |
//! | 32 | 8 | the last sequence whose outcome had been published when the file was written (`Pipeline::settled_seq`): no order in the file was committed up to it |
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
//! | 13 | 1 | length of the client's name; 0 if it is not known |
//! | 14 | 1 | 1 if there is a trace context |
//! | 15 | 1 | zero |
//! | 16 | | the id, the JSON, the client's name, the trace context (25 bytes) |
//!
//! The last 4 bytes are the CRC-32C of all before. Magic, version and the
//! header's checksum never move.

use std::borrow::Cow;
use std::io;

use crc32c::{crc32c, crc32c_append};

use crate::ledger::LedgerId;
use crate::ledger::journal::error::OpenError;
use crate::ledger::journal::file_names::PENDING;
use crate::ledger::journal::format::{u32_at, u64_at};
use crate::ledger::journal::pending_file::order::{PendingOrder, PendingOrders};
use crate::ledger::journal::storage::{File, Source, read_full, write_full};
use crate::order::{ID_LEN_MAX, TRACEPARENT_BYTES, TraceParent};

const MAGIC: [u8; 8] = *b"\xFFORDKEP\xFE";
/// The format version that is written.
const VERSION: u32 = 2;
/// The earliest that is read.
const VERSION_MIN: u32 = 1;
const HEAD: usize = 64;
const ORDER_HEAD: usize = 16;
pub(super) const SUM: usize = 4;
/// Bytes written at once, unless an order is longer.
pub(super) const WRITE_BYTES: usize = 1 << 20;

const _: () = assert!(ID_LEN_MAX <= u8::MAX as usize, "an id's length is one byte");

struct Head {
    ledger: LedgerId,
    after_seq: u64,
    count: u64,
    len: u64,
}

pub(super) fn refused(what: impl Into<String>) -> OpenError {
    OpenError::PendingFile {
        file: PENDING,
        what: what.into(),
    }
}

/// Reads the directory's file; `None` if there is none.
pub(crate) fn load(
    source: &dyn Source,
    ledger: LedgerId,
) -> Result<Option<PendingOrders>, OpenError> {
    let io = |doing| OpenError::io(PENDING, doing);
    let file = match source.open(PENDING) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io("open"))?,
    };
    let mut head = [0; HEAD];
    let read = read_full(&*file, &mut head, 0).map_err(io("read"))?;
    let head = Head::decode(&head[..read], ledger)?;
    if file.len().map_err(io("measure"))? != head.len {
        return Err(refused("it was cut or added to"));
    }
    let mut bytes = vec![0; head.len as usize];
    let read = read_full(&*file, &mut bytes, 0).map_err(io("read"))?;
    decode(&bytes[..read], ledger).map(Some)
}

/// Writes a file with what another one held.
pub(crate) fn write_copy(
    file: &dyn File,
    ledger: LedgerId,
    pending: &PendingOrders,
) -> io::Result<()> {
    write(
        file,
        ledger,
        pending.after_seq,
        pending.orders.iter().cloned(),
    )
}

pub(super) fn decode(bytes: &[u8], ledger: LedgerId) -> Result<PendingOrders, OpenError> {
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
    Ok(PendingOrders {
        after_seq: head.after_seq,
        orders,
    })
}

fn decode_order(bytes: &[u8]) -> Option<(PendingOrder<'static>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(ORDER_HEAD)?;
    let (id, rest) = rest.split_at_checked(head[12].into())?;
    let (json, rest) = rest.split_at_checked(u32_at(head, 8) as usize)?;
    let (client, mut rest) = rest.split_at_checked(head[13].into())?;
    let mut traceparent = None;
    if head[14] != 0 {
        let (bytes, behind) = rest.split_first_chunk()?;
        traceparent = Some(TraceParent::decode(bytes)?);
        rest = behind;
    }
    let text = |bytes: &[u8]| Some(Cow::Owned(str::from_utf8(bytes).ok()?.to_owned()));
    let order = PendingOrder {
        accepted_at: u64_at(head, 0),
        id: text(id)?,
        order: text(json)?,
        client: (!client.is_empty()).then(|| text(client)).flatten(),
        traceparent,
    };
    Some((order, rest))
}

fn encoded_len(order: &PendingOrder<'_>) -> usize {
    let client = order.client.as_ref().map_or(0, |client| client.len());
    let traceparent = order.traceparent.map_or(0, |_| TRACEPARENT_BYTES);
    ORDER_HEAD + order.id.len() + order.order.len() + client + traceparent
}

fn encode_order(bytes: &mut Vec<u8>, order: &PendingOrder<'_>) {
    // The JSON of an order is shorter than a record, and an id than a byte.
    bytes.extend_from_slice(&order.accepted_at.to_le_bytes());
    bytes.extend_from_slice(&(order.order.len() as u32).to_le_bytes());
    let client = order.client.as_deref().unwrap_or_default();
    let has_traceparent = u8::from(order.traceparent.is_some());
    bytes.extend_from_slice(&[order.id.len() as u8, client.len() as u8, has_traceparent, 0]);
    bytes.extend_from_slice(order.id.as_bytes());
    bytes.extend_from_slice(order.order.as_bytes());
    bytes.extend_from_slice(client.as_bytes());
    if let Some(traceparent) = order.traceparent {
        bytes.extend_from_slice(&traceparent.encode());
    }
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
        if !(VERSION_MIN..=VERSION).contains(&version) {
            return Err(OpenError::Version {
                file: PENDING.to_owned(),
                version,
                known: VERSION,
            });
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        if LedgerId(id) != ledger {
            return Err(OpenError::Foreign {
                file: PENDING.to_owned(),
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

/// Writes the file, without syncing it.
pub(super) fn write<'a>(
    file: &dyn File,
    ledger: LedgerId,
    after_seq: u64,
    orders: impl Iterator<Item = PendingOrder<'a>> + Clone,
) -> io::Result<()> {
    let (mut count, mut len) = (0, HEAD + SUM);
    for order in orders.clone() {
        count += 1;
        len += encoded_len(&order);
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
    for order in orders {
        encode_order(&mut buffer, &order);
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
