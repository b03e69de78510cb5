//! Files that are read again.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::authority::{Authority, Signed};
use crate::client::{TlsClient, config};
use crate::harness::{order, until};

/// Orders are sent on old and new connections while the certificate changes:
/// each gets its reply.
#[test]
fn a_hang_up_changes_the_certificate_under_load() {
    let authority = Authority::new();
    let service = authority.service(&[]);
    let address = service.http;
    let done = AtomicBool::new(false);
    let config = config(&authority, None);
    let serial = || {
        let client = TlsClient::to(address, &config_without_tickets(&config));
        served(client)
    };
    let before = serial();
    thread::scope(|scope| {
        for who in 0..2 {
            let (config, done) = (&config, &done);
            scope.spawn(move || {
                let mut old = TlsClient::to(address, config);
                let mut number = 0;
                while !done.load(Ordering::Relaxed) {
                    number += 1;
                    assert_eq!(old.ask(order(&format!("old-{who}-{number}"))).0, 201);
                    let mut new = TlsClient::to(address, config);
                    assert_eq!(new.ask(order(&format!("new-{who}-{number}"))).0, 201);
                }
            });
        }
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
        let Signed { cert, key } = authority.sign("next", "/CN=next", names, "1");
        let server = authority.server();
        fs::rename(key, &server.key).unwrap();
        // Between the two: a key that doesn't fit.
        service.signal(Signal::HUP);
        until("said", || {
            service.log().contains("what was in force remains so")
        });
        assert_eq!(serial(), before, "the old one stays");
        fs::rename(cert, &server.cert).unwrap();
        service.signal(Signal::HUP);
        until("the new one", || serial() != before);
        done.store(true, Ordering::Relaxed);
    });
    let ended = service.drain();
    assert!(ended.log.contains("doesn't fit"), "{}", ended.log);
}

/// A client that is let in by a ticket from before is not, once its authority
/// isn't trusted any more.
#[test]
fn a_ticket_does_not_outlive_its_authority() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ca = authority.path("clients.pem");
    fs::copy(authority.ca(), &ca).unwrap();
    let service = authority.service(&["--tls-client-ca", &ca]);
    let config = config(&authority, Some(&authority.client()));
    let mut old = TlsClient::to(service.http, &config);
    assert_eq!(old.ask(order("a")).0, 201);
    fs::copy(other.ca(), &ca).unwrap();
    service.signal(Signal::HUP);
    until("read", || service.log().contains("SIGHUP"));
    let mut new = TlsClient::to(service.http, &config);
    assert!(std::io::Write::write_all(&mut new.0, order("b").as_bytes()).is_err() || new.refused());
    assert_eq!(old.ask(order("c")).0, 201, "an open connection goes on");
    service.drain();
}

/// The certificate that the server shows.
fn served(mut client: TlsClient) -> Vec<u8> {
    let (status, _) = client.ask("GET /healthz HTTP/1.1\r\nHost: o\r\n\r\n");
    assert_eq!(status, 200);
    client.0.conn.peer_certificates().expect("it shows one")[0].to_vec()
}

fn config_without_tickets(
    config: &std::sync::Arc<rustls::ClientConfig>,
) -> std::sync::Arc<rustls::ClientConfig> {
    let mut config = rustls::ClientConfig::clone(config);
    config.resumption = rustls::client::Resumption::disabled();
    config.into()
}
