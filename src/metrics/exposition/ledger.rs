//! What the ledger has on disk.

use crate::metrics::exposition::family::{counter, gauge, single};
use crate::metrics::gauges::DiskGauges;
use crate::metrics::journal::JournalMetrics;
use crate::metrics::text::{Family, Kind, Text};

pub(super) fn journal(text: &mut Text<'_>, journal: &JournalMetrics) {
    let commit = Family {
        name: "journal_commit_seconds",
        kind: Kind::Histogram,
        help: "How long a batch takes to be written and synced.",
    };
    text.family(&commit);
    text.histogram(&commit, &[], &journal.commit.snapshot());
    let orders = Family {
        name: "journal_batch_orders",
        kind: Kind::Histogram,
        help: "Orders in a batch.",
    };
    text.family(&orders);
    text.histogram(&orders, &[], &journal.batch_orders.snapshot());
    let bytes = gauge("journal_bytes", "Bytes that the journal takes on disk.");
    single(text, &bytes, journal.bytes());
    let read_errors = counter(
        "journal_read_errors",
        "Reads that met a damaged record or an error of the disk.",
    );
    single(text, &read_errors, journal.read_errors());
    let ahead = gauge(
        "journal_segment_ahead",
        "0 while the next segment can't be made.",
    );
    single(
        text,
        &ahead,
        u64::from(journal.no_segment_ahead().is_none()),
    );
}

pub(super) fn disk(text: &mut Text<'_>, disk: &DiskGauges) {
    let segments = gauge("journal_segments", "Segments with outcomes.");
    single(text, &segments, disk.segments);
    if let Some(free) = disk.free_bytes {
        let family = gauge(
            "journal_free_bytes",
            "Bytes that the journal's file system has left.",
        );
        single(text, &family, free);
    }
}
