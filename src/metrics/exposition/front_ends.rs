//! Connections, requests and calls, and whose they are.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::metrics::exposition::family::{counter, gauge, single};
use crate::metrics::gauges::{AddressGauges, ClientGauges};
use crate::metrics::grpc::GrpcMetrics;
use crate::metrics::label::{DenyReason, HandshakeResult};
use crate::metrics::recorded::Metrics;
use crate::metrics::text::Text;

pub(super) fn http(text: &mut Text<'_>, metrics: &Metrics) {
    let connections = gauge("http_connections", "Connections open now.");
    single(text, &connections, metrics.http.connections.get());
    let connections_max = gauge(
        "http_connections_max",
        "Connections that the order port serves at a time.",
    );
    single(text, &connections_max, metrics.http.connections_max.get());
    let batches = gauge("http_batches", "Batches being read or answered.");
    single(text, &batches, metrics.http.batches.get());
    let requests = counter(
        "http_requests",
        "Requests answered; pairs never seen are left out.",
    );
    text.family(&requests);
    for (route, status, count) in metrics.http.requests_made() {
        let labels = [("route", route.as_str()), ("status", status.as_str())];
        text.sample(&requests, &labels, count);
    }
}

pub(super) fn grpc(text: &mut Text<'_>, grpc: &GrpcMetrics) {
    let connections = gauge("grpc_connections", "Connections open now.");
    single(text, &connections, grpc.connections.get());
    let connections_max = gauge(
        "grpc_connections_max",
        "Connections that are served at a time.",
    );
    single(text, &connections_max, grpc.connections_max.get());
    let open = gauge("grpc_open_calls", "Calls that have begun and not ended.");
    text.family(&open);
    for (method, count) in grpc.open_calls() {
        text.sample(&open, &[("method", method.as_str())], count);
    }
    let calls = counter("grpc_calls", "Calls ended; pairs never seen are left out.");
    text.family(&calls);
    for (method, code, count) in grpc.calls_ended() {
        let labels = [("method", method.as_str()), ("code", code.as_str())];
        text.sample(&calls, &labels, count);
    }
}

pub(super) fn denied(text: &mut Text<'_>, metrics: &Metrics) {
    let denied = counter(
        "access_denied",
        "Requests and calls refused for who made them.",
    );
    text.family(&denied);
    for reason in DenyReason::ALL {
        let count = metrics.denied.get(*reason);
        text.sample(&denied, &[("reason", reason.as_str())], count);
    }
}

pub(super) fn tls(text: &mut Text<'_>, metrics: &Metrics, not_after: SystemTime) {
    let expiry = gauge(
        "tls_certificate_expiry_timestamp_seconds",
        "When the certificate expires, since the Unix epoch.",
    );
    let since = not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
    single(text, &expiry, since.as_secs());
    let handshakes = counter("tls_handshakes", "Handshakes that have ended, by result.");
    text.family(&handshakes);
    for result in HandshakeResult::ALL {
        let count = metrics.tls.handshakes.get(*result);
        text.sample(&handshakes, &[("result", result.as_str())], count);
    }
    let in_flight = gauge("tls_handshakes_in_flight", "Handshakes that have begun.");
    single(text, &in_flight, metrics.tls.in_flight.get());
}

pub(super) fn addresses(text: &mut Text<'_>, addresses: &AddressGauges) {
    let held = gauge(
        "client_addresses",
        "Client addresses that have used up some of their quota.",
    );
    single(text, &held, addresses.held);
    let shared = counter(
        "client_addresses_shared",
        "Times that an address shared another's quota, since there were too many.",
    );
    single(text, &shared, addresses.shared);
}

pub(super) fn clients(text: &mut Text<'_>, clients: &[ClientGauges]) {
    let requests = counter(
        "client_requests",
        "Requests, and orders of batches and streams, let through by client.",
    );
    text.family(&requests);
    for client in clients {
        text.sample(&requests, &[("client", &client.name)], client.requests);
    }
    let refused = counter(
        "client_refused",
        "The same refused, by client and the quota that was used up.",
    );
    text.family(&refused);
    for client in clients {
        for (quota, count) in [
            ("rate", client.over_rate),
            ("inflight", client.over_in_flight),
        ] {
            let labels = [("client", &*client.name), ("quota", quota)];
            text.sample(&refused, &labels, count);
        }
    }
    let in_flight = gauge(
        "client_in_flight",
        "Requests without a reply by client, where their number has a limit.",
    );
    text.family(&in_flight);
    for client in clients {
        text.sample(&in_flight, &[("client", &client.name)], client.in_flight);
    }
}
