//! Clients that show certificates.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, Signed, text, time};
use crate::client::{TlsClient, config, config_of};
use crate::harness::{order, until};

#[test]
fn only_clients_of_the_authority_are_served() {
    let authority = Authority::new();
    let ca = authority.ca();
    let service = authority.service(&["--tls-client-ca", &ca, "--log-level", "debug"]);
    let Signed { cert, key } = authority.client();
    let body = r#"{"id":"a","value":1}"#;
    let args = ["--cert", &cert, "--key", &key, "-d", body];
    for version in ["1.2", "1.3"] {
        let args = [&args[..], &["--tls-max", version]].concat();
        let served = authority.curl(&service, &args, "/submit");
        assert!(text(&served).contains("processed"), "{}", text(&served));
    }
    until("logged", || service.log().contains("name=\"desk\""));

    let stranger = Authority::new();
    let others = stranger.client();
    let expired = authority.sign("expired", "/CN=desk", "", "-1");
    let nameless = authority.sign("nameless", "/O=Shop", "", "1");
    let long = authority.sign("long", &format!("/CN={}", "x".repeat(64)), "", "1");
    for Signed { cert, key } in [&others, &expired, &nameless] {
        for version in ["1.2", "1.3"] {
            let args = [
                "--cert",
                cert,
                "--key",
                key,
                "--tls-max",
                version,
                "-d",
                body,
            ];
            let refused = authority.curl(&service, &args, "/submit");
            assert!(!refused.status.success(), "{cert}: {}", text(&refused));
            assert!(refused.stdout.is_empty(), "{cert}: {}", text(&refused));
        }
    }
    let none = authority.curl(&service, &["-d", body], "/submit");
    assert!(
        !none.status.success() && none.stdout.is_empty(),
        "{}",
        text(&none)
    );
    let mut client = TlsClient::to(service.http, &config(&authority, Some(&long)));
    assert_eq!(client.ask(order("b")).0, 201);
    assert_eq!(service.settled().orders(), (2, 2, 0));
    service.drain();
}

#[test]
fn a_session_is_resumed_with_its_client() {
    let authority = Authority::new();
    let ca = authority.ca();
    let service = authority.service(&["--tls-client-ca", &ca, "--log-level", "debug"]);
    let config = config(&authority, Some(&authority.client()));
    let mut first = TlsClient::to(service.http, &config);
    assert_eq!(first.ask(order("a")).0, 201);
    assert!(!first.is_resumed());
    let mut second = TlsClient::to(service.http, &config);
    assert_eq!(second.ask(order("b")).0, 201);
    assert!(second.is_resumed());
    until("both logged", || {
        service.log().matches("name=\"desk\"").count() == 2
    });
    service.drain();
}

/// Resumption is no way past the end of a certificate's life.
#[test]
fn an_expired_certificate_resumes_no_session() {
    const HTTP: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let authority = Authority::new();
    let ca = authority.ca();
    let service = authority.with_grpc(&["--tls-client-ca", &ca]);
    let ports = [
        (service.http, &b"http/1.1"[..], HTTP),
        (service.grpc.unwrap(), b"h2", HTTP2),
    ];
    let now = SystemTime::now();
    // It lives for as long as this machine needs to use it once.
    let mut lives = (1..7).map(|exponent| {
        let expiry = SystemTime::now() + Duration::from_secs(1 << exponent);
        authority.sign_again(
            "client",
            &time(now - Duration::from_secs(60)),
            &time(expiry),
        );
        let clients: Vec<_> = [&TLS12, &TLS13]
            .into_iter()
            .flat_map(|version| ports.map(|port| (version, port)))
            .map(|(version, (address, protocol, request))| {
                let mut config = config_of(&[version], &authority, Some(&authority.client()));
                config.alpn_protocols = vec![protocol.to_vec()];
                (Arc::new(config), address, request)
            })
            .collect();
        let served = |(config, address, request): &(_, _, &[u8])| {
            TlsClient::to(*address, config).is_served(request)
        };
        clients.iter().all(served).then_some((expiry, clients))
    });
    let (expiry, clients) = lives.find_map(|life| life).expect("used within a minute");
    while let Ok(left) = expiry.duration_since(SystemTime::now()) {
        thread::sleep(left + Duration::from_millis(1));
    }
    let refused = || {
        let name = r#"tls_handshakes{result="certificate"}"#;
        service.figures().get(name)
    };
    for (config, address, request) in &clients {
        let before = refused();
        let mut again = TlsClient::to(*address, config);
        assert!(!again.is_served(request), "{address}");
        assert!(again.is_resumed(), "{address}");
        until("counted", || refused() == before + 1.0);
    }
    service.drain();
}
