//! Certificates and keys that can't be used: exit code 1, and the reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::authority::{Authority, Signed};
use crate::harness::{BASE_FLAGS, Service};

/// The exit code and standard error of a start with these flags.
fn start(flags: &[&str]) -> (Option<i32>, String) {
    let mut command = Service::command();
    command.args(BASE_FLAGS).args(flags);
    let output = command.output().expect("it runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(!printed.contains("listening"), "{printed}");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let authority = Authority::new();
    let Signed { cert, key } = authority.server();
    let other = authority.client();
    let expired = authority.sign("expired", "/CN=orders", "", "-1");
    let (none, junk, half) = (
        authority.path("none"),
        authority.path("junk"),
        authority.path("half"),
    );
    fs::write(&junk, "junk").unwrap();
    let pem = fs::read_to_string(&cert).unwrap();
    fs::write(&half, &pem[..pem.len() / 2]).unwrap();
    fs::set_permissions(&junk, fs::Permissions::from_mode(0o600)).unwrap();
    let open = authority.sign("open", "/CN=orders", "", "1");
    fs::set_permissions(&open.key, fs::Permissions::from_mode(0o644)).unwrap();
    let spoilt = authority.path("spoilt");
    let spoilt_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&spoilt, spoilt_pem).unwrap();
    let (pipe, large) = (authority.path("pipe"), authority.path("large"));
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("coreutils are there").success());
    fs::write(&large, pem.repeat(4 << 20 >> 8)).unwrap();

    for (cert, key, ca, reason) in [
        (&none, &key, None, "can't read --tls-cert"),
        (&junk, &key, None, "no certificate in PEM"),
        (&half, &key, None, "--tls-cert"),
        (&spoilt, &key, None, "no X.509 certificate"),
        (&key, &key, None, "no certificate in PEM"),
        (&expired.cert, &expired.key, None, "expired at"),
        (&cert, &none, None, "can't read --tls-key"),
        (&cert, &junk, None, "no private key in PEM"),
        (&cert, &other.key, None, "doesn't fit --tls-cert"),
        (&open.cert, &open.key, None, "mode is 0644"),
        (&cert, &pipe, None, "is not a regular file"),
        (&cert, &key, Some(&none), "can't read --tls-client-ca"),
        (&cert, &key, Some(&large), "is over 4194304 bytes"),
        (&cert, &key, Some(&junk), "no certificate in PEM"),
        (&cert, &key, Some(&spoilt), "--tls-client-ca"),
    ] {
        let mut flags = vec!["--tls-cert", cert, "--tls-key", key];
        flags.extend(ca.iter().flat_map(|ca| ["--tls-client-ca", ca.as_str()]));
        let (code, log) = start(&flags);
        assert!(
            code == Some(1) && log.contains(reason),
            "{code:?}, not {reason:?}: {log}"
        );
    }
    for (flags, reason) in [
        (&["--tls-cert", &*cert][..], "needs --tls-key"),
        (&["--tls-client-ca", &cert], "needs --tls-cert"),
        (
            &[
                "--http-engine",
                "may_minihttp",
                "--tls-cert",
                &cert,
                "--tls-key",
                &key,
            ],
            "which has no TLS",
        ),
    ] {
        let (code, log) = start(flags);
        assert!(code == Some(2) && log.contains(reason), "{code:?}: {log}");
    }
}
