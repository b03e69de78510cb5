//! Causes in and around the process.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::harness::{BASE_FLAGS, Directory, PATIENCE, Service, until};
use crate::prometheus::Prometheus;
use crate::runbook;

pub(crate) fn is_killed(prometheus: &Prometheus, alerts: &[&str]) {
    let service = Service::start(&[]);
    let watched = prometheus.watch("killed", &[service.admin]);
    watched.is_calm(alerts);
    service.signal(Signal::KILL);
    assert_eq!(service.wait(PATIENCE).code, None);
    watched.fires(alerts, || {});
}

pub(crate) fn has_another_ledger_beside_it(prometheus: &Prometheus, alerts: &[&str]) {
    let service = Service::start(&[]);
    let watched = prometheus.watch("split", &[service.admin]);
    watched.is_calm(alerts);
    let other = Service::start(&[]);
    prometheus
        .watch("split", &[service.admin, other.admin])
        .fires(alerts, || {});
}

/// A limit of descriptors such that nine tenths of them are for connections.
const DESCRIPTORS: u64 = 2500;
const GRPC_CONNECTIONS: &str = "20";

pub(crate) fn has_many_connections(prometheus: &Prometheus, alerts: &[&str]) {
    // Of this process, for its end of each connection.
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();

    let mut command = Service::command_after(&format!("ulimit -n {DESCRIPTORS}"));
    command.args(BASE_FLAGS.map(|flag| match flag {
        "off" => "127.0.0.1:0",
        flag => flag,
    }));
    command.args(["--grpc-max-connections", GRPC_CONNECTIONS]);
    // They are silent.
    command.args(["--head-timeout", "10m"]);
    let service = Service::launch_with(command, &["http", "admin", "grpc"]);
    let limit = |port: &str| service.figures().count(&format!("{port}_connections_max"));
    let (http, grpc) = (limit("http"), limit("grpc"));
    let lowered = format!("--max-connections 10000 lowered to {http}:");
    until("the limit is logged", || service.log().contains(&lowered));
    assert_eq!(grpc.to_string(), GRPC_CONNECTIONS);

    let watched = prometheus.watch("connections", &[service.admin]);
    watched.is_calm(alerts);
    let connect = |address, count| (0..count).map(move |_| TcpStream::connect(address).unwrap());
    let _http: Vec<_> = connect(service.http, http).collect();
    let _grpc: Vec<_> = connect(service.grpc.unwrap(), grpc).collect();
    watched.fires(alerts, || {});
    runbook::shows(alerts[0], &service, &format!(" {http} 127.0.0.1"));
    runbook::shows("OrdersDescriptors", &service, " socket");
}

pub(crate) fn loses_its_certificate(prometheus: &Prometheus, alerts: &[&str]) {
    let (data, tls) = (Directory::new(), Directory::new());
    fs::create_dir(&tls.0).unwrap();
    let path = |name: &str| tls.0.join(name).into_os_string().into_string().unwrap();
    let (key, cert) = (path("key.pem"), path("cert.pem"));
    let sign = |days: &str| {
        let openssl = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-nodes"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-days", days, "-subj", "/CN=localhost"])
            .args(["-keyout", &key, "-out", &cert])
            .output();
        assert!(openssl.expect("tests/run installs it").status.success());
    };
    sign("90");
    let service = data.start(&["--tls-cert", &cert, "--tls-key", &key]);
    let watched = prometheus.watch("certificate", &[service.admin]);
    watched.is_calm(alerts);
    let expiry = || {
        service
            .figures()
            .count("tls_certificate_expiry_timestamp_seconds")
    };
    let before = expiry();
    sign("7");
    service.signal(Signal::HUP);
    until("the new one", || expiry() < before);
    watched.fires(alerts, || {});
    runbook::shows(alerts[0], &service, "notAfter=");
}
