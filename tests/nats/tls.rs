//! TLS, with certificates on both sides.

use crate::certificates::Certificates;
use crate::harness::post;
use crate::servers::{NatsServer, instance};
use crate::starting::{reason, refused};

/// What a start with these files of these certificates says before it ends.
#[track_caller]
fn refused_with(server: &NatsServer, files: &[(&str, String)]) -> String {
    let flags: Vec<&str> = files
        .iter()
        .flat_map(|(flag, file)| [*flag, file])
        .collect();
    reason(&refused(instance(&server.address(), &flags))).to_owned()
}

#[test]
fn both_sides_prove_who_they_are() {
    let ours = Certificates::new();
    let server = NatsServer::start(&ours.server_config());
    let ca = ("--nats-tls-ca", ours.path("authority.pem"));
    let certificate = ("--nats-tls-cert", ours.path("client.pem"));
    let key = ("--nats-tls-key", ours.path("client.key"));
    let right = [ca.clone(), certificate.clone(), key.clone()];
    let mut flags: Vec<&str> = right
        .iter()
        .flat_map(|(flag, file)| [*flag, file])
        .collect();
    flags.extend(["--log-level", "trace"]);
    let service = server.instance(&flags);
    let reply = post(service.http, "", r#"{"id":"a","value":1}"#);
    assert_eq!(reply.status, 201, "{reply:?}");
    let log = service.drain().log;
    let secret = std::fs::read_to_string(&key.1).unwrap();
    let secret = secret.lines().nth(1).expect("a line of base64");
    assert!(!log.contains(secret));

    // The server's certificate is of no authority that is trusted here.
    let others = Certificates::new();
    let other_ca = ("--nats-tls-ca", others.path("authority.pem"));
    let line = refused_with(&server, &[other_ca, certificate.clone(), key.clone()]);
    assert!(line.contains("certificate is not trusted"), "{line}");
    assert!(line.contains("--nats-tls-ca"), "{line}");
    // Nor of one that the system trusts.
    let line = refused_with(&server, &[]);
    assert!(line.contains("certificate is not trusted"), "{line}");

    // The client has none, or one that the server doesn't trust.
    let line = refused_with(&server, std::slice::from_ref(&ca));
    assert!(line.contains("refuses this client's certificate"), "{line}");
    assert!(line.contains("--nats-tls-cert"), "{line}");
    let line = refused_with(
        &server,
        &[
            ca.clone(),
            ("--nats-tls-cert", others.path("client.pem")),
            ("--nats-tls-key", others.path("client.key")),
        ],
    );
    assert!(line.contains("refuses this client's certificate"), "{line}");

    // A key of another certificate, and a file without one.
    let other_key = ("--nats-tls-key", others.path("client.key"));
    let line = refused_with(&server, &[ca.clone(), certificate.clone(), other_key]);
    assert!(line.contains("can't use the certificates"), "{line}");
    let no_key = ("--nats-tls-key", ours.path("client.pem"));
    let line = refused_with(&server, &[ca.clone(), certificate.clone(), no_key]);
    assert!(line.contains("can't use the certificates"), "{line}");
    let missing = ("--nats-tls-ca", ours.path("missing.pem"));
    let line = refused_with(&server, &[missing]);
    assert!(line.contains("can't read"), "{line}");
    assert!(line.contains("missing.pem"), "{line}");
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let certificates = Certificates::new();
    let server = NatsServer::start("");
    let line = refused_with(
        &server,
        &[("--nats-tls-ca", certificates.path("authority.pem"))],
    );
    assert!(line.contains("speaks no TLS"), "{line}");
}
