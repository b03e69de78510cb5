//! Every byte of a segment file: its header, the frames of its batches, and the
//! records in them.
//!
//! All numbers are little-endian. Everything starts at a multiple of 8.
//!
//! A segment is a file of a fixed size: one header of 64 bytes, then frames one
//! after the other, then zeroes. Before its first batch it is all zeroes, and
//! zeroes decode as nothing.
//!
//! # Segment header
//!
//! | offset | bytes | header |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "ORDSEG" FE` |
//! | 8 | 4 | format version: 2 |
//! | 12 | 4 | the segment's number, from 1 |
//! | 16 | 16 | the ledger's id |
//! | 32 | 8 | sequence of the first record in it |
//! | 40 | 4 | number of the segment before; 0 if this is the first ever |
//! | 44 | 4 | offset at which that one ends: bytes beyond it are discarded |
//! | 48 | 12 | zero |
//! | 60 | 4 | CRC-32C of the 60 bytes before |
//!
//! # Frame
//!
//! | offset | bytes | frame |
//! |---|---|---|
//! | 0 | 8 | magic: `FF "BATCH1" FE` |
//! | 8 | 4 | length of the records behind this head |
//! | 12 | 4 | how many records; 0: a seal, which only says what is durable |
//! | 16 | 8 | sequence of the first record |
//! | 24 | 8 | when the batch was committed, in nanoseconds since the Unix epoch |
//! | 32 | 4 | durable position: everything before it was known durable when this frame was written; its segment |
//! | 36 | 4 | and its offset |
//! | 40 | 4 | position of this frame: its segment |
//! | 44 | 4 | and its offset |
//! | 48 | 12 | zero |
//! | 60 | 4 | CRC-32C of the ledger's id and the 60 bytes before |
//! | 64 | | the records |
//!
//! # Record
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
//! | 34 | 1 | flags: 1 if there is a reason, 2 if there is a trace context |
//! | 35 | 1 | length of the client's name; 0 if it is not known |
//! | 36 | | the id, the reason, the order's JSON, the client's name, the trace context (25 bytes: trace id, parent id, flags); zeroes up to the length |
//!
//! # Why a stray frame can't pass for a real one
//!
//! The magics contain bytes that occur in no UTF-8 text, so no order's text can
//! pass for a frame. A frame names its own position, and its checksum is salted
//! with the ledger's id, so a copy of a frame from elsewhere is not valid here.
//!
//! # Versions
//!
//! Magic, version, number, ledger id and checksum of a segment's header never
//! move, so that any version can be told from damage. Any change to the meaning
//! of another byte raises the version. A program reads the versions it knows,
//! refuses others, and writes its newest into new segments. It appends to no
//! segment of an earlier version, whose readers would take what is new for
//! damage: it begins a new one behind the last frame.
//!
//! | version | since | what it has |
//! |---|---|---|
//! | 1 | the development before 0.1.0 | |
//! | 2 | 0.1.0 | the client's name and the trace context in records; in version 1 those bytes are zero, so its records read the same |

mod bytes;
mod frame_head;
mod position;
mod record;
mod salt;
mod segment_head;

pub(crate) use self::bytes::{u32_at, u64_at};
pub(crate) use self::frame_head::{FRAME_HEAD, FrameHead};
pub(crate) use self::position::Position;
pub(crate) use self::record::RecordView;
pub(crate) use self::record::{
    RECORD_MIN, decode_record, encode_record, encoded_len, record_len, record_seq, resalt_record,
};
pub(crate) use self::salt::Salt;
pub(crate) use self::segment_head::{HeadError, SEGMENT_HEAD, SegmentHead, VERSION};
