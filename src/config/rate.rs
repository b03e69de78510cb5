//! How many requests a client may make.

use std::time::Duration;

/// Of a rate, a burst, or requests in flight.
const COUNT_MAX: u32 = 1_000_000;

/// So many requests in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRate {
    /// At least one.
    pub count: u32,
    /// A second, a minute or an hour.
    pub period: Duration,
}

impl RequestRate {
    /// The form of a rate, for people.
    pub(crate) const FORM: &str = "1 to 1000000 with its unit, as in 1000/s, 60/m or 10/h";
    /// The form of a burst and of a number in flight.
    pub(crate) const COUNT_FORM: &str = "1 to 1000000";

    /// Reads `N/s`, `N/m` or `N/h`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        Some(Self {
            count: Self::parse_count(count)?,
            period: Duration::from_secs(seconds),
        })
    }

    /// Reads a burst, or a number of requests in flight.
    pub(crate) fn parse_count(text: &str) -> Option<u32> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let count = text.parse().ok().filter(|_| digits)?;
        (1..=COUNT_MAX).contains(&count).then_some(count)
    }

    /// As many as may come at once where nothing else is said: those of a
    /// second, at least one.
    pub(crate) fn default_burst(&self) -> u32 {
        let second = u64::from(self.count) / self.period.as_secs().max(1);
        u32::try_from(second).unwrap_or(u32::MAX).max(1)
    }
}
