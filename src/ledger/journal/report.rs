//! What opening a journal reports: progress, and what was found.

use std::time::Duration;

use crate::ledger::LedgerId;
use crate::ledger::journal::extent::Rewound;

/// How far a recovery or a verification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// Bytes read so far.
    pub bytes: u64,
    /// Bytes to read.
    pub bytes_total: u64,
    /// Outcomes read so far.
    pub records: u64,
}

/// What recovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The feed's `Orders-Ledger-Id`.
    pub ledger: LedgerId,
    /// The directory was empty: it is a new ledger.
    pub created: bool,
    /// Why the ledger has a new id, if it has got one.
    pub rewound: Option<Rewound>,
    /// Outcomes visited.
    pub records: u64,
    /// 0: none.
    pub last_seq: u64,
    /// The first sequence in the directory.
    pub oldest_seq: u64,
    pub torn_tail: Option<TornTail>,
    pub took: Duration,
}

/// Bytes at the end of the journal that are not a whole batch: a write that a
/// crash cut short. Nobody was sent an outcome from it. They stay in the file,
/// discarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment's file.
    pub file: String,
    /// Where it starts.
    pub offset: u64,
    /// Up to the last byte that isn't zero.
    pub bytes: u64,
}
