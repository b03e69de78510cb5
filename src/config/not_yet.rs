//! Flags and values that are part of the contract and not in this version yet.
//!
//! They are declared, parsed and shown by `--help` like all others, and refused when given:
//! silence would let an operator believe in a limit or a promise that nothing keeps. Whoever builds
//! one takes its line out of the table, or narrows it.

/// One line of the table.
pub(super) struct NotYet {
    /// The flag's name without dashes.
    pub flag: &'static str,
    /// Which of its values are refused.
    pub refused: fn(&str) -> bool,
    /// What `--help` says of it.
    pub note: &'static str,
    /// What to do instead.
    pub instead: &'static str,
}

/// The flag as a whole is refused.
const fn whole(flag: &'static str) -> NotYet {
    NotYet {
        flag,
        refused: |_| true,
        note: "not in this version yet",
        instead: "leave it out",
    }
}

/// What this version refuses.
pub(super) const NOT_YET: &[NotYet] = &[
    NotYet {
        flag: "ledger",
        refused: |value| value != "memory" && value != "journal",
        note: "nats:// is not in this version yet",
        instead: "use --ledger journal",
    },
    whole("token-file"),
    whole("nats-stream"),
    whole("nats-replicas"),
    whole("nats-dedupe-window"),
];
