//! Certificates made by `openssl` for one test.

use std::path::Path;
use std::process::Command;

use crate::harness::Directory;

const CONFIG: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = test
[authority]
basicConstraints = critical,CA:TRUE
[server]
basicConstraints = critical,CA:FALSE
subjectAltName = IP:127.0.0.1
extendedKeyUsage = serverAuth
[client]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = clientAuth
";

/// An authority with a certificate for a server on 127.0.0.1 and one for a
/// client: `authority.pem`, `server.pem`, `server.key` and so on.
pub(crate) struct Certificates(Directory);

impl Certificates {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let directory = Directory::new();
        std::fs::create_dir(&directory.0).unwrap();
        std::fs::write(directory.0.join("openssl.cnf"), CONFIG).unwrap();
        let certificates = Self(directory);
        certificates.make("authority", &[]);
        for name in ["server", "client"] {
            certificates.make(name, &["-CA", "authority.pem", "-CAkey", "authority.key"]);
        }
        certificates
    }

    #[track_caller]
    fn make(&self, name: &str, signed: &[&str]) {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-config", "openssl.cnf", "-days", "2"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-extensions", name])
            .args(["-keyout", &format!("{name}.key")])
            .args(["-out", &format!("{name}.pem")])
            .args(signed)
            .current_dir(&self.0.0)
            .output()
            .expect("tests/run installs openssl");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let path: &Path = &self.0.0;
        path.join(name).to_str().unwrap().to_owned()
    }

    /// A server's configuration that asks each client for a certificate.
    pub(crate) fn server_config(&self) -> String {
        let [cert, key, ca] = ["server.pem", "server.key", "authority.pem"].map(|it| self.path(it));
        format!(
            "tls {{ cert_file: \"{cert}\", key_file: \"{key}\", ca_file: \"{ca}\", verify: true, \
             timeout: 30 }}\n"
        )
    }
}
