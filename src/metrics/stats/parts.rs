//! The parts that are there with one ledger or port and not with another.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::metrics::gauges::{AddressGauges, ClientGauges, DiskGauges};
use crate::metrics::grpc::GrpcMetrics;
use crate::metrics::journal::JournalMetrics;
use crate::metrics::label::HandshakeResult;
use crate::metrics::process::ProcessMetrics;
use crate::metrics::recorded::HttpMetrics;
use crate::metrics::stats::value::{
    Members, NANOSECONDS, Number, Summary, WHOLE, seconds, summary,
};
use crate::metrics::tls::TlsMetrics;

#[derive(Serialize)]
pub(super) struct Journal {
    journal_commit_seconds: Summary,
    journal_batch_orders: Summary,
    journal_bytes: u64,
    journal_read_errors: u64,
    journal_segment_ahead: bool,
}

#[derive(Serialize)]
pub(super) struct Disk {
    journal_segments: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal_free_bytes: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Grpc {
    grpc_connections: u64,
    grpc_connections_max: u64,
    grpc_open_calls: Members<u64>,
    grpc_calls: Members<Members<u64>>,
}

#[derive(Serialize)]
pub(super) struct Tls {
    tls_certificate_expiry_timestamp_seconds: u64,
    tls_handshakes: Members<u64>,
    tls_handshakes_in_flight: u64,
}

#[derive(Serialize)]
pub(super) struct Client {
    requests: u64,
    refused: Members<u64>,
    in_flight: u64,
}

#[derive(Serialize)]
pub(super) struct Addresses {
    client_addresses: u64,
    client_addresses_shared: u64,
}

#[derive(Serialize)]
pub(super) struct Process {
    process_cpu_seconds_total: Number,
    process_resident_memory_bytes: u64,
    process_virtual_memory_bytes: u64,
    process_threads: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_open_fds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_max_fds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_start_time_seconds: Option<Number>,
}

impl Journal {
    pub(super) fn of(journal: &JournalMetrics) -> Self {
        Self {
            journal_commit_seconds: summary(&journal.commit.snapshot(), NANOSECONDS),
            journal_batch_orders: summary(&journal.batch_orders.snapshot(), WHOLE),
            journal_bytes: journal.bytes(),
            journal_read_errors: journal.read_errors(),
            journal_segment_ahead: journal.no_segment_ahead().is_none(),
        }
    }
}

impl Disk {
    pub(super) fn of(disk: DiskGauges) -> Self {
        Self {
            journal_segments: disk.segments,
            journal_free_bytes: disk.free_bytes,
        }
    }
}

impl Grpc {
    pub(super) fn of(grpc: &GrpcMetrics) -> Self {
        let open = grpc.open_calls();
        let ended = grpc.calls_ended();
        Self {
            grpc_connections: grpc.connections.get(),
            grpc_connections_max: grpc.connections_max.get(),
            grpc_open_calls: Members(open.map(|(m, count)| (m.as_str(), count)).collect()),
            grpc_calls: nested(ended.map(|(m, code, count)| (m.as_str(), code.as_str(), count))),
        }
    }
}

impl Tls {
    pub(super) fn of(metrics: &TlsMetrics, not_after: SystemTime) -> Self {
        let since = not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ended = |result: &HandshakeResult| (result.as_str(), metrics.handshakes.get(*result));
        Self {
            tls_certificate_expiry_timestamp_seconds: since.as_secs(),
            tls_handshakes: Members(HandshakeResult::ALL.iter().map(ended).collect()),
            tls_handshakes_in_flight: metrics.in_flight.get(),
        }
    }
}

impl Addresses {
    pub(super) fn of(addresses: &AddressGauges) -> Self {
        Self {
            client_addresses: addresses.held,
            client_addresses_shared: addresses.shared,
        }
    }
}

impl Client {
    pub(super) fn of(client: &ClientGauges) -> (String, Self) {
        let refused = vec![
            ("rate", client.over_rate),
            ("inflight", client.over_in_flight),
        ];
        let shown = Self {
            requests: client.requests,
            refused: Members(refused),
            in_flight: client.in_flight,
        };
        (client.name.clone(), shown)
    }
}

impl Process {
    pub(super) fn of(process: &ProcessMetrics) -> Self {
        Self {
            process_cpu_seconds_total: seconds(process.cpu),
            process_resident_memory_bytes: process.resident_bytes,
            process_virtual_memory_bytes: process.virtual_bytes,
            process_threads: process.threads,
            process_open_fds: process.open_fds,
            process_max_fds: process.max_fds,
            process_start_time_seconds: process.start_time.map(seconds),
        }
    }
}

/// Requests by route and status, without the pairs never seen.
pub(super) fn requests(http: &HttpMetrics) -> Members<Members<u64>> {
    let made = http.requests_made();
    nested(made.map(|(route, status, count)| (route.as_str(), status.as_str(), count)))
}

/// A level for the first label, which comes in order, and one for the second.
fn nested(cells: impl Iterator<Item = (&'static str, &'static str, u64)>) -> Members<Members<u64>> {
    let mut outer: Vec<(&str, Members<u64>)> = Vec::new();
    for (first, second, count) in cells {
        match outer.last_mut() {
            Some((last, inner)) if *last == first => inner.0.push((second, count)),
            _ => outer.push((first, Members(vec![(second, count)]))),
        }
    }
    Members(outer)
}
