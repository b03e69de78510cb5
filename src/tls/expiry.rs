//! When certificates expire, and whether that is soon.

use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before it expires a certificate should be renewed, at the latest.
const RENEWED_BEFORE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// The same as a part of its life: some live for a day.
const RENEWED_BEFORE_PART: u32 = 3;

/// The time in which a certificate is valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

impl Validity {
    /// What is left, if that is little: none of it once it has expired.
    fn left_if_little(&self, now: SystemTime) -> Option<Duration> {
        let life = self.until.duration_since(self.from).unwrap_or_default();
        let left = self.until.duration_since(now).unwrap_or_default();
        (left < RENEWED_BEFORE.min(life / RENEWED_BEFORE_PART)).then_some(left)
    }

    /// Logs a warning if it expires soon.
    pub(super) fn warn(&self, now: SystemTime) {
        let Some(left) = self.left_if_little(now) else {
            return;
        };
        let not_after = humantime::format_rfc3339_seconds(self.until);
        if left.is_zero() {
            tracing::error!(
                %not_after,
                "the TLS certificate has expired, and clients refuse it: renew it and send SIGHUP"
            );
            return;
        }
        let days = left.as_secs() / DAY.as_secs();
        tracing::warn!(
            %not_after,
            days,
            "the TLS certificate expires soon: renew it and send SIGHUP"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn the_last_two_weeks_are_little_or_the_last_third_of_a_short_life() {
        let from = UNIX_EPOCH + DAY * 20_000;
        for (days, little_from) in [(90, 76), (365, 351), (42, 28), (9, 6), (3, 2)] {
            let validity = Validity {
                from,
                until: from + DAY * days,
            };
            let second = Duration::from_secs(1);
            let left = |at: SystemTime| validity.left_if_little(at);
            assert_eq!(left(from + DAY * little_from), None, "{days} days");
            let soon = from + DAY * little_from + second;
            assert_eq!(left(soon), Some(DAY * (days - little_from) - second));
            assert_eq!(left(validity.until), Some(Duration::ZERO));
            assert_eq!(left(validity.until + DAY), Some(Duration::ZERO));
        }
    }
}
