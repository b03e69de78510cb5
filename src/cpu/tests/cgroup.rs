//! Quotas of both cgroup versions.

use crate::cpu::cgroup;
use crate::cpu::tests::Root;

const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const V1: &str = "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                  34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";

const CGROUP: &str = "proc/self/cgroup";
const MOUNTINFO: &str = "proc/self/mountinfo";
const LEAF: &str = "sys/fs/cgroup/a/b/cpu.max";

/// A name, the files below the root, and the quota found in thousandths of a
/// core.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<u64>);

#[track_caller]
fn check(cases: &[Case<'_>]) {
    for (name, files, want) in cases {
        let root = Root::with(files);
        assert_eq!(cgroup::millicores(&root.0), *want, "{name}");
    }
}

#[test]
fn version_2() {
    check(&[
        ("nothing there", &[], None),
        (
            "v2",
            &[
                (CGROUP, "0::/a/b\n"),
                (MOUNTINFO, V2),
                (LEAF, "150000 100000\n"),
            ],
            Some(1500),
        ),
        (
            "v2 max",
            &[
                (CGROUP, "0::/a/b\n"),
                (MOUNTINFO, V2),
                (LEAF, "max 100000\n"),
            ],
            None,
        ),
        (
            "v2 damaged",
            &[(CGROUP, "0::/a/b\n"), (MOUNTINFO, V2), (LEAF, "lots\n")],
            None,
        ),
        (
            "v2 no period",
            &[(CGROUP, "0::/a/b\n"), (MOUNTINFO, V2), (LEAF, "200000 0\n")],
            None,
        ),
    ]);
}

#[test]
fn version_2_groups_and_mounts() {
    check(&[
        (
            "v2, tighter above",
            &[
                (CGROUP, "0::/a/b\n"),
                (MOUNTINFO, V2),
                (LEAF, "400000 100000\n"),
                ("sys/fs/cgroup/a/cpu.max", "200000 100000\n"),
            ],
            Some(2000),
        ),
        (
            "v2, looser above",
            &[
                (CGROUP, "0::/a/b\n"),
                (MOUNTINFO, V2),
                (LEAF, "50000 100000\n"),
                ("sys/fs/cgroup/a/cpu.max", "max 100000\n"),
            ],
            Some(500),
        ),
        (
            "v2, own group is the mount's root",
            &[
                (CGROUP, "0::/\n"),
                (MOUNTINFO, V2),
                ("sys/fs/cgroup/cpu.max", "300000 100000\n"),
            ],
            Some(3000),
        ),
        (
            "v2, the group lies outside what is mounted",
            &[
                (CGROUP, "0::/../x\n"),
                (MOUNTINFO, V2),
                ("sys/fs/cgroup/cpu.max", "100000 100000\n"),
            ],
            Some(1000),
        ),
        (
            "v2, no mountinfo",
            &[(CGROUP, "0::/a/b\n"), (LEAF, "250000 100000\n")],
            Some(2500),
        ),
    ]);
}

#[test]
fn version_1() {
    let quota = "sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us";
    let period = "sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us";
    check(&[
        (
            "v1",
            &[
                (CGROUP, "3:cpuset:/\n1:cpu,cpuacct:/pod\n0::/\n"),
                (MOUNTINFO, V1),
                (quota, "120000\n"),
                (period, "50000\n"),
            ],
            Some(2400),
        ),
        (
            "v1 without quota",
            &[
                (CGROUP, "1:cpu,cpuacct:/pod\n"),
                (MOUNTINFO, V1),
                (quota, "-1\n"),
                (period, "100000\n"),
            ],
            None,
        ),
        (
            "v1, the host's path, only the own group mounted",
            &[
                (CGROUP, "1:cpu:/docker/1f\n"),
                (
                    MOUNTINFO,
                    "33 31 0:30 /docker/1f /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n",
                ),
                ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "75000\n"),
                ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ],
            Some(750),
        ),
    ]);
}

#[test]
fn memory_limits() {
    let v1 = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    let file = "sys/fs/cgroup/memory/a/memory.limit_in_bytes";
    for (files, want) in [
        (
            &[
                (CGROUP, "0::/a/b\n"),
                (MOUNTINFO, V2),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                ("sys/fs/cgroup/a/memory.max", "1073741824\n"),
            ][..],
            Some(1 << 30),
        ),
        (
            &[(CGROUP, "5:memory:/a\n"), (MOUNTINFO, v1), (file, "4096\n")],
            Some(4096),
        ),
        (
            &[
                (CGROUP, "5:memory:/a\n"),
                (MOUNTINFO, v1),
                (file, "9223372036854771712\n"),
            ],
            None,
        ),
        (&[(CGROUP, "0::/a/b\n"), (MOUNTINFO, V2)], None),
    ] {
        let root = Root::with(files);
        assert_eq!(cgroup::memory_bytes(&root.0), want, "{files:?}");
    }
}
