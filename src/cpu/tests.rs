//! Plans as a table, and cgroup trees written to a temporary directory.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::Pin;

use crate::cpu::cgroup;
use crate::cpu::plan::{Plan, PlanRequest};
use crate::cpu::topology::{CoreId, Topology, pin_current};

fn ids(ids: &[usize]) -> Vec<CoreId> {
    ids.iter().map(|&id| CoreId { id }).collect()
}

fn found(allowed: &[usize], whole_machine: bool, quota_millicores: Option<u64>) -> Topology {
    Topology {
        allowed: ids(allowed),
        cores: allowed.len(),
        whole_machine,
        quota_millicores,
    }
}

/// Ids of the cores, -1 for none.
fn numbers(cores: &[Option<CoreId>]) -> Vec<i32> {
    let number = |core: CoreId| i32::try_from(core.id).expect("ids in these tests are small");
    cores.iter().map(|core| core.map_or(-1, number)).collect()
}

/// Asked for (workers, I/O threads, pin), found, then expected: cores of workers, cores of I/O
/// threads, spinning, a piece of the reason.
type Case<'a> = (
    (Option<usize>, Option<usize>, Pin),
    Topology,
    (&'a [i32], &'a [i32], bool, &'a str),
);

#[test]
fn plans() {
    let auto = || (None, None, Pin::Auto);
    let list = |cores: &[usize]| Pin::Cores(cores.to_vec());
    let all: Vec<usize> = (0..32).collect();
    let high: Vec<i32> = (8..31).collect();
    let cases: &[Case<'_>] = &[
        // The numbers left open.
        (
            auto(),
            found(&[0], true, None),
            (&[-1], &[-1], false, "outnumber"),
        ),
        (
            auto(),
            found(&[0, 1], true, None),
            (&[-1], &[-1], false, "and the committer outnumber"),
        ),
        (
            auto(),
            found(&[0, 1, 2], true, None),
            (&[1], &[0], true, "pinned to a core each"),
        ),
        (
            auto(),
            found(&[0, 1, 2, 3], true, None),
            (&[2], &[0, 1], true, "workers [2], I/O [0-1]"),
        ),
        (
            auto(),
            found(&[3, 5, 8], false, None),
            (&[5], &[3], true, "workers [5], I/O [3]"),
        ),
        (
            auto(),
            found(&all, true, None),
            (&high, &[0, 1, 2, 3, 4, 5, 6, 7], true, "workers [8-30]"),
        ),
        // One of the numbers given.
        (
            (Some(1), None, Pin::Auto),
            found(&[0, 1, 2, 3], true, None),
            (&[2], &[0, 1], true, ""),
        ),
        (
            (Some(2), None, Pin::Auto),
            found(&[0, 1, 2, 3], true, None),
            (&[1, 2], &[0], true, ""),
        ),
        (
            (Some(3), None, Pin::Auto),
            found(&[0, 1, 2, 3], true, None),
            (&[-1; 3], &[-1], false, "outnumber"),
        ),
        (
            (None, Some(1), Pin::Auto),
            found(&[0, 1, 2, 3], true, None),
            (&[1, 2], &[0], true, ""),
        ),
        (
            (None, Some(4), Pin::Auto),
            found(&[0, 1], true, None),
            (&[-1], &[-1; 4], false, "outnumber"),
        ),
        (
            (Some(4), None, Pin::Auto),
            found(&[0, 1, 2, 3], true, None),
            (&[-1; 4], &[-1], false, "outnumber"),
        ),
        // Quotas: whole machine, cpuset, a fraction of the cpuset.
        (
            auto(),
            found(&all, true, Some(2000)),
            (&[-1], &[-1], false, "quota of 2.000"),
        ),
        (
            auto(),
            found(&all, true, Some(500)),
            (&[-1], &[-1], false, "outnumber"),
        ),
        (
            auto(),
            found(&[4, 5, 6], false, Some(3000)),
            (&[5], &[4], true, "spinning"),
        ),
        (
            auto(),
            found(&[4, 5, 6], false, Some(2500)),
            (&[5], &[4], false, "quota is below"),
        ),
        (
            auto(),
            found(&all, true, Some(64_000)),
            (&[-1; 23], &[-1; 8], false, "whole machine"),
        ),
        // Off.
        (
            (None, None, Pin::Off),
            found(&[0, 1, 2, 3], true, None),
            (&[-1], &[-1, -1], false, "--pin off"),
        ),
        // Lists: a worker on each, fewer, more, none left for I/O.
        (
            (None, None, list(&[3, 1])),
            found(&[0, 1, 2, 3], true, None),
            (&[3, 1], &[0], true, "as --pin lists"),
        ),
        (
            (Some(1), None, list(&[3, 1])),
            found(&[0, 1, 2, 3], true, None),
            (&[3], &[0, 2], true, ""),
        ),
        (
            (Some(3), Some(1), list(&[3, 1])),
            found(&[0, 1, 2, 3], true, None),
            (&[3, 1, 3], &[0], false, "workers share"),
        ),
        (
            (None, None, list(&[0, 1])),
            found(&[0, 1], true, None),
            (&[0, 1], &[-1], false, "no cores apart"),
        ),
        (
            (None, Some(1), list(&[1])),
            found(&[0, 1], true, Some(1000)),
            (&[1], &[0], false, "quota is below"),
        ),
    ];
    for (i, ((workers, io_threads, pin), found, want)) in cases.iter().enumerate() {
        let wanted = PlanRequest {
            workers: *workers,
            io_threads: *io_threads,
            pin,
        };
        let plan = Plan::new(wanted, found).expect("every case here may be had");
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

#[test]
fn a_listed_core_outside_the_mask_is_refused() {
    let pin = Pin::Cores(vec![2, 9]);
    let wanted = PlanRequest {
        workers: None,
        io_threads: None,
        pin: &pin,
    };
    let error =
        Plan::new(wanted, &found(&[0, 2, 3], false, None)).expect_err("core 9 is not there");
    assert_eq!(
        error.to_string(),
        "--pin: core 9 is not one this process may use (0,2-3)"
    );
}

#[test]
fn without_a_mask_nothing_is_pinned_unless_listed() {
    let found = Topology {
        cores: 8,
        ..found(&[], true, None)
    };
    let auto = Plan::new(
        PlanRequest {
            workers: None,
            io_threads: None,
            pin: &Pin::Auto,
        },
        &found,
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
        },
        &found,
    );
    assert_eq!(
        numbers(&listed.expect("there is no mask to refuse by").worker_cores),
        [1500]
    );
}

#[test]
fn pins_to_an_allowed_core_and_says_why_not() {
    let here = Topology::here();
    assert!(here.usable() >= 1 && here.cores >= 1);
    let core = *here
        .allowed
        .last()
        .expect("this machine's kernel tells its mask");
    // On a thread of its own, so that the test runner's threads keep their mask.
    let pinned = std::thread::spawn(move || {
        pin_current(core).map(|()| core_affinity::get_core_ids().expect("read before"))
    });
    assert_eq!(
        pinned
            .join()
            .expect("does not panic")
            .expect("the core is in the mask"),
        [core]
    );

    // 1023 is the last id of the set and not a core here; 1024 lies outside the set.
    for id in [1023, 1024] {
        assert!(
            !here.allowed.contains(&CoreId { id }),
            "needs a machine without core {id}"
        );
        let error = pin_current(CoreId { id }).expect_err("there is no such core");
        assert!(
            error
                .to_string()
                .starts_with(&format!("can't pin to core {id}, runs unpinned: "))
        );
    }
}

/// A directory that stands for `/`, removed in the end.
struct Root(PathBuf);

impl Root {
    fn with(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("order-processor-affinity-{}-{number}", std::process::id());
        let root = Self(std::env::temp_dir().join(name));
        for (path, text) in files {
            let path = root.0.join(path);
            fs::create_dir_all(path.parent().expect("every file is below the root"))
                .expect("the temporary directory can be written");
            fs::write(path, text).expect("the temporary directory can be written");
        }
        root
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // A directory that stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const V1: &str = "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                  34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";

#[test]
fn quotas() {
    let dir = "sys/fs/cgroup/cpu,cpuacct";
    let (quota, period) = (
        format!("{dir}/pod/cpu.cfs_quota_us"),
        format!("{dir}/pod/cpu.cfs_period_us"),
    );
    let cgroup = "proc/self/cgroup";
    let mountinfo = "proc/self/mountinfo";
    let leaf = "sys/fs/cgroup/a/b/cpu.max";
    type Files<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(&str, Files<'_>, Option<u64>)] = &[
        ("nothing there", &[], None),
        (
            "v2",
            &[
                (cgroup, "0::/a/b\n"),
                (mountinfo, V2),
                (leaf, "150000 100000\n"),
            ],
            Some(1500),
        ),
        (
            "v2 max",
            &[
                (cgroup, "0::/a/b\n"),
                (mountinfo, V2),
                (leaf, "max 100000\n"),
            ],
            None,
        ),
        (
            "v2 damaged",
            &[(cgroup, "0::/a/b\n"), (mountinfo, V2), (leaf, "lots\n")],
            None,
        ),
        (
            "v2 no period",
            &[(cgroup, "0::/a/b\n"), (mountinfo, V2), (leaf, "200000 0\n")],
            None,
        ),
        (
            "v2, tighter above",
            &[
                (cgroup, "0::/a/b\n"),
                (mountinfo, V2),
                (leaf, "400000 100000\n"),
                ("sys/fs/cgroup/a/cpu.max", "200000 100000\n"),
            ],
            Some(2000),
        ),
        (
            "v2, looser above",
            &[
                (cgroup, "0::/a/b\n"),
                (mountinfo, V2),
                (leaf, "50000 100000\n"),
                ("sys/fs/cgroup/a/cpu.max", "max 100000\n"),
            ],
            Some(500),
        ),
        (
            "v2, own group is the mount's root",
            &[
                (cgroup, "0::/\n"),
                (mountinfo, V2),
                ("sys/fs/cgroup/cpu.max", "300000 100000\n"),
            ],
            Some(3000),
        ),
        (
            "v2, the group lies outside what is mounted",
            &[
                (cgroup, "0::/../x\n"),
                (mountinfo, V2),
                ("sys/fs/cgroup/cpu.max", "100000 100000\n"),
            ],
            Some(1000),
        ),
        (
            "v2, no mountinfo",
            &[(cgroup, "0::/a/b\n"), (leaf, "250000 100000\n")],
            Some(2500),
        ),
        (
            "v1",
            &[
                (cgroup, "3:cpuset:/\n1:cpu,cpuacct:/pod\n0::/\n"),
                (mountinfo, V1),
                (&quota, "120000\n"),
                (&period, "50000\n"),
            ],
            Some(2400),
        ),
        (
            "v1 without quota",
            &[
                (cgroup, "1:cpu,cpuacct:/pod\n"),
                (mountinfo, V1),
                (&quota, "-1\n"),
                (&period, "100000\n"),
            ],
            None,
        ),
        (
            "v1, the host's path, only the own group mounted",
            &[
                (cgroup, "1:cpu:/docker/1f\n"),
                (
                    mountinfo,
                    "33 31 0:30 /docker/1f /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n",
                ),
                ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "75000\n"),
                ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ],
            Some(750),
        ),
    ];
    for (name, files, want) in cases {
        let root = Root::with(files);
        assert_eq!(cgroup::millicores(&root.0), *want, "{name}");
    }
}

#[test]
fn whole_machine_and_usable() {
    let online = "sys/devices/system/cpu/online";
    for (text, allowed, want) in [
        ("0-3\n", &[0, 1, 2, 3][..], true),
        ("0-3\n", &[0, 1, 3], false),
        ("0,2\n", &[0, 2], true),
        ("unreadable\n", &[1], true),
    ] {
        let root = Root::with(&[(online, text)]);
        assert_eq!(
            Topology::under(&root.0, ids(allowed)).whole_machine,
            want,
            "{text} {allowed:?}"
        );
    }
    for (quota, want) in [
        (None, 4),
        (Some(1), 1),
        (Some(1000), 1),
        (Some(1001), 2),
        (Some(9000), 4),
    ] {
        assert_eq!(
            found(&[0, 1, 2, 3], true, quota).usable(),
            want,
            "{quota:?}"
        );
    }
    let unknown = Topology::under(&Root::with(&[]).0, Vec::new());
    assert!(unknown.cores >= 1 && unknown.whole_machine);
}
