//! What is counted of handshakes, when the certificate expires, and the warning
//! before it does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::authority::{Authority, time};
use crate::client::{TlsClient, config};
use crate::harness::{PATIENCE, Service, get, until};

const EXPIRY: &str = "tls_certificate_expiry_timestamp_seconds";

fn figure(service: &Service, name: &str) -> f64 {
    service.figures().get(name)
}

fn ended(service: &Service, result: &str) -> f64 {
    figure(service, &format!(r#"tls_handshakes{{result="{result}"}}"#))
}

/// Sends this and reads to the end.
fn send(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn handshakes_are_counted_by_result_on_both_ports() {
    let authority = Authority::new();
    let ca = authority.ca();
    let service = authority.with_grpc(&["--tls-client-ca", &ca, "--head-timeout", "5s"]);
    let grpc = service.grpc.unwrap();
    for (address, is_http) in [(service.http, true), (grpc, false)] {
        let before = ["completed", "certificate", "refused", "unfinished"]
            .map(|result| ended(&service, result));
        let known = config(&authority, Some(&authority.client()));
        let unknown = config(&authority, None);
        if is_http {
            let mut client = TlsClient::to(address, &known);
            assert_eq!(
                client.ask("GET /healthz HTTP/1.1\r\nHost: o\r\n\r\n").0,
                200
            );
        } else {
            handshake(address, &known);
        }
        handshake(address, &unknown);
        send(address, b"GET / HTTP/1.1\r\nHost: orders\r\n\r\n");
        // The first byte of a handshake, and no more.
        let silent = TcpStream::connect(address).unwrap();
        (&silent).write_all(&[22]).unwrap();
        until("it is counted while it lasts", || {
            figure(&service, "tls_handshakes_in_flight") > 0.0
        });
        until("it has ended", || {
            ended(&service, "unfinished") > before[3]
                && figure(&service, "tls_handshakes_in_flight") == 0.0
        });
        let after = ["completed", "certificate", "refused", "unfinished"]
            .map(|result| ended(&service, result));
        for (before, after) in before.iter().zip(after) {
            assert_eq!(after - before, 1.0, "{address}: {before:?} {after:?}");
        }
    }
    service.drain();
}

/// As far as it goes.
fn handshake(address: SocketAddr, config: &std::sync::Arc<rustls::ClientConfig>) {
    let mut client = TlsClient::to(address, config);
    let (connection, socket) = (&mut client.0.conn, &mut client.0.sock);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    while connection.is_handshaking() {
        if connection.complete_io(socket).is_err() {
            return;
        }
    }
    // Whether its certificate is taken, a client of TLS 1.3 hears afterwards:
    // a ticket, or an alert.
    let _ = connection.complete_io(socket);
}

/// So many days from now, as a certificate says it.
fn in_days(days: i64) -> (u64, String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = now.as_secs().strict_add_signed(days * 86_400);
    (seconds, time(UNIX_EPOCH + Duration::from_secs(seconds)))
}

#[test]
fn the_expiry_is_shown_and_said_when_it_is_soon() {
    let authority = Authority::new();
    let (expiry, end) = in_days(90);
    authority.sign_again("server", &in_days(-1).1, &end);
    let service = authority.service(&[]);
    assert_eq!(figure(&service, EXPIRY), expiry as f64);
    assert!(!service.log().contains("expires soon"));
    let (soon, end) = in_days(3);
    authority.sign_again("server", &in_days(-87).1, &end);
    service.signal(Signal::HUP);
    until_read(&service, soon);
    until("said", || service.log().contains("expires soon"));
    let (short, end) = in_days(2);
    authority.sign_again("server", &in_days(-1).1, &end);
    service.signal(Signal::HUP);
    until_read(&service, short);
    let log = service.drain().log;
    assert_eq!(log.matches("expires soon").count(), 1, "{log}");
    authority.sign_again("server", &in_days(-87).1, &in_days(3).1);
    let again = authority.service(&[]);
    until("said again", || again.log().contains("expires soon"));
    again.drain();
}

fn until_read(service: &Service, expiry: u64) {
    until("read", || figure(service, EXPIRY) == expiry as f64);
}

#[test]
fn without_tls_there_are_no_figures_of_it() {
    let service = Service::start(&[]);
    let metrics = get(service.http, "/metrics");
    let text = metrics.text();
    assert!(!text.contains("tls_"), "{text}");
    assert!(text.contains(r#"access_denied{reason="no_token"} 0"#));
}
