//! What clients are told about their orders, in the same words on every front
//! end.
//!
//! A front end picks the status and the machine-readable reason; the sentence
//! for people comes from here. None of these sentences is part of an interface:
//! programs go by status and reason.

use std::time::Duration;

use crate::pipeline::answer::Withdrawal;
use crate::pipeline::gate::GateState;

/// The same id is being admitted by another request.
pub(crate) const BUSY: &str = "the same id is being submitted at this moment";
/// The queue is full, in orders or in bytes.
pub(crate) const FULL: &str = "the queue is full; nothing was kept";

/// The id can't be used again for other content.
pub(crate) const fn conflict(committed: bool) -> &'static str {
    if committed {
        "the id belongs to a committed order with other content"
    } else {
        "the id belongs to an order in flight with other content"
    }
}

/// Why orders are not taken in this state of the gate.
pub(crate) const fn closed(state: GateState) -> &'static str {
    match state {
        GateState::Draining => "this process is about to end; another may be up",
        GateState::LedgerDown => "the ledger has failed; orders are refused",
        GateState::LedgerFull => {
            "the ledger's disk is full or failing: no space for orders; they are taken again when there is some"
        }
        GateState::LedgerAway => "the ledger's servers can't be reached or can't commit now",
        GateState::Recovering | GateState::Open => "the ledger is being recovered",
    }
}

/// Why an admitted order got no outcome.
pub(crate) fn withdrawn(why: &Withdrawal) -> &str {
    match why {
        Withdrawal::Retry(reason) => reason,
        Withdrawal::Drain => "the process ended before the order had an outcome",
        Withdrawal::Ledger => "the ledger failed; whether it holds the order is not known",
        Withdrawal::Unconfirmed => {
            "the ledger did not confirm the order in time; send it again to find out"
        }
    }
}

/// No outcome of this id is known, here or in a ledger with several writers.
pub(crate) const UNKNOWN_TO_LEDGER: &str =
    "not in flight here, and the stream has no outcome of this id";

/// No outcome of this id is known: the dedupe window holds so many outcomes,
/// the oldest of this age once it is full.
pub(crate) fn unknown(outcomes: usize, age: Option<Duration>) -> String {
    match age {
        Some(age) => format!(
            "not in flight and not among the last {outcomes} outcomes, which reach back {} s",
            age.as_secs()
        ),
        None => format!(
            "not in flight and not among the outcomes so far (the last {outcomes} are known)"
        ),
    }
}

/// A reader of the feed is past its end.
pub(crate) fn feed_ahead(last_seq: u64) -> String {
    format!("the last sequence is {last_seq}")
}

/// A reader of the feed asks for what is no longer kept.
pub(crate) fn feed_pruned(oldest_seq: u64) -> String {
    format!("the oldest sequence kept is {oldest_seq}")
}
