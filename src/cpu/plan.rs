//! How many threads, and where they run: decided from what was asked for and what was found.
//!
//! Where the operator leaves the numbers open, about half of the usable cores run I/O (the smaller
//! half, at least one, at most [`IO_THREADS_AUTO_MAX`]), one is left to the committer, and workers
//! get the rest, at least one. I/O takes the lowest cores, where interrupts usually land; workers the
//! next. The committer is never pinned: it takes what is free.
//!
//! A worker spins only where that takes time from nobody: on a core of its own that no quota
//! meters out.

use std::fmt::Write;

use crate::config::Pin;
use crate::cpu::topology::{CoreId, Topology};

/// Cores left to the committer.
const COMMITTER: usize = 1;

/// Most I/O threads that are chosen without being asked for.
pub(crate) const IO_THREADS_AUTO_MAX: usize = 8;

/// What the operator asked for; `None` is `auto`.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// `--workers`.
    pub workers: Option<usize>,
    /// `--io-threads`.
    pub io_threads: Option<usize>,
    /// `--pin`.
    pub pin: &'a Pin,
}

/// The plan asked for can't be had here: bad usage.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// `--pin` lists a core outside the affinity mask.
    #[error("--pin: core {core} is not one this process may use ({allowed})")]
    NotAllowed {
        /// The core listed.
        core: usize,
        /// Those that may be, as a list.
        allowed: String,
    },
}

/// How many threads there are, where they run, and whether workers spin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Worker threads, at least 1.
    pub workers: usize,
    /// I/O threads, at least 1.
    pub io_threads: usize,
    /// The core of each worker; `None` leaves it to the scheduler. As many as `workers`.
    pub worker_cores: Vec<Option<CoreId>>,
    /// The core of each I/O thread, likewise. As many as `io_threads`.
    pub io_cores: Vec<Option<CoreId>>,
    /// Whether a worker spins before it parks.
    pub spin: bool,
    /// The decision and its reason, a line for the log at start.
    pub why: String,
}

impl Plan {
    /// So many workers beside one I/O thread, none pinned or spinning: for
    /// programs that build a [pipeline](crate::pipeline::Pipeline) of their own.
    pub fn unpinned(workers: usize) -> Self {
        Self {
            workers,
            io_threads: 1,
            worker_cores: vec![None; workers],
            io_cores: vec![None],
            spin: false,
            why: String::new(),
        }
    }

    /// Decides from what was asked for and what was found.
    ///
    /// # Errors
    /// [`PlanError`] if `--pin` lists a core outside the mask.
    pub fn new(wanted: PlanRequest<'_>, found: &Topology) -> Result<Self, PlanError> {
        let usable = found.usable();
        let listed = match wanted.pin {
            Pin::Cores(cores) => checked(cores, found)?,
            Pin::Auto | Pin::Off => Vec::new(),
        };
        // A list of cores with the number left open means a worker on each.
        let workers = wanted
            .workers
            .or((!listed.is_empty()).then_some(listed.len()));
        let io_threads = wanted.io_threads.unwrap_or_else(|| {
            let half = (usable / 2).clamp(1, IO_THREADS_AUTO_MAX);
            workers.map_or(half, |workers| {
                usable.saturating_sub(workers + COMMITTER).clamp(1, half)
            })
        });
        let workers =
            workers.unwrap_or_else(|| usable.saturating_sub(io_threads + COMMITTER).max(1));

        let threads = workers + io_threads + COMMITTER;
        let metered = found
            .quota_millicores
            .is_some_and(|quota| quota < threads as u64 * 1000);
        let mut plan = Self {
            workers,
            io_threads,
            worker_cores: vec![None; workers],
            io_cores: vec![None; io_threads],
            spin: false,
            why: format!(
                "workers {workers}, I/O threads {io_threads}, {}: ",
                summary(found)
            ),
        };
        let verdict = match wanted.pin {
            Pin::Off => "not pinned and not spinning, as --pin off asks",
            Pin::Auto if found.allowed.is_empty() => {
                "not pinned and not spinning, since the kernel does not say which cores may be used"
            }
            Pin::Auto if threads > usable => {
                "not pinned and not spinning, since workers, I/O threads and the committer outnumber cores"
            }
            Pin::Auto if found.quota_millicores.is_some() && found.whole_machine => {
                "not pinned and not spinning, since under a quota with the whole machine's cores \
                 every process like this would pin to the same ones"
            }
            Pin::Auto => {
                let mut cores = found.allowed.iter().copied().map(Some);
                plan.io_cores = cores.by_ref().take(io_threads).collect();
                plan.worker_cores = cores.take(workers).collect();
                plan.spin = !metered;
                "pinned to a core each"
            }
            Pin::Cores(_) => {
                plan.worker_cores = listed
                    .iter()
                    .copied()
                    .cycle()
                    .map(Some)
                    .take(workers)
                    .collect();
                let free = found.allowed.iter().filter(|core| !listed.contains(core));
                let free: Vec<_> = free.copied().map(Some).take(io_threads).collect();
                let apart = free.len() == io_threads;
                if apart {
                    plan.io_cores = free;
                }
                plan.spin = workers <= listed.len() && apart && !metered;
                "workers pinned as --pin lists"
            }
        };
        plan.why.push_str(verdict);
        if plan.worker_cores.iter().any(Option::is_some) {
            let (worker_cores, io_cores) = (show(&plan.worker_cores), show(&plan.io_cores));
            let spin = match plan.spin {
                true => "spinning",
                false if metered => "not spinning, since the quota is below a core for each thread",
                false if workers > listed.len() => "not spinning, since workers share cores",
                false => "not spinning, since I/O has no cores apart",
            };
            write!(
                plan.why,
                " (workers [{worker_cores}], I/O [{io_cores}]), {spin}"
            )
            .expect("writing to a String does not fail");
        }
        Ok(plan)
    }
}

/// What was found, for [`Plan::why`].
fn summary(found: &Topology) -> String {
    let mut text = match found.allowed.is_empty() {
        true => format!("on {} cores", found.cores),
        false => format!("on cores [{}]", show_all(&found.allowed)),
    };
    if let Some(quota) = found.quota_millicores {
        write!(
            text,
            " with a quota of {}.{:03} cores",
            quota / 1000,
            quota % 1000
        )
        .expect("writing to a String does not fail");
    }
    text
}

/// The cores listed, if all may be used. Without a mask to hold them against they pass, and
/// [`pin_current`](crate::cpu::topology::pin_current) tells.
fn checked(cores: &[usize], found: &Topology) -> Result<Vec<CoreId>, PlanError> {
    let cores: Vec<CoreId> = cores.iter().map(|&id| CoreId { id }).collect();
    match cores.iter().find(|core| !found.allowed.contains(core)) {
        Some(core) if !found.allowed.is_empty() => Err(PlanError::NotAllowed {
            core: core.id,
            allowed: show_all(&found.allowed),
        }),
        _ => Ok(cores),
    }
}

/// Cores as a list in the order given, ascending runs as ranges: `0,2-5`.
fn show(cores: &[Option<CoreId>]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for core in cores.iter().flatten() {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == core.id => *last = core.id,
            _ => runs.push((core.id, core.id)),
        }
    }
    if runs.is_empty() {
        return "anywhere".to_owned();
    }
    let run = |&(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

fn show_all(cores: &[CoreId]) -> String {
    show(&cores.iter().copied().map(Some).collect::<Vec<_>>())
}
