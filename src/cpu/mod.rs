//! The cores: which ones the process may use, and which thread gets which.
//!
//! [`Topology::here`](topology::Topology::here) reads the affinity mask (a
//! cpuset, `taskset`) and the CPU quota of the cgroups.
//! [`Plan::new`](plan::Plan::new) decides and is pure. Threads then pin
//! themselves with [`pin_current`](topology::pin_current).
//!
//! Relies on `core_affinity` to stay inside the mask: it reads it with
//! sched_getaffinity(2).

pub(crate) mod cgroup;
pub(crate) mod plan;
pub(crate) mod prefetch;
#[cfg(test)]
mod tests;
pub(crate) mod topology;
