//! The `Date` field of a reply, formatted once a second and thread.
//!
//! RFC 9110 section 6.6.1 asks an origin server with a clock for a `Date`, in
//! the IMF-fixdate form of section 5.6.7. Formatting it costs more than the
//! rest of a short reply's head, and it changes once a second, so each thread
//! keeps the last one.
//!
//! Relies on `write_date` neither parking nor being inlined: a coroutine may
//! wake up on another thread, and a compiler that kept the thread-local's
//! address over that point would hand out the old thread's cell.

use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use crate::clock::unix_seconds;

/// The length of an IMF-fixdate in bytes: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) const DATE_LEN: usize = 29;

/// The last second of the year 9999: the format has four digits for a year.
const LAST_SECOND: u64 = 253_402_300_799;

/// A formatted date and its second (since 1970, UTC).
#[derive(Clone, Copy)]
struct Formatted {
    second: u64,
    text: [u8; DATE_LEN],
}

const EPOCH: Formatted = Formatted {
    second: 0,
    text: *b"Thu, 01 Jan 1970 00:00:00 GMT",
};

thread_local! {
    static LATEST: Cell<Formatted> = const { Cell::new(EPOCH) };
}

/// Writes the current second as an IMF-fixdate.
///
/// Costs one reading of the coarse clock and a copy of 40 bytes, but for the first
/// call of a second on a thread. A clock before 1970 or after 9999 is clamped
/// to those ends. Never allocates.
#[inline(never)]
pub(crate) fn write_date(out: &mut [u8; DATE_LEN]) {
    let second = unix_seconds();
    let mut latest = LATEST.get();
    if latest.second != second {
        latest = format(second);
        LATEST.set(latest);
    }
    *out = latest.text;
}

fn format(second: u64) -> Formatted {
    let time = UNIX_EPOCH + Duration::from_secs(second.min(LAST_SECOND));
    let mut text = [b' '; DATE_LEN];
    write!(&mut text[..], "{}", httpdate::HttpDate::from(time))
        .expect("an IMF-fixdate of a four-digit year is 29 bytes long");
    Formatted { second, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_the_standard_s_example_and_the_ends() {
        for (second, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (LAST_SECOND, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(&format(second).text), Ok(text));
        }
    }

    #[test]
    fn follows_the_clock_and_replaces_a_stale_text() {
        LATEST.set(Formatted {
            second: 1,
            text: [b'x'; DATE_LEN],
        });
        let before = unix_seconds();
        let mut written = [0; DATE_LEN];
        write_date(&mut written);
        let after = unix_seconds();
        let text = std::str::from_utf8(&written).expect("ASCII");
        let parsed = httpdate::parse_http_date(text).expect("a date");
        let second = parsed
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        assert!(
            (before..=after).contains(&second),
            "{before} <= {second} <= {after}"
        );
    }

    #[test]
    fn a_text_is_kept_for_its_second() {
        // Marks the cache for a whole second and expects the mark back; when
        // the second turned in between the mark is gone, and the next round
        // tries again.
        let marked = [b'm'; DATE_LEN];
        let kept = (0..100).any(|_| {
            let second = unix_seconds();
            LATEST.set(Formatted {
                second,
                text: marked,
            });
            let mut written = [0; DATE_LEN];
            write_date(&mut written);
            written == marked
        });
        LATEST.set(EPOCH);
        assert!(kept);
    }
}
