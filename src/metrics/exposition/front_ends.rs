//! Connections, requests and calls, and whose they are.

use crate::metrics::exposition::family::{counter, gauge, single};
use crate::metrics::gauges::ClientGauges;
use crate::metrics::grpc::GrpcMetrics;
use crate::metrics::recorded::Metrics;
use crate::metrics::text::Text;

pub(super) fn http(text: &mut Text<'_>, metrics: &Metrics) {
    let connections = gauge("http_connections", "Connections open now.");
    single(text, &connections, metrics.http.connections.get());
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
