//! Quotas of both cgroup versions.

use crate::cpu::cgroup;
use crate::cpu::tests::Root;

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
