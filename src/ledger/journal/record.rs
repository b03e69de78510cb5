//! One committed order, as it stands in a frame (see
//! [`format`](crate::ledger::journal::format)).
//!
//! | offset | bytes | record |
//! |---|---|---|
//! | 0 | 4 | length of the whole record, a multiple of 8 |
//! | 4 | 4 | CRC-32C of the ledger's id and all other bytes of the record |
//! | 8 | 8 | sequence |
//! | 16 | 8 | when the order was admitted, in nanoseconds since the Unix epoch |
//! | 24 | 4 | length of the order's JSON |
//! | 28 | 4 | length of the reason |
//! | 32 | 1 | status: 1 processed, 2 failed |
//! | 33 | 1 | length of the id |
//! | 34 | 1 | 1 if there is a reason, 0 if not |
//! | 35 | 1 | zero |
//! | 36 | | the id, the reason, the order's JSON; zeroes up to the length |

use crate::ledger::journal::format::{Salt, u32_at, u64_at};
use crate::ledger::{Item, Outcome, Record, Status};
use crate::order::ID_LEN_MAX;

/// Bytes before a record's texts.
const HEAD: usize = 36;
/// Records start at multiples of this.
const ALIGN: usize = 8;
/// The least that a record takes.
pub(super) const RECORD_MIN: usize = (HEAD + 1).next_multiple_of(ALIGN);

const _: () = assert!(ID_LEN_MAX <= u8::MAX as usize, "an id's length is one byte");

/// A committed order that is still where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its place in the ledger, from 1.
    pub seq: u64,
    /// How it came out.
    pub status: Status,
    /// Why, for a failed one.
    pub reason: Option<&'a str>,
    /// When it was admitted, in nanoseconds since the Unix epoch.
    pub accepted_at: u64,
    /// When it was committed, likewise.
    pub committed_at: u64,
    /// The order's id.
    pub id: &'a str,
    /// The order's JSON.
    pub order: &'a str,
}

impl RecordView<'_> {
    /// A copy that lives by itself.
    pub fn to_record(self) -> Record {
        Record {
            outcome: Outcome {
                seq: self.seq,
                status: self.status,
                reason: self.reason.map(Into::into),
            },
            accepted_at: self.accepted_at,
            committed_at: self.committed_at,
            id: self.id.into(),
            order: self.order.into(),
        }
    }

    /// Bytes of its texts.
    pub(super) fn texts(&self) -> usize {
        self.id.len() + self.reason.map_or(0, str::len) + self.order.len()
    }
}

/// How many bytes `item` takes in a frame.
pub(super) fn encoded_len(item: &impl Item) -> usize {
    let order = item.order();
    let reason = item.reason().map_or(0, |reason| reason.len());
    let texts = order.id().as_bytes().len() + reason + order.json().len();
    (HEAD + texts).next_multiple_of(ALIGN)
}

/// Writes `item` behind `out`. It must be no longer than a `u32` can say.
pub(super) fn encode(out: &mut Vec<u8>, seq: u64, item: &impl Item, salt: Salt) {
    let (order, start, len) = (item.order(), out.len(), encoded_len(item));
    let (id, json) = (order.id().as_bytes(), order.json().as_bytes());
    let reason = item.reason().map_or(&[][..], |reason| reason.as_bytes());
    let status = match item.status() {
        Status::Processed => 1,
        Status::Failed => 2,
    };
    out.extend_from_slice(&(len as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&item.accepted_at().to_le_bytes());
    out.extend_from_slice(&(json.len() as u32).to_le_bytes());
    out.extend_from_slice(&(reason.len() as u32).to_le_bytes());
    let has_reason = u8::from(item.reason().is_some());
    out.extend_from_slice(&[status, id.len() as u8, has_reason, 0]);
    out.extend_from_slice(id);
    out.extend_from_slice(reason);
    out.extend_from_slice(json);
    out.resize(start + len, 0);
    let record = &mut out[start..];
    let sum = salt.checksum([&record[..4], &record[8..]]);
    record[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// The length of the record that `bytes` start with, if that is a length. Not
/// verified.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let len = u32_at(bytes.get(..RECORD_MIN)?, 0) as usize;
    let good = len >= RECORD_MIN && len.is_multiple_of(ALIGN) && len <= bytes.len();
    good.then_some(len)
}

/// The sequence that the record in `bytes`, whose [`length`] is good, claims.
/// Not verified.
pub(super) fn sequence(bytes: &[u8]) -> u64 {
    u64_at(bytes, 8)
}

/// The record that `bytes` start with, verified, and its length.
pub(super) fn decode(
    bytes: &[u8],
    committed_at: u64,
    salt: Salt,
) -> Option<(RecordView<'_>, usize)> {
    let len = length(bytes)?;
    let record = &bytes[..len];
    if u32_at(record, 4) != salt.checksum([&record[..4], &record[8..]]) {
        return None;
    }
    let status = match record[32] {
        1 => Status::Processed,
        2 => Status::Failed,
        _ => return None,
    };
    let texts = &record[HEAD..];
    let (id, texts) = texts.split_at_checked(record[33].into())?;
    let (reason, texts) = texts.split_at_checked(u32_at(record, 28) as usize)?;
    let order = texts.get(..u32_at(record, 24) as usize)?;
    let reason = str::from_utf8(reason).ok()?;
    let view = RecordView {
        seq: sequence(record),
        status,
        reason: (record[34] == 1).then_some(reason),
        accepted_at: u64_at(record, 16),
        committed_at,
        id: str::from_utf8(id).ok()?,
        order: str::from_utf8(order).ok()?,
    };
    Some((view, len))
}
