//! The most memory that the service takes with a configuration, term by term:
//! what `limits` prints, and docs/limits.md says for the defaults.

use std::fmt;

use serde_json::json;

use crate::access::{ADDRESS_BYTES, ADDRESSES_MAX};
use crate::config::{Config, Ledger};
use crate::dedupe::window::ID_BYTES;
use crate::http::api::feed::BUDGET_BYTES;
use crate::http::server::{CONNECTION_BYTES_MAX, TLS_BYTES_MAX};
use crate::ledger::nats;
use crate::pipeline::memory::{claims_bytes, queues_bytes};
use crate::{cpu, grpc};

/// Code, tables of libraries, histograms, the log's queue, the journal's
/// buffers and what the allocator holds for itself: measured at start, rounded
/// up.
const BASE_BYTES: u64 = 48 << 20;
/// What a thread touches of its stack, and its part of the allocator.
const THREAD_BYTES: u64 = 128 << 10;
/// What decoding takes for each byte of an order, while it lasts: its text once
/// more, and up to 10 bytes for names, when an object has more than sixteen and
/// they are as short as can be.
const DECODED_BYTES: u64 = 11;
/// Threads beside the workers and those of the front ends.
const OTHER_THREADS: usize = 16;
/// What `--ledger memory` has for an outcome beside its order.
const MEMORY_OUTCOME_BYTES: u64 = 400;
const MIB: u64 = 1 << 20;

/// The terms and their sum.
#[derive(Clone, Debug)]
pub struct MemoryBounds(Vec<(&'static str, u64)>);

impl MemoryBounds {
    /// Of the service with this configuration, on so many usable cores.
    #[must_use]
    pub fn new(config: &Config, cores: usize) -> Self {
        let workers = config.workers.unwrap_or(cores);
        let io_threads = config.io_threads.unwrap_or(cores);
        let threads = (workers + 2 * io_threads + OTHER_THREADS) as u64;
        let window = config.dedupe_window as u64;
        let connections = (config.max_connections * CONNECTION_BYTES_MAX) as u64;
        let mut terms = vec![
            ("--queue-bytes", config.queue_bytes as u64),
            ("--body-bytes", config.body_bytes as u64),
            ("--reply-bytes", config.reply_bytes as u64),
            ("feed pages", BUDGET_BYTES as u64),
            ("--dedupe-window", window * ID_BYTES as u64),
            ("claims", claims_bytes(config.queue_capacity, workers)),
            ("queues", queues_bytes(config.queue_capacity)),
            ("HTTP connections", connections),
        ];
        if config.grpc_listen.is_some() {
            let grpc = grpc::memory(config.grpc_max_connections, config.max_body);
            terms.extend(grpc);
        }
        if config.tls.cert.is_some() {
            let grpc = config
                .grpc_listen
                .map_or(0, |_| config.grpc_max_connections);
            let bytes = config.max_connections * TLS_BYTES_MAX + grpc * grpc::TLS_BYTES_MAX;
            terms.push(("TLS", bytes as u64));
        }
        let peers = &config.peers;
        if peers.client_rate.is_some() || peers.client_inflight.is_some() {
            let bytes = ADDRESSES_MAX * ADDRESS_BYTES;
            terms.push(("client addresses", bytes as u64));
        }
        match &config.ledger {
            Ledger::Journal => {}
            Ledger::Memory => {
                let outcome = MEMORY_OUTCOME_BYTES + config.max_body as u64;
                terms.push(("--ledger memory", window.saturating_mul(outcome)));
            }
            Ledger::Nats { .. } => terms.push(("--ledger nats", nats::BYTES_MAX as u64)),
        }
        let decoding = 2 * io_threads as u64 * config.max_body as u64;
        terms.push(("decoding", decoding.saturating_mul(DECODED_BYTES)));
        terms.push(("threads", threads * THREAD_BYTES));
        terms.push(("base", BASE_BYTES));
        Self(terms)
    }

    /// The sum, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// As JSON: an object with `terms` and their sum, `bytes`.
    #[must_use]
    pub fn json(&self) -> String {
        let term = |(name, bytes): &(&str, u64)| json!({ "name": name, "bytes": bytes });
        let terms: Vec<_> = self.0.iter().map(term).collect();
        json!({ "terms": terms, "bytes": self.bytes() }).to_string()
    }
}

/// As text: a line for each term, and one for the sum.
impl fmt::Display for MemoryBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, bytes) in self.0.iter().copied().chain([("all", self.bytes())]) {
            let mib = bytes.div_ceil(MIB);
            writeln!(f, "{name:20} {bytes:>16} bytes {mib:>9} MiB")?;
        }
        Ok(())
    }
}

/// Warns if the limit of the cgroups is below what the service may take.
pub(super) fn warn_of_limit(config: &Config, cores: usize) {
    let bounds = MemoryBounds::new(config, cores).bytes();
    if let Some(limit) = cpu::cgroup::memory_bytes("/".as_ref())
        && limit < bounds
    {
        tracing::warn!(
            limit,
            bounds,
            "the memory limit is below what clients can make the service take; see \
             `order-processor limits`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of the first table under "## Memory": a term, and its MiB.
    fn documented() -> Vec<(String, u64)> {
        let text = include_str!("../../docs/limits.md");
        let (_, section) = text.split_once("\n## Memory\n").unwrap();
        let rows = section.lines().skip_while(|line| !line.starts_with("|--"));
        rows.skip(1)
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                let cells: Vec<_> = line.split('|').map(str::trim).collect();
                let mib = cells[3].strip_suffix(" MiB").unwrap().replace(',', "");
                (cells[1].replace('`', ""), mib.parse().unwrap())
            })
            .collect()
    }

    #[test]
    fn the_docs_say_the_sum_of_the_defaults() {
        let bounds = MemoryBounds::new(&Config::default(), 2);
        let all = bounds.0.iter().copied().chain([("all", bounds.bytes())]);
        let computed: Vec<_> = all
            .map(|(name, bytes)| (name.to_owned(), bytes.div_ceil(MIB)))
            .collect();
        assert_eq!(documented(), computed, "\n{bounds}");
    }

    #[test]
    fn each_flag_that_costs_memory_is_in_the_sum() {
        let bytes = |flags: &[&str]| {
            let args = ["order-processor"].iter().chain(flags);
            let config = Config::parse_from(args, [("", ""); 0]).unwrap();
            MemoryBounds::new(&config, 2).bytes()
        };
        let defaults = bytes(&[]);
        for flags in [
            ["--queue-bytes", "1GiB"],
            ["--body-bytes", "1GiB"],
            ["--reply-bytes", "1GiB"],
            ["--queue-capacity", "1000000"],
            ["--dedupe-window", "5000000"],
            ["--max-connections", "20000"],
            ["--grpc-max-connections", "2000"],
            ["--ledger", "memory"],
            ["--ledger", "nats://127.0.0.1:4222"],
            ["--workers", "100"],
            ["--io-threads", "100"],
            ["--max-body", "1MiB"],
            ["--client-rate", "1/s"],
        ] {
            assert!(bytes(&flags) > defaults, "{flags:?}");
        }
        let tls = ["--tls-cert", "/c", "--tls-key", "/k"];
        assert!(bytes(&tls) > defaults);
        assert!(bytes(&["--grpc-listen", "off"]) < defaults);
    }
}
