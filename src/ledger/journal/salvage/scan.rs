//! What of one segment can be proven.
//!
//! Frames are read one after the other, as recovery does. Where none decodes,
//! the next multiple of 8 is sought at which a frame does, or a record alone:
//! those of a frame whose head is damaged. A frame's head gives its position
//! and is valid nowhere else.
//!
//! # Records alone
//!
//! A record gives no position, so one that a disk, or a person, has written to
//! the wrong one decodes there. It counts only if its bytes were durable and
//! its sequence is one that is missing here: in front of that of the next frame
//! or segment. Records behind a head that names another position are its, and
//! are where that is, unless they were discarded there.
//!
//! # What was durable
//!
//! Everything before the end that the next segment gives; without it, all in
//! front of the last frame whose head is whole, since one frame at a time is in
//! flight. So only that frame may be unproven. It counts if it is whole:
//! recovery takes it for an outcome, too. If it isn't, it may have been torn by
//! a crash, its sequences given to other orders, and its records are left
//! alone.

use crate::ledger::journal::format::Salt;
use crate::ledger::journal::salvage::found::{Bounds, Scan};
use crate::ledger::journal::salvage::image::Image;
use crate::ledger::journal::salvage::scanner::Scanner;

/// Scans segment `number`.
pub(super) fn scan(image: &Image, number: u32, bounds: Bounds, salt: Salt) -> Scan {
    let last = image.bytes.iter().rposition(|&byte| byte != 0);
    let used = last.map_or(0, |last| last + 1);
    // What the disk doesn't give may be anything.
    let unreadable = image.unreadable.last().map_or(0, |page| page.end);
    let mut scan = Scanner::new(&image.bytes, used.max(unreadable), number, bounds, salt).run();
    scan.gaps.sort_unstable_by_key(|gap| gap.range.start);
    for gap in &mut scan.gaps {
        if image.is_unreadable(&gap.range) {
            gap.what = "the disk can't read it";
        }
    }
    scan
}
