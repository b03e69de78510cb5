//! Alerting rules and dashboard, loaded by a real Prometheus that scrapes a
//! service under load. What makes the alerts fire is in tests/alerts.

mod harness;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use harness::{Directory, Service};

/// A script of tests/monitoring, on the admin port of a service.
#[track_caller]
fn run(script: &str, service: &Service) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = Command::new(root.join("target/test-python/bin/python"))
        .arg(root.join("tests/monitoring").join(script))
        .arg(service.admin.to_string())
        .output()
        .expect("tests/run installs what this test needs");
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
}

#[test]
fn a_real_prometheus_knows_what_rules_and_dashboard_ask_for() {
    // In TLS, which has figures of its own.
    let (directory, tls) = (Directory::new(), Directory::new());
    fs::create_dir(&tls.0).unwrap();
    let file = |name| tls.0.join(name).into_os_string().into_string().unwrap();
    let (key, cert) = (file("key.pem"), file("cert.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "90", "-subj", "/CN=localhost"])
        .args(["-keyout", &key, "-out", &cert])
        .output();
    assert!(made.expect("tests/run installs it").status.success());
    // Full after a few orders.
    let window = ["--dedupe-window", "5"];
    let flags = ["--tls-cert", &cert, "--tls-key", &key];
    let service = directory.start_with_grpc(&[&flags[..], &window].concat());
    let curl = |path: &str, args: &[&str]| {
        let url = format!("https://localhost:{}{path}", service.http.port());
        let curl = Command::new("curl")
            .args(["-sk", "-m", "30", "-o", "/dev/null"])
            .args(["-w", "%{http_code}", &url])
            .args(args)
            .output();
        String::from_utf8(curl.expect("tests/run installs it").stdout).unwrap()
    };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                for (value, status) in [(1, "201"), (-1, "422")] {
                    let order = format!(r#"{{"id":"o{number}-{value}","value":{value}}}"#);
                    assert_eq!(curl("/submit", &["-d", &order]), status);
                }
                assert_eq!(curl("/submit", &["-d", "{"]), "400");
                assert_eq!(curl("/readyz", &[]), "200");
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let _end = OnDrop(&is_over);
        run("check.py", &service);
    });
    service.drain();
}

/// Ends the load, whatever the check says.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_compose_file_s_prometheus_finds_the_service_and_the_rules() {
    let service = Service::start(&[]);
    run("compose.py", &service);
    service.drain();
}
