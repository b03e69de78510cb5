//! What every library is asked to do.

use std::thread;

use crate::authority::Authority;
use crate::harness::{Directory, Service, get, lasting_address};
use crate::program::Program;
use crate::tokens::{TOKEN, TokenFile};

const SINGLE_ORDERS: [&str; 3] = ["order", "duplicate", "invalid"];
const BATCHES_AND_FEED: [&str; 4] = ["stream", "gzip", "zstd", "feed"];
/// Orders of `idle`, and of `restart`.
const IDLE_ORDERS: u64 = 7;
const RESTART_ORDERS: u64 = 300;

/// Makes the tests of one client.
macro_rules! tests_of {
    ($client:expr) => {
        #[test]
        fn it_is_served() {
            $crate::kinds::it_is_served(&$client);
        }
        #[test]
        fn it_is_served_over_tls_with_a_token() {
            $crate::kinds::it_is_served_over_tls_with_a_token(&$client);
        }
        #[test]
        fn it_uses_a_connection_again() {
            $crate::kinds::it_uses_a_connection_again(&$client);
        }
        #[test]
        fn it_waits_and_tries_again() {
            $crate::kinds::it_waits_and_tries_again(&$client);
        }
        #[test]
        fn a_restart_costs_it_no_order() {
            $crate::kinds::a_restart_costs_it_no_order(&$client);
        }
    };
}
pub(crate) use tests_of;

/// On both engines what they have.
pub(crate) fn it_is_served(client: &Program) {
    let service = Service::start(&[]);
    client.runs(service.http, &SINGLE_ORDERS, &[]);
    client.runs(service.http, &BATCHES_AND_FEED, &[]);
    client.runs(service.http, &["head", "expect"], &[]);
    assert_eq!(service.settled().rejected("invalid"), 1, "as it asked for");
    service.drain();

    let service = Service::on("may_minihttp", &[]);
    client.runs(service.http, &SINGLE_ORDERS, &[]);
    service.settled();
    service.drain();
}

pub(crate) fn it_is_served_over_tls_with_a_token(client: &Program) {
    let authority = Authority::new();
    let tokens = TokenFile::new("");
    let service = authority.service(&["--token-file", &tokens.path]);
    let ca = authority.ca();
    let variables = [
        ("CA", &*ca),
        ("NODE_EXTRA_CA_CERTS", &ca),
        ("SSL_CERT_FILE", &ca),
        // Where it is set, requests heeds nothing else.
        ("REQUESTS_CA_BUNDLE", &ca),
        ("TOKEN", TOKEN),
    ];
    let url = format!("https://localhost:{}", service.http.port());
    let scenarios = [&SINGLE_ORDERS[..], &BATCHES_AND_FEED].concat();
    client.runs_at(&url, &scenarios, &variables, || {});
    assert_eq!(service.settled().rejected("unauthorized"), 0);
    service.drain();
}

/// A thousand orders: more connections than two are refused. (Node's `fetch`
/// opens a second one.)
pub(crate) fn it_uses_a_connection_again(client: &Program) {
    let service = Service::start(&["--max-connections", "2"]);
    client.runs(service.http, &["reuse"], &[]);
    assert_eq!(service.settled().orders(), (1000, 1000, 0));
    service.drain();
}

/// For a quota, for space in the queue, and with connections that are closed
/// while it does nothing.
pub(crate) fn it_waits_and_tries_again(client: &Program) {
    thread::scope(|scope| {
        scope.spawn(|| past_its_quota(client));
        scope.spawn(|| for_space_in_the_queue(client));
        scope.spawn(|| with_idle_connections(client));
    });
}

fn past_its_quota(client: &Program) {
    // Its second order comes within five seconds, however slow the client.
    let tokens = TokenFile::new("rate=12/m burst=1");
    let service = Service::start(&["--token-file", &tokens.path]);
    client.runs(service.http, &["retries"], &[("TOKEN", TOKEN)]);
    let figures = service.settled();
    assert_eq!(figures.orders().0, 2);
    assert!(figures.rejected("rate_limited") >= 1);
}

fn for_space_in_the_queue(client: &Program) {
    let service = Service::slow("native", "1", "600ms", &["--queue-capacity", "1"]);
    client.runs(service.http, &["together"], &[]);
    let figures = service.settled();
    assert_eq!(figures.orders().0, 6);
    assert!(figures.rejected("full") >= 1);
}

fn with_idle_connections(client: &Program) {
    let service = Service::start(&["--idle-timeout", "300ms"]);
    client.runs(service.http, &["idle"], &[("IDLE_TIMEOUT", "300ms")]);
    let figures = service.settled();
    assert_eq!(figures.orders(), (IDLE_ORDERS, IDLE_ORDERS, 0));
}

/// Each order has one outcome, and its client heard of it.
pub(crate) fn a_restart_costs_it_no_order(client: &Program) {
    let directory = Directory::new();
    let address = lasting_address();
    let start = || {
        let mut command = Service::command();
        command.args(["--listen", &address.to_string()]);
        command.args(["--admin-listen", "127.0.0.1:0", "--grpc-listen", "off"]);
        command.arg("--data-dir").arg(&directory.0);
        Some(Service::launch(command))
    };
    let mut running = start();
    client.runs_at(&format!("http://{address}"), &["restart"], &[], || {
        running.take().expect("it runs").drain();
        running = start();
    });
    let service = running.expect("started again");
    let stats = get(service.http, "/stats").json();
    assert_eq!(stats["last_seq"], RESTART_ORDERS);
    service.drain();
}
