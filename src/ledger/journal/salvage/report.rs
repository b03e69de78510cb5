//! What was found, and where it is now.

use crate::ledger::LedgerId;

/// What came of a damaged journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The damaged ledger, by the id that its readers saw; without its manifest,
    /// by that in its segments.
    pub from: LedgerId,
    /// The new one.
    pub ledger: LedgerId,
    /// Segments of the new journal.
    pub segments: usize,
    /// All runs of outcomes, in order.
    pub runs: Vec<Run>,
    /// Which of them is the new journal.
    pub kept: Option<Run>,
    /// What was damaged, in order.
    pub damages: Vec<Damage>,
    /// The sequences that are lost, in order.
    pub lost: Vec<Lost>,
    /// Outcomes whose time of commit was damaged: it is the time at which the
    /// last order of the batch was admitted.
    pub times_estimated: u64,
    /// The pending orders.
    pub pending: SalvagedPending,
}

/// Outcomes whose sequences follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first sequence.
    pub first_seq: u64,
    /// The last one.
    pub last_seq: u64,
}

/// A place that doesn't decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// So many bytes.
    pub bytes: u64,
    /// What is wrong there.
    pub what: String,
    /// What is missing for it, or for it and its neighbours in this list.
    pub lost: Option<Lost>,
}

/// Sequences without an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first one; `None`: it is not known.
    pub first_seq: Option<u64>,
    /// The last one; `None`: it is not known, nor whether there was any.
    pub last_seq: Option<u64>,
}

/// What became of the file of pending orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SalvagedPending {
    /// There was none.
    None,
    /// It was whole.
    Whole {
        /// Orders that the next start takes up.
        orders: u64,
        /// Orders that have an outcome, and are not in it any more.
        finished: u64,
        /// Outcomes are lost among which theirs may have been: these orders
        /// may be processed again.
        in_doubt: bool,
    },
    /// It can't be read, and this is why. Its orders are lost.
    Damaged(String),
}

impl Salvaged {
    /// Outcomes in the new journal.
    pub fn in_journal(&self) -> u64 {
        self.kept.map_or(0, Run::outcomes)
    }

    /// Outcomes in the file beside it.
    pub fn outside(&self) -> u64 {
        let all: u64 = self.runs.iter().copied().map(Run::outcomes).sum();
        all - self.in_journal()
    }

    /// Whether the new directory holds all that the old one did.
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty()
            && self.outside() == 0
            && !matches!(self.pending, SalvagedPending::Damaged(_))
    }
}

impl Run {
    /// How many.
    pub fn outcomes(self) -> u64 {
        self.last_seq - self.first_seq + 1
    }
}
