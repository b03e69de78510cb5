//! Parsing `/proc`, and this process's own figures.

use std::fs::File;
use std::time::{Duration, SystemTime};

use crate::metrics::process::ProcessMetrics;
use crate::metrics::process::linux::{Stat, parse_uptime};

#[test]
fn a_program_name_with_brackets_and_blanks_shifts_no_field() {
    let stat = b"42 (a) b (c\xff) S 1 42 42 0 -1 4194304 1 2 3 4 150 50 7 8 20 0 9 0 12345 \
                 4096000 77 18446744073709551615 1 2\n";
    let expected = Stat {
        cpu_ticks: 200,
        threads: 9,
        start_ticks: 12_345,
        virtual_bytes: 4_096_000,
        resident_pages: 77,
    };
    assert_eq!(Stat::parse(stat), Some(expected));
}

#[test]
fn a_cut_or_foreign_stat_is_nothing() {
    for stat in [
        &b""[..],
        b"42 (a",
        b"42 (a) S 1",
        b"42 (a) S 1 42 42 0 -1 0 1 2 3 4 x 5",
    ] {
        assert_eq!(Stat::parse(stat), None);
    }
}

#[test]
fn uptime_is_read_to_the_hundredth() {
    assert_eq!(
        parse_uptime(b"350735.47 234388.90\n"),
        Some(Duration::from_millis(350_735_470))
    );
    assert_eq!(
        parse_uptime(b"0.05 0.00\n"),
        Some(Duration::from_millis(50))
    );
    assert_eq!(parse_uptime(b"\n"), None);
    assert_eq!(parse_uptime(b"12 1\n"), None);
}

#[test]
fn this_process_is_plausible() {
    let reading = ProcessMetrics::read().expect("Linux has /proc");
    assert!(reading.resident_bytes > 0 && reading.virtual_bytes >= reading.resident_bytes);
    assert!(reading.threads >= 1);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    let start = reading.start_time.expect("Linux has /proc/uptime");
    // Within an hour before now, and a second of rounding after it.
    assert!(start <= now + Duration::from_secs(1) && now.saturating_sub(start).as_secs() < 3_600);
    let again = ProcessMetrics::read().expect("Linux has /proc");
    assert_eq!(again.start_time, reading.start_time);
    assert!(again.cpu >= reading.cpu);
}

#[test]
fn open_descriptors_are_counted() {
    // More than other tests of this process open and close meanwhile.
    const MORE: u64 = 100;
    let before = ProcessMetrics::read()
        .and_then(|reading| reading.open_fds)
        .expect("Linux");
    let files: Vec<_> = (0..MORE)
        .map(|_| File::open("/dev/null").expect("descriptors are left"))
        .collect();
    let during = ProcessMetrics::read()
        .and_then(|reading| reading.open_fds)
        .expect("Linux");
    assert!(
        during >= before + MORE / 2,
        "{before} before, {during} during"
    );
    drop(files);
}
