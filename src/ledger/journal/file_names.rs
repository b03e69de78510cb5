//! The names of the files in the data directory.

/// Held locked for the life of the process.
pub(crate) const LOCK: &str = "lock";
/// Which ledger the directory holds.
pub(crate) const MANIFEST: &str = "ledger";
/// The manifest until it is whole.
pub(crate) const MANIFEST_NEW: &str = "ledger.new";
/// How far the journal has come.
pub(crate) const EXTENT: &str = "extent";
/// The extent until it is whole.
pub(crate) const EXTENT_NEW: &str = "extent.new";
/// Orders that the last drain could not finish.
pub(crate) const PENDING: &str = "pending";
/// The pending file until it is whole.
pub(crate) const PENDING_NEW: &str = "pending.new";
/// Space for the pending file.
pub(crate) const PENDING_RESERVE: &str = "pending.reserve";
/// A segment until it is whole.
pub(crate) const SEGMENT_NEW: &str = "journal.new";

/// Of a directory that was made by `journal salvage`: what was found.
pub(crate) const SALVAGE_REPORT: &str = "salvage-report.json";
/// Outcomes that are not in its journal, as lines of the feed.
pub(crate) const SALVAGE_REST: &str = "salvage-rest.ndjson";

/// What a new ext4 has at its root, and no file of ours.
pub(crate) const LOST_AND_FOUND: &str = "lost+found";

pub(crate) fn segment_name(number: u32) -> String {
    format!("journal-{number:010}.seg")
}

/// The number of the segment whose file is called `name`.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".seg")?;
    let number = digits.parse().ok()?;
    (segment_name(number) == name && number > 0).then_some(number)
}

/// Whether a file is the journal's.
pub(crate) fn is_known(name: &str) -> bool {
    [LOCK, MANIFEST, EXTENT, PENDING].contains(&name) || segment_number(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        assert_eq!(segment_name(12), "journal-0000000012.seg");
        for number in [1, 12, u32::MAX] {
            assert_eq!(segment_number(&segment_name(number)), Some(number));
        }
        for name in [
            "journal-12.seg",
            "journal-0000000000.seg",
            "journal-00000000+1.seg",
            "lock",
        ] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }
}
