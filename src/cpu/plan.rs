//! How many threads, and where they run: decided from the request and the
//! topology.
//!
//! Where the operator leaves the counts open, about half of the usable cores
//! run I/O (the smaller half, at least one, at most [`IO_THREADS_AUTO_MAX`]),
//! one is left to the committer, and workers get the rest, at least one. I/O
//! takes the lowest cores, where interrupts usually land; workers the next. The
//! committer is never pinned: it takes what is free.
//!
//! A worker spins only where that costs no other thread time: on a core of its
//! own, without a quota below a core for each thread.

use std::fmt::Write;

use crate::config::Pin;
use crate::cpu::topology::{CoreId, Topology};

/// Cores left to the committer.
const COMMITTER: usize = 1;

/// Up to this many cores a quick processor runs on the thread that commits.
const FUSED_CORES_MAX: usize = 2;

/// Most I/O threads that are chosen without being asked for.
pub(crate) const IO_THREADS_AUTO_MAX: usize = 8;

/// What the operator asks for; `None` is `auto`.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// `--workers`.
    pub workers: Option<usize>,
    /// `--io-threads`.
    pub io_threads: Option<usize>,
    /// `--pin`.
    pub pin: &'a Pin,
    /// The processor says that it is quick.
    pub quick_processor: bool,
}

/// The plan is impossible on this machine: bad usage.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// `--pin` lists a core outside the affinity mask.
    #[error("--pin: core {core} is not one this process may use ({allowed})")]
    NotAllowed {
        /// The core listed.
        core: usize,
        /// The cores that may be used, as a list.
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
    /// The core of each worker; `None` leaves it to the scheduler. As many as
    /// `workers`.
    pub worker_cores: Vec<Option<CoreId>>,
    /// The core of each I/O thread, likewise. As many as `io_threads`.
    pub io_cores: Vec<Option<CoreId>>,
    /// Whether the only worker commits, too: the processor is quick, and a
    /// hand-over between threads costs more than its work where cores are few.
    pub fused: bool,
    /// Whether a worker spins before it parks.
    pub spin: bool,
    /// The decision and its reason, a line for the log at start.
    pub why: String,
}

impl Plan {
    /// This many workers beside one I/O thread, none pinned or spinning.
    pub fn unpinned(workers: usize) -> Self {
        Self {
            workers,
            io_threads: 1,
            worker_cores: vec![None; workers],
            io_cores: vec![None],
            fused: false,
            spin: false,
            why: String::new(),
        }
    }

    /// Decides from the request and the topology.
    ///
    /// # Errors
    /// [`PlanError`] if `--pin` lists a core outside the mask.
    pub fn new(request: PlanRequest<'_>, topology: &Topology) -> Result<Self, PlanError> {
        let listed = match request.pin {
            Pin::Cores(cores) => checked(cores, topology)?,
            Pin::Auto | Pin::Off => Vec::new(),
        };
        let threads = ThreadCounts::choose(&request, listed.len(), topology.usable());
        let fused =
            request.quick_processor && threads.workers == 1 && topology.usable() <= FUSED_CORES_MAX;
        let mut plan = Self {
            fused,
            io_threads: threads.io,
            io_cores: vec![None; threads.io],
            why: format!(
                "workers {}{}, I/O threads {}, {}: ",
                threads.workers,
                if fused { " (which commits, too)" } else { "" },
                threads.io,
                summary(topology)
            ),
            ..Self::unpinned(threads.workers)
        };
        if let Some(reason) = reason_not_to_pin(request.pin, topology, threads) {
            plan.why.push_str(reason);
            return Ok(plan);
        }
        let metered = topology
            .quota_millicores
            .is_some_and(|quota| quota < threads.total() as u64 * 1000);
        let no_spin = match request.pin {
            Pin::Cores(_) => plan.pin_as_listed(&listed, topology),
            Pin::Auto | Pin::Off => plan.pin_in_order(topology),
        };
        let no_spin = match metered {
            true => Some("not spinning, since the quota is below a core for each thread"),
            false => no_spin,
        };
        plan.spin = no_spin.is_none();
        let (worker_cores, io_cores) = (show(&plan.worker_cores), show(&plan.io_cores));
        let spin = no_spin.unwrap_or("spinning");
        write!(
            plan.why,
            " (workers [{worker_cores}], I/O [{io_cores}]), {spin}"
        )
        .expect("writing to a String does not fail");
        Ok(plan)
    }

