//! The CPU quota and the memory limit that cgroups put on this process, versions
//! 1 and 2.
//!
//! /proc/self/cgroup says which group, /proc/self/mountinfo where its files are
//! (cgroups(7), proc_pid_mountinfo(5)). A quota on any group further up applies
//! as well, so the tightest counts. What can't be read is no quota: a wrong
//! guess costs speed, never an order.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where a hierarchy is mounted if mountinfo doesn't say, with its version.
const USUAL: [(&str, Version); 4] = [
    ("/sys/fs/cgroup", Version::V2),
    ("/sys/fs/cgroup/cpu,cpuacct", Version::V1),
    ("/sys/fs/cgroup/cpu", Version::V1),
    ("/sys/fs/cgroup/memory", Version::V1),
];
/// More than this is no limit: version 1 has the largest number of pages.
const LIMIT_BYTES_MAX: u64 = 1 << 62;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The tightest quota in thousandths of a core, at least 1; `root` replaces
/// `/`.
pub(crate) fn millicores(root: &Path) -> Option<u64> {
    tightest(root, "cpu", |dir, version| match version {
        Version::V1 => quota_v1(dir),
        Version::V2 => quota_v2(dir),
    })
}

/// The tightest memory limit in bytes; `root` replaces `/`.
pub(crate) fn memory_bytes(root: &Path) -> Option<u64> {
    tightest(root, "memory", |dir, version| {
        let name = match version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        let text = fs::read_to_string(dir.join(name)).ok()?;
        let bytes = text.trim().parse().ok()?; // or `max`
        (bytes < LIMIT_BYTES_MAX).then_some(bytes)
    })
}

/// The least that a controller allows in a group of this process or above.
fn tightest(
    root: &Path,
    controller: &str,
    limit: impl Fn(&Path, Version) -> Option<u64>,
) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    let mut mounts: Vec<_> = mounts
        .lines()
        .filter_map(|line| mount(line, controller))
        .collect();
    if mounts.is_empty() {
        mounts = USUAL.map(|(point, version)| (version, "/", point)).to_vec();
    }
    let mut tightest: Option<u64> = None;
    for (version, mount_root, point) in mounts {
        let point = under(root, point);
        let group = groups
            .lines()
            .find_map(|line| group(line, version, controller));
        let group = group
            .and_then(|group| below(group, mount_root))
            .unwrap_or(Path::new(""));
        let mut dir = point.join(group);
        loop {
            tightest = tightest.into_iter().chain(limit(&dir, version)).min();
            if dir == point || !dir.pop() {
                break;
            }
        }
    }
    tightest
}

/// A line of mountinfo, if it is a hierarchy with this controller: version, root
/// inside the hierarchy, mount point.
fn mount<'a>(line: &'a str, controller: &str) -> Option<(Version, &'a str, &'a str)> {
    // Optional fields of any number end at a lone dash.
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ').skip(3);
    let (mount_root, point) = (front.next()?, front.next()?);
    let mut back = back.split(' ');
    let (kind, _source, options) = (back.next()?, back.next()?, back.next()?);
    match kind {
        "cgroup2" => Some((Version::V2, mount_root, point)),
        "cgroup" if options.split(',').any(|option| option == controller) => {
            Some((Version::V1, mount_root, point))
        }
        _ => None,
    }
}

/// The path in a line of /proc/self/cgroup (`id:controllers:path`), if it is of
/// that hierarchy.
fn group<'a>(line: &'a str, version: Version, controller: &str) -> Option<&'a str> {
    let (id, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let fits = match version {
        Version::V1 => controllers.split(',').any(|name| name == controller),
        Version::V2 => id == "0" && controllers.is_empty(),
    };
    fits.then_some(path)
}

/// `group` relative to the mount's root; `None` where it is outside, as in a
/// container that shows the host's path while only its own group is mounted:
/// then the mount point is the group.
fn below<'a>(group: &'a str, mount_root: &str) -> Option<&'a Path> {
    let rest = Path::new(group).strip_prefix(mount_root).ok()?;
    rest.components()
        .all(|part| matches!(part, Component::Normal(_)))
        .then_some(rest)
}

fn under(root: &Path, absolute: &str) -> PathBuf {
    root.join(absolute.trim_start_matches('/'))
}

/// `cpu.max`: `200000 100000`, microseconds of quota and period, or `max
/// 100000`.
fn quota_v2(dir: &Path) -> Option<u64> {
    let text = fs::read_to_string(dir.join("cpu.max")).ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    share(numbers.next()??, numbers.next()??)
}

/// `cpu.cfs_quota_us`, -1 without a quota, and `cpu.cfs_period_us`.
fn quota_v1(dir: &Path) -> Option<u64> {
    let number = |name| fs::read_to_string(dir.join(name)).ok()?.trim().parse().ok();
    share(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
}

fn share(quota_us: u64, period_us: u64) -> Option<u64> {
    (quota_us > 0 && period_us > 0).then(|| (quota_us.saturating_mul(1000) / period_us).max(1))
}
