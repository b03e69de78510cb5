//! Wall time, and cheap readings for what needs no precision. Durations are
//! measured with [`Instant`] instead, which is monotonic.

mod rfc3339;

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

pub(crate) use self::rfc3339::parse_rfc3339;

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

// The kernel updates its coarse clocks at each tick, a few milliseconds apart
// (CONFIG_HZ). To read one costs a fraction of what the fine ones cost, which
// read the hardware's counter; see clock_gettime(2).
#[cfg(target_os = "linux")]
const MONOTONIC: ClockId = ClockId::MonotonicCoarse;
#[cfg(target_os = "linux")]
const REALTIME: ClockId = ClockId::RealtimeCoarse;
#[cfg(not(target_os = "linux"))]
const MONOTONIC: ClockId = ClockId::Monotonic;
#[cfg(not(target_os = "linux"))]
const REALTIME: ClockId = ClockId::Realtime;

/// The longest tick there is (`CONFIG_HZ=100`).
const TICK: Duration = Duration::from_millis(10);

/// Seconds since the Unix epoch, up to a tick late; 0 if the clock is set
/// before it.
pub(crate) fn unix_seconds() -> u64 {
    u64::try_from(clock_gettime(REALTIME).tv_sec).unwrap_or(0)
}

/// Milliseconds on a monotonic clock, up to a tick late.
pub(crate) fn millis() -> u64 {
    let time = clock_gettime(MONOTONIC);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// A deadline in `timeout` from now, or up to a tick later: never early. For
/// timeouts that are set for every request and seldom pass.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    /// The same moment on both clocks: of some readings the one that took the
    /// shortest time, since a thread may lose its core between the two.
    static ORIGIN: LazyLock<(Instant, Duration)> = LazyLock::new(|| {
        let read = |_| {
            let origin = since_boot(ClockId::Monotonic);
            let instant = Instant::now();
            (since_boot(ClockId::Monotonic) - origin, instant, origin)
        };
        let readings = (0..8).map(read);
        let (_, instant, origin) = readings.min().expect("eight are some");
        (instant, origin)
    });
    let (instant, origin) = *ORIGIN;
    // The coarse clock may be a tick behind the origin at first.
    instant + (since_boot(MONOTONIC) + TICK).saturating_sub(origin) + timeout
}

fn since_boot(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_at_most_a_tick_late_and_never_early() {
        const TIMEOUT: Duration = Duration::from_secs(5);
        // What the readings of the two clocks are apart.
        const APART: Duration = Duration::from_millis(1);
        let mut compared = 0;
        for _ in 0..10_000 {
            let before = Instant::now();
            let precise = since_boot(ClockId::Monotonic);
            if precise.saturating_sub(since_boot(MONOTONIC)) > TICK {
                continue; // the kernel itself had no core for its tick
            }
            let deadline = deadline(TIMEOUT);
            let after = Instant::now();
            assert!(deadline >= before + TIMEOUT);
            assert!(deadline <= after + TIMEOUT + TICK + APART);
            compared += 1;
        }
        assert!(compared > 0);
    }
}
