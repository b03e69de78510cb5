//! Each alert of k8s/monitoring/rules.yaml: its condition is caused on the real
//! service, and a real Prometheus, which scrapes it, has that alert firing, and
//! not before. Only the times are shorter than in the file. `rules_test.yaml`
//! has the times, with series that are made up. Meanwhile the commands in the
//! alert's section of the runbook show the cause.
//!
//! No alert is left out. Not caused are the same conditions over NATS, and a
//! volume that fills where this process may not mount one.

#[path = "../harness/mod.rs"]
mod harness;

mod disk;
mod orders;
mod process;
mod prometheus;
mod runbook;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::prometheus::{Prometheus, alerts};

/// What causes these alerts, on services of its own.
type Cause = fn(&Prometheus, &[&str]);

const CAUSES: &[(Cause, &[&str])] = &[
    (process::is_killed, &["OrdersTargetDown"]),
    (
        process::loses_its_certificate,
        &["OrdersCertificateExpires"],
    ),
    (
        process::has_many_connections,
        &[
            "OrdersConnectionsNearLimit/HTTP",
            "OrdersConnectionsNearLimit/gRPC",
            "OrdersDescriptors",
        ],
    ),
    (
        process::has_another_ledger_beside_it,
        &["OrdersLedgerSplit"],
    ),
    (
        disk::has_no_space,
        &["OrdersLedgerRefuses", "OrdersNotReady"],
    ),
    (
        disk::hangs_in_a_drain,
        &["OrdersDrainOverrun", "OrdersNotReady"],
    ),
    (disk::is_slow, &["OrdersCommitSlow"]),
    (disk::gives_no_segment, &["OrdersNoNextSegment"]),
    (disk::changes_a_byte, &["OrdersJournalDamaged"]),
    (disk::fills, &["OrdersDiskFullIn3Days"]),
    (
        orders::come_too_fast,
        &[
            "OrdersQueueNearFull",
            "OrdersRefusedFull",
            "OrdersSLOBurnFast",
            "OrdersSLOBurnSlow",
        ],
    ),
    (orders::are_wrong, &["OrdersRefusedByClientError"]),
    (orders::fail, &["OrdersFailing"]),
    (orders::are_to_come_again, &["OrdersRetried"]),
    (
        orders::push_others_out_of_the_window,
        &["OrdersWindowShort"],
    ),
];

#[test]
fn each_alert_has_a_cause_here() {
    let caused = CAUSES.iter().flat_map(|(_, alerts)| *alerts);
    let caused: BTreeSet<&str> = caused
        .map(|alert| alert.split('/').next().unwrap_or_default())
        .collect();
    assert_eq!(caused, alerts().into_iter().collect());
}

#[test]
fn each_section_with_commands_is_run() {
    let with_commands = alerts().into_iter();
    let with_commands = with_commands.filter(|alert| !runbook::commands(alert).is_empty());
    assert!(with_commands.eq(runbook::SHOWN));
}

/// All at once, so that the waiting is done once.
#[test]
fn each_alert_fires_for_its_cause_and_not_before() {
    let prometheus = Prometheus::start();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| orders::are_good(&prometheus, &is_over));
        let causes = CAUSES.iter().map(|(cause, alerts)| {
            let prometheus = &prometheus;
            let thread = thread::Builder::new().name(alerts[0].to_owned());
            let thread = thread.spawn_scoped(scope, move || cause(prometheus, alerts));
            thread.expect("a thread")
        });
        let causes: Vec<_> = causes.collect();
        let failed: Vec<_> = causes
            .into_iter()
            .filter_map(|cause| {
                let name = cause.thread().name().unwrap_or_default().to_owned();
                cause.join().is_err().then_some(name)
            })
            .collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(failed.is_empty(), "{failed:?}");
    });
}
