//! One committed order, as it is stored in a frame.

use crate::ledger::journal::format::bytes::{u32_at, u64_at};
use crate::ledger::journal::format::salt::Salt;
use crate::ledger::{Item, Outcome, Record, Status, Submitter};
use crate::order::{
    CLIENT_LEN_MAX, Client, ID_LEN_MAX, Order, TRACEPARENT_BYTES, TRACEPARENT_LEN, TraceParent,
    is_client_name,
};

/// Bytes before a record's texts.
const HEAD: usize = 36;
/// Records start at multiples of this.
const ALIGN: usize = 8;
/// The shortest possible record.
pub(crate) const RECORD_MIN: usize = (HEAD + 1).next_multiple_of(ALIGN);

const _: () = assert!(ID_LEN_MAX <= u8::MAX as usize, "an id's length is one byte");
const _: () = assert!(CLIENT_LEN_MAX <= u8::MAX as usize, "and a client's");

/// Flags of a record: it has a reason, or a trace context.
const HAS_REASON: u8 = 1;
const HAS_TRACEPARENT: u8 = 2;

/// A committed order, borrowed from the buffer it was read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// From 1, without gaps.
    pub seq: u64,
    /// The processor's verdict.
    pub status: Status,
    /// Of a failed order.
    pub reason: Option<&'a str>,
    /// When it was admitted, in nanoseconds since the Unix epoch.
    pub accepted_at: u64,
    /// When it was committed, likewise.
    pub committed_at: u64,
    /// The order's id.
    pub id: &'a str,
    /// The order's JSON.
    pub order: &'a str,
    /// Who submitted it, if that is known.
    pub client: Option<&'a str>,
    /// The trace that its submission belongs to.
    pub traceparent: Option<TraceParent>,
}

impl RecordView<'_> {
    /// An owned copy.
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
            submitter: Submitter::boxed(
                self.client.map(|client| client.to_owned().into()),
                self.traceparent,
            ),
        }
    }

    /// Bytes of its texts.
    pub(crate) fn text_bytes(&self) -> usize {
        self.id.len()
            + self.reason.map_or(0, str::len)
            + self.order.len()
            + self.client.map_or(0, str::len)
            + self.traceparent.map_or(0, |_| TRACEPARENT_LEN)
    }
}

/// How many bytes `item` takes in a frame.
pub(crate) fn encoded_len(item: &impl Item) -> usize {
    let order = item.order();
    let reason = item.reason().map_or(0, |reason| reason.len());
    let texts = order.id().as_bytes().len() + reason + order.json().len();
    (HEAD + texts + submission_len(order)).next_multiple_of(ALIGN)
}

/// Bytes that say how an order was submitted: none if nothing is known.
fn submission_len(order: &Order) -> usize {
    let submission = order.submission();
    let client = submission.client.map_or(0, |client| client.as_str().len());
    client + submission.traceparent.map_or(0, |_| TRACEPARENT_BYTES)
}

/// Appends `item` to `out`. Its length must fit into a `u32`.
pub(crate) fn encode_record(out: &mut Vec<u8>, seq: u64, item: &impl Item, salt: Salt) {
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
    let submission = order.submission();
    let client = submission.client.map_or("", Client::as_str).as_bytes();
    let mut flags = 0;
    if item.reason().is_some() {
        flags |= HAS_REASON;
    }
    if submission.traceparent.is_some() {
        flags |= HAS_TRACEPARENT;
    }
    out.extend_from_slice(&[status, id.len() as u8, flags, client.len() as u8]);
    out.extend_from_slice(id);
    out.extend_from_slice(reason);
    out.extend_from_slice(json);
    out.extend_from_slice(client);
    if let Some(traceparent) = submission.traceparent {
        out.extend_from_slice(&traceparent.encode());
    }
    out.resize(start + len, 0);
    resalt_record(&mut out[start..], salt);
}

/// Makes a record, which is whole, one of another ledger.
pub(crate) fn resalt_record(record: &mut [u8], salt: Salt) {
    let sum = salt.checksum([&record[..4], &record[8..]]);
    record[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// The length of the record that `bytes` start with, if it is plausible. Not
/// verified by the checksum.
pub(crate) fn record_len(bytes: &[u8]) -> Option<usize> {
    let len = u32_at(bytes.get(..RECORD_MIN)?, 0) as usize;
    let plausible = len >= RECORD_MIN && len.is_multiple_of(ALIGN) && len <= bytes.len();
    plausible.then_some(len)
}

/// The sequence of the record in `bytes`, whose [length](record_len) is
/// plausible. Not verified by the checksum.
pub(crate) fn record_seq(bytes: &[u8]) -> u64 {
    u64_at(bytes, 8)
}

/// The record that `bytes` start with, verified, and its length.
pub(crate) fn decode_record(
    bytes: &[u8],
    committed_at: u64,
    salt: Salt,
) -> Option<(RecordView<'_>, usize)> {
    let len = record_len(bytes)?;
    let record = &bytes[..len];
    if u32_at(record, 4) != salt.checksum([&record[..4], &record[8..]]) {
        return None;
    }
    let status = match record[32] {
        1 => Status::Processed,
        2 => Status::Failed,
        _ => return None,
    };
    let (flags, client_len) = (record[34], record[35]);
    let texts = &record[HEAD..];
    let (id, texts) = texts.split_at_checked(record[33].into())?;
    let (reason, texts) = texts.split_at_checked(u32_at(record, 28) as usize)?;
    let (order, texts) = texts.split_at_checked(u32_at(record, 24) as usize)?;
    let (client, texts) = texts.split_at_checked(client_len.into())?;
    let client = match str::from_utf8(client).ok()? {
        "" => None,
        name => Some(is_client_name(name).then_some(name)?),
    };
    let traceparent = if flags & HAS_TRACEPARENT == 0 {
        None
    } else {
        Some(TraceParent::decode(texts.first_chunk()?)?)
    };
    let reason = str::from_utf8(reason).ok()?;
    let view = RecordView {
        seq: record_seq(record),
        status,
        reason: (flags & HAS_REASON != 0).then_some(reason),
        accepted_at: u64_at(record, 16),
        committed_at,
        id: str::from_utf8(id).ok()?,
        order: str::from_utf8(order).ok()?,
        client,
        traceparent,
    };
    Some((view, len))
}