    /// A core each: I/O threads first, then workers. Returns why workers must
    /// not spin.
    fn pin_in_order(&mut self, topology: &Topology) -> Option<&'static str> {
        let mut cores = topology.allowed.iter().copied().map(Some);
        self.io_cores = cores.by_ref().take(self.io_threads).collect();
        self.worker_cores = cores.take(self.workers).collect();
        self.why.push_str("pinned to a core each");
        None
    }

    /// Workers on the cores listed, in turn; I/O threads on the others if there
    /// are enough. Returns why workers must not spin.
    fn pin_as_listed(&mut self, listed: &[CoreId], topology: &Topology) -> Option<&'static str> {
        let workers = listed.iter().copied().cycle().map(Some);
        self.worker_cores = workers.take(self.workers).collect();
        let free = topology
            .allowed
            .iter()
            .filter(|core| !listed.contains(core));
        let free: Vec<_> = free.copied().map(Some).take(self.io_threads).collect();
        let apart = free.len() == self.io_threads;
        if apart {
            self.io_cores = free;
        }
        self.why.push_str("workers pinned as --pin lists");
        if self.workers > listed.len() {
            Some("not spinning, since workers share cores")
        } else if !apart {
            Some("not spinning, since I/O has no cores apart")
        } else {
            None
        }
    }
}

#[derive(Clone, Copy)]
struct ThreadCounts {
    workers: usize,
    io: usize,
}

impl ThreadCounts {
    /// The counts asked for; those left open are derived from the number of
    /// cores that `--pin` lists and of those that are usable.
    fn choose(request: &PlanRequest<'_>, listed: usize, usable: usize) -> Self {
        // A list of cores with the number left open means a worker on each.
        let workers = request.workers.or((listed > 0).then_some(listed));
        let io = request.io_threads.unwrap_or_else(|| {
            let half = (usable / 2).clamp(1, IO_THREADS_AUTO_MAX);
            workers.map_or(half, |workers| {
                usable.saturating_sub(workers + COMMITTER).clamp(1, half)
            })
        });
        let workers = workers.unwrap_or_else(|| usable.saturating_sub(io + COMMITTER).max(1));
        Self { workers, io }
    }

    fn total(self) -> usize {
        self.workers + self.io + COMMITTER
    }
}

fn reason_not_to_pin(
    pin: &Pin,
    topology: &Topology,
    threads: ThreadCounts,
) -> Option<&'static str> {
    match pin {
        Pin::Cores(_) => None,
        Pin::Off => Some("not pinned and not spinning, as --pin off asks"),
        Pin::Auto if topology.allowed.is_empty() => Some(
            "not pinned and not spinning, since the kernel does not say which cores may be used",
        ),
        Pin::Auto if threads.total() > topology.usable() => Some(
            "not pinned and not spinning, since workers, I/O threads and the committer outnumber \
             cores",
        ),
        Pin::Auto if topology.quota_millicores.is_some() && topology.whole_machine => Some(
            "not pinned and not spinning, since under a quota with the whole machine's cores \
             every process like this would pin to the same ones",
        ),
        Pin::Auto => None,
    }
}

/// The topology, for [`Plan::why`].
fn summary(topology: &Topology) -> String {
    let mut text = match topology.allowed.is_empty() {
        true => format!("on {} cores", topology.cores),
        false => format!("on cores [{}]", show_all(&topology.allowed)),
    };
    if let Some(quota) = topology.quota_millicores {
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

/// The cores listed, if all may be used. Without a mask to compare them with
/// they pass, and [`pin_current`](crate::cpu::topology::pin_current) fails
/// later.
fn checked(cores: &[usize], topology: &Topology) -> Result<Vec<CoreId>, PlanError> {
    let cores: Vec<CoreId> = cores.iter().map(|&id| CoreId { id }).collect();
    match cores.iter().find(|core| !topology.allowed.contains(core)) {
        Some(core) if !topology.allowed.is_empty() => Err(PlanError::NotAllowed {
            core: core.id,
            allowed: show_all(&topology.allowed),
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
