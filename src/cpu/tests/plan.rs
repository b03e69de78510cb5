//! Requests on topologies, and the plans they get.

use crate::config::Pin;
use crate::cpu::plan::{Plan, PlanRequest};
use crate::cpu::tests::topology;
use crate::cpu::topology::{CoreId, Topology};

/// Ids of the cores, -1 for none.
fn numbers(cores: &[Option<CoreId>]) -> Vec<i32> {
    let number = |core: CoreId| i32::try_from(core.id).expect("ids in these tests are small");
    cores.iter().map(|core| core.map_or(-1, number)).collect()
}

/// Request (workers, I/O threads, pin), topology, then expected: cores of
/// workers, cores of I/O threads, spinning, a piece of the reason.
type Case<'a> = (
    (Option<usize>, Option<usize>, Pin),
    Topology,
    (&'a [i32], &'a [i32], bool, &'a str),
);

/// Checks each plan against what its case expects.
#[track_caller]
fn check(cases: &[Case<'_>]) {
    for (i, ((workers, io_threads, pin), topology, want)) in cases.iter().enumerate() {
        let request = PlanRequest {
            workers: *workers,
            io_threads: *io_threads,
            pin,
            quick_processor: false,
        };
        let plan = Plan::new(request, topology).expect("every case here is possible");
        let (worker_cores, io_cores, spin, why) = *want;
        assert_eq!(
            numbers(&plan.worker_cores),
            worker_cores,
            "case {i}, workers: {}",
            plan.why
        );
        assert_eq!(
            numbers(&plan.io_cores),
            io_cores,
            "case {i}, I/O: {}",
            plan.why
        );
        assert_eq!(
            (plan.workers, plan.io_threads),
            (worker_cores.len(), io_cores.len()),
            "case {i}"
        );
        assert_eq!(plan.spin, spin, "case {i}: {}", plan.why);
        assert!(
            plan.why.contains(why),
            "case {i}: {:?} in {:?}",
            why,
            plan.why
        );
    }
}

fn auto() -> (Option<usize>, Option<usize>, Pin) {
    (None, None, Pin::Auto)
}

fn list(cores: &[usize]) -> Pin {
    Pin::Cores(cores.to_vec())
}

#[test]
fn counts_left_open_follow_from_the_cores() {
    let all: Vec<usize> = (0..32).collect();
    let high: Vec<i32> = (8..31).collect();
    check(&[
        (
            auto(),
            topology(&[0], true, None),
            (&[-1], &[-1], false, "outnumber"),
        ),
        (
            auto(),
            topology(&[0, 1], true, None),
            (&[-1], &[-1], false, "and the committer outnumber"),
        ),
        (
            auto(),
            topology(&[0, 1, 2], true, None),
            (&[1], &[0], true, "pinned to a core each"),
        ),
        (
            auto(),
            topology(&[0, 1, 2, 3], true, None),
            (&[2], &[0, 1], true, "workers [2], I/O [0-1]"),
        ),
        (
            auto(),
            topology(&[3, 5, 8], false, None),
            (&[5], &[3], true, "workers [5], I/O [3]"),
        ),
        (
            auto(),
            topology(&all, true, None),
            (&high, &[0, 1, 2, 3, 4, 5, 6, 7], true, "workers [8-30]"),
        ),
    ]);
}

#[test]
fn a_count_given_leaves_the_other_the_rest() {
    check(&[
        (
            (Some(1), None, Pin::Auto),
            topology(&[0, 1, 2, 3], true, None),
            (&[2], &[0, 1], true, ""),
        ),
        (
            (Some(2), None, Pin::Auto),
            topology(&[0, 1, 2, 3], true, None),
            (&[1, 2], &[0], true, ""),
        ),
        (
            (Some(3), None, Pin::Auto),
            topology(&[0, 1, 2, 3], true, None),
            (&[-1; 3], &[-1], false, "outnumber"),
        ),
        (
            (None, Some(1), Pin::Auto),
            topology(&[0, 1, 2, 3], true, None),
            (&[1, 2], &[0], true, ""),
        ),
        (
            (None, Some(4), Pin::Auto),
            topology(&[0, 1], true, None),
            (&[-1], &[-1; 4], false, "outnumber"),
        ),
        (
            (Some(4), None, Pin::Auto),
            topology(&[0, 1, 2, 3], true, None),
            (&[-1; 4], &[-1], false, "outnumber"),
        ),
    ]);
}

#[test]
fn a_quota_stops_spinning_or_pinning() {
    // Quotas: whole machine, cpuset, a fraction of the cpuset.
    let all: Vec<usize> = (0..32).collect();
    check(&[
        (
            auto(),
            topology(&all, true, Some(2000)),
            (&[-1], &[-1], false, "quota of 2.000"),
        ),
        (
            auto(),
            topology(&all, true, Some(500)),
            (&[-1], &[-1], false, "outnumber"),
        ),
        (
            auto(),
            topology(&[4, 5, 6], false, Some(3000)),
            (&[5], &[4], true, "spinning"),
        ),
        (
            auto(),
            topology(&[4, 5, 6], false, Some(2500)),
            (&[5], &[4], false, "quota is below"),
        ),
        (
            auto(),
            topology(&all, true, Some(64_000)),
            (&[-1; 23], &[-1; 8], false, "whole machine"),
        ),
    ]);
}

#[test]
fn a_list_pins_the_workers() {
    // Lists: a worker on each, fewer, more, none left for I/O.
    check(&[
        (
            (None, None, list(&[3, 1])),
            topology(&[0, 1, 2, 3], true, None),
            (&[3, 1], &[0], true, "as --pin lists"),
        ),
        (
            (Some(1), None, list(&[3, 1])),
            topology(&[0, 1, 2, 3], true, None),
            (&[3], &[0, 2], true, ""),
        ),
        (
            (Some(3), Some(1), list(&[3, 1])),
            topology(&[0, 1, 2, 3], true, None),
            (&[3, 1, 3], &[0], false, "workers share"),
        ),
        (
            (None, None, list(&[0, 1])),
            topology(&[0, 1], true, None),
            (&[0, 1], &[-1], false, "no cores apart"),
        ),
        (
            (None, Some(1), list(&[1])),
            topology(&[0, 1], true, Some(1000)),
            (&[1], &[0], false, "quota is below"),
        ),
    ]);
}

#[test]
fn off_pins_nothing() {
    check(&[(
        (None, None, Pin::Off),
        topology(&[0, 1, 2, 3], true, None),
        (&[-1], &[-1, -1], false, "--pin off"),
    )]);
}

#[test]
fn a_listed_core_outside_the_mask_is_refused() {
    let pin = Pin::Cores(vec![2, 9]);
    let request = PlanRequest {
        workers: None,
        io_threads: None,
        pin: &pin,
        quick_processor: false,
    };
    let error =
        Plan::new(request, &topology(&[0, 2, 3], false, None)).expect_err("core 9 is not there");
    assert_eq!(
        error.to_string(),
        "--pin: core 9 is not one this process may use (0,2-3)"
    );
}

#[test]
fn without_a_mask_nothing_is_pinned_unless_listed() {
    let unknown = Topology {
        cores: 8,
        ..topology(&[], true, None)
    };
    let auto = Plan::new(
        PlanRequest {
            workers: None,
            io_threads: None,
            pin: &Pin::Auto,
            quick_processor: false,
        },
        &unknown,
    );
    let auto = auto.expect("auto always has a plan");
    assert_eq!(
        (numbers(&auto.worker_cores), auto.spin),
        (vec![-1; 3], false)
    );
    let pin = Pin::Cores(vec![1500]);
    let listed = Plan::new(
        PlanRequest {
            workers: None,
            io_threads: None,
            pin: &pin,
            quick_processor: false,
        },
        &unknown,
    );
    assert_eq!(
        numbers(&listed.expect("there is no mask to refuse by").worker_cores),
        [1500]
    );
}

/// The worker commits, too, only if that saves a hand-over on few cores.
#[test]
fn a_quick_processor_on_few_cores_is_fused() {
    let fused = |cores: &[usize], workers, quick_processor| {
        let request = PlanRequest {
            workers,
            io_threads: None,
            pin: &Pin::Off,
            quick_processor,
        };
        let plan = Plan::new(request, &topology(cores, true, None)).unwrap();
        assert_eq!(
            plan.fused,
            plan.why.contains("commits, too"),
            "{}",
            plan.why
        );
        plan.fused
    };
    assert!(fused(&[0], None, true) && fused(&[0, 1], None, true));
    assert!(fused(&[0, 1], Some(1), true));
    assert!(!fused(&[0, 1], None, false), "it takes its time");
    assert!(!fused(&[0, 1], Some(2), true), "two workers were asked for");
    assert!(!fused(&[0, 1, 2], None, true), "cores abound");
}
