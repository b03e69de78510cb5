//! Clients that show certificates.

use crate::authority::{Authority, Signed, text};
use crate::client::{TlsClient, config};
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
