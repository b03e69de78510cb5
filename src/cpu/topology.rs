//! The cores that the process may use: the affinity mask and the CPU quota.

use std::path::Path;
use std::{fs, io};

use crate::config::{CORE_ID_END, core_list};
use crate::cpu::cgroup;

pub(crate) use core_affinity::CoreId;

/// The cores and the CPU time that the process may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Cores in the affinity mask, ascending; empty if the kernel doesn't say, and then nothing is
    /// pinned.
    pub allowed: Vec<CoreId>,
    /// Number of cores to run on: those in `allowed`, or the system's estimate.
    pub cores: usize,
    /// Whether the mask holds every core of the machine that is online. If that can't be read it
    /// counts as true, which is the safe answer: a quota then turns pinning off.
    pub whole_machine: bool,
    /// CPU quota in thousandths of a core (1500: one and a half), the tightest on the way up the
    /// cgroups; `None` without one.
    pub quota_millicores: Option<u64>,
}

impl Topology {
    /// Of this process. Call it before any thread is pinned: the mask is the calling thread's own.
    pub fn here() -> Self {
        // `None` on kernels with more cores than the fixed CPU set holds (1024).
        let allowed = core_affinity::get_core_ids().unwrap_or_default();
        Self::under(Path::new("/"), allowed)
    }

    /// The same with `/proc` and `/sys` read under `root`.
    pub(crate) fn under(root: &Path, allowed: Vec<CoreId>) -> Self {
        let online = fs::read_to_string(root.join("sys/devices/system/cpu/online"));
        let online = online.ok().and_then(|text| core_list(text.trim()));
        let has = |id: &usize| allowed.contains(&CoreId { id: *id });
        let cores = match allowed.len() {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            known => known,
        };
        Self {
            whole_machine: online.is_none_or(|online| online.iter().all(has)),
            quota_millicores: cgroup::millicores(root),
            allowed,
            cores,
        }
    }

    /// Usable cores, at least 1: those of the mask, or the quota rounded up if that is less.
    pub fn usable(&self) -> usize {
        let quota = self.quota_millicores.map(|quota| quota.div_ceil(1000));
        let quota = quota.map_or(usize::MAX, |cores| {
            usize::try_from(cores).unwrap_or(usize::MAX)
        });
        self.cores.min(quota).max(1)
    }
}

/// The kernel refused to pin a thread. To be logged; the thread runs unpinned.
#[derive(Debug, thiserror::Error)]
#[error("can't pin to core {core}, runs unpinned: {source}")]
pub(crate) struct PinError {
    /// The core asked for.
    pub core: usize,
    /// What the kernel said, EINVAL for a core outside the cpuset (sched_setaffinity(2)).
    pub source: io::Error,
}

/// Pins the calling thread to `core`.
///
/// # Errors
/// [`PinError`] if the kernel refuses, as for a core outside the cpuset, or offline.
pub(crate) fn pin_current(core: CoreId) -> Result<(), PinError> {
    // `core_affinity` would index past its CPU set.
    if core.id >= CORE_ID_END {
        let source = io::Error::from(io::ErrorKind::InvalidInput);
        return Err(PinError {
            core: core.id,
            source,
        });
    }
    if core_affinity::set_for_current(core) {
        return Ok(());
    }
    // The crate drops the cause; errno still has it, since nothing was called in between.
    Err(PinError {
        core: core.id,
        source: io::Error::last_os_error(),
    })
}
