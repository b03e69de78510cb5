//! Wall time. Durations are measured with [`Instant`] instead, which is
//! monotonic.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A point in time on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Nanoseconds since the Unix epoch.
    pub(crate) unix_nanos: u64,
    pub(crate) instant: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            unix_nanos: unix_nanos(),
            instant: Instant::now(),
        }
    }
}

/// Nanoseconds since the Unix epoch; 0 if the clock is set before it.
pub(crate) fn unix_nanos() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}
