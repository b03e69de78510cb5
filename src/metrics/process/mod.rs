//! The process as its system sees it: the usual `process_*` figures.
//!
//! On Linux they come from `/proc` (proc_pid_stat(5)), which the kernel generates in memory: no disk
//! is touched, but each read is a system call that can wait for the process's own memory map. So
//! reading is apart from the exposition, and the caller decides on which thread it runs. On other
//! systems there is nothing to read.

#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::time::Duration;

/// One reading. What the system doesn't say is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessMetrics {
    /// CPU time spent by all threads, user and system.
    pub cpu: Duration,
    /// Memory in RAM, in bytes.
    pub resident_bytes: u64,
    /// Memory mapped, in bytes.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// File descriptors open.
    pub open_fds: Option<u64>,
    /// The soft limit of file descriptors; `None` also when there is none.
    pub max_fds: Option<u64>,
    /// When the process started, since the Unix epoch. Read once: it stays the same when the wall
    /// clock is set.
    pub start_time: Option<Duration>,
}

impl ProcessMetrics {
    /// Reads the figures of this process; `None` where there is no `/proc`.
    ///
    /// Takes some tens of microseconds and no lock. On kernels before 6.2 the open descriptors have
    /// to be listed, which with ten thousand of them takes some milliseconds.
    pub fn read() -> Option<Self> {
        #[cfg(target_os = "linux")]
        return linux::read();
        #[cfg(not(target_os = "linux"))]
        return None;
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::fs::File;
    use std::io::Read;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, SystemTime};

    use rustix::param::{clock_ticks_per_second, page_size};
    use rustix::process::{Resource, getrlimit};

    use crate::metrics::process::ProcessMetrics;

    /// More than the longest `/proc/self/stat`: 52 numbers of 20 digits at most, few of them long.
    const STAT_BYTES_MAX: usize = 1_024;

    pub(super) fn read() -> Option<ProcessMetrics> {
        let mut buffer = [0; STAT_BYTES_MAX];
        let stat = Stat::parse(read_start("/proc/self/stat", &mut buffer)?)?;
        Some(ProcessMetrics {
            cpu: from_ticks(stat.cpu_ticks),
            resident_bytes: stat.resident_pages.saturating_mul(page_size() as u64),
            virtual_bytes: stat.virtual_bytes,
            threads: stat.threads,
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
            start_time: start_time(stat.start_ticks),
        })
    }

    /// The fields that are wanted, by their number in proc_pid_stat(5).
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Stat {
        /// 14 and 15: user and system.
        pub cpu_ticks: u64,
        /// 20.
        pub threads: u64,
        /// 22, since boot.
        pub start_ticks: u64,
        /// 23.
        pub virtual_bytes: u64,
        /// 24.
        pub resident_pages: u64,
    }

    impl Stat {
        pub(super) fn parse(stat: &[u8]) -> Option<Self> {
            // Field 2, the program's name, may hold anything, also blanks and brackets; after the
            // last bracket come numbers.
            let name_end = stat.iter().rposition(|byte| *byte == b')')?;
            let mut fields = str::from_utf8(&stat[name_end + 1..])
                .ok()?
                .split_ascii_whitespace();
            // `nth` counts from the field after the one it gave last; the first here is field 3.
            let mut skip_to = |skipped: usize| fields.nth(skipped)?.parse::<u64>().ok();
            let user_ticks = skip_to(14 - 3)?;
            let system_ticks = skip_to(0)?;
            Some(Self {
                cpu_ticks: user_ticks.saturating_add(system_ticks),
                threads: skip_to(20 - 16)?,
                start_ticks: skip_to(22 - 21)?,
                virtual_bytes: skip_to(0)?,
                resident_pages: skip_to(0)?,
            })
        }
    }

    /// What `/proc` counts in ticks, a hundredth of a second as a rule.
    fn from_ticks(ticks: u64) -> Duration {
        let per_second = clock_ticks_per_second().max(1);
        let nanos = u128::from(ticks % per_second) * 1_000_000_000 / u128::from(per_second);
        Duration::from_secs(ticks / per_second) + Duration::from_nanos(nanos as u64)
    }

    /// Since Linux 6.2 the directory's size is the number of its entries; before, it is zero.
    fn open_fds() -> Option<u64> {
        match fs::metadata("/proc/self/fd").ok()?.len() {
            // The listing's own descriptor is among those listed.
            0 => Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1)),
            open => Some(open),
        }
    }

    /// The wall clock's time at the start, computed at the first call and then kept: clock and
    /// uptime are read one after the other, and a start that varies would look like restarts.
    fn start_time(start_ticks: u64) -> Option<Duration> {
        static START_MS: AtomicU64 = AtomicU64::new(UNKNOWN);
        const UNKNOWN: u64 = 0;

        let mut start_ms = START_MS.load(Ordering::Relaxed);
        if start_ms == UNKNOWN {
            let computed = compute_start(start_ticks)?.as_millis() as u64;
            start_ms = START_MS
                .compare_exchange(UNKNOWN, computed, Ordering::Relaxed, Ordering::Relaxed)
                .map_or_else(|by_another| by_another, |_| computed);
        }
        Some(Duration::from_millis(start_ms))
    }

    fn compute_start(start_ticks: u64) -> Option<Duration> {
        let mut buffer = [0; 64];
        let uptime = parse_uptime(read_start("/proc/uptime", &mut buffer)?)?;
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?;
        now.checked_sub(uptime.saturating_sub(from_ticks(start_ticks)))
    }

    /// `/proc/uptime` is two numbers of seconds with two decimals (proc_uptime(5)); the first counts.
    pub(super) fn parse_uptime(text: &[u8]) -> Option<Duration> {
        let first = str::from_utf8(text).ok()?.split_ascii_whitespace().next()?;
        let (seconds, hundredths) = first.split_once('.')?;
        let hundredths: u64 = hundredths
            .parse()
            .ok()
            .filter(|hundredths| *hundredths < 100)?;
        Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_millis(hundredths * 10))
    }

    /// Opens a file of `/proc` and reads it in one call, so that it is consistent.
    fn read_start<'a>(path: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        let length = File::open(path).ok()?.read(buffer).ok()?;
        Some(&buffer[..length])
    }
}
