//! Certificates, made by openssl(1).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::SystemTime;

use crate::harness::{Directory, Service};

/// An authority that signs certificates, in a directory of its own.
pub(crate) struct Authority(Directory);

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Signed {
    pub cert: String,
    pub key: String,
}

impl Authority {
    /// With the certificates `server` and `client`.
    pub(crate) fn new() -> Self {
        let authority = Self::empty();
        authority.sign(
            "server",
            "/CN=orders",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "1",
        );
        authority.sign(
            "client",
            "/O=Shop/CN=desk",
            "subjectAltName=DNS:desk.example",
            "1",
        );
        authority
    }

    fn empty() -> Self {
        let directory = Directory::new();
        fs::create_dir(&directory.0).unwrap();
        let authority = Self(directory);
        let (key, cert) = (authority.path("ca.key"), authority.path("ca.pem"));
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=ca",
            "-keyout",
            &key,
            "-out",
            &cert,
        ]);
        authority
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.0.join(name).into_os_string().into_string().unwrap()
    }

    pub(crate) fn ca(&self) -> String {
        self.path("ca.pem")
    }

    pub(crate) fn server(&self) -> Signed {
        self.signed("server")
    }

    pub(crate) fn client(&self) -> Signed {
        self.signed("client")
    }

    pub(crate) fn signed(&self, name: &str) -> Signed {
        Signed {
            cert: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
        }
    }

    /// Signs a certificate with this subject, extension and number of days.
    #[track_caller]
    pub(crate) fn sign(&self, name: &str, subject: &str, extension: &str, days: &str) -> Signed {
        let signed = self.signed(name);
        let request = self.path(&format!("{name}.csr"));
        let extensions = self.path(&format!("{name}.ext"));
        fs::write(
            &extensions,
            format!("basicConstraints=CA:FALSE\n{extension}\n"),
        )
        .unwrap();
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            subject,
            "-keyout",
            &signed.key,
            "-out",
            &request,
        ]);
        let key = self.path("ca.key");
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &self.ca(),
            "-CAkey",
            &key,
            "-days",
            days,
            "-extfile",
            &extensions,
            "-out",
            &signed.cert,
        ]);
        fs::set_permissions(&signed.key, fs::Permissions::from_mode(0o600)).unwrap();
        signed
    }

    /// Signs the request of a certificate that was signed before, with these
    /// [times](time).
    #[track_caller]
    pub(crate) fn sign_again(&self, name: &str, from: &str, until: &str) {
        let path = |name: &str| self.path(name);
        let directory = self.0.0.display();
        let config = format!(
            "[ca]\ndefault_ca = this\n[this]\ndatabase = {directory}/index\n\
             new_certs_dir = {directory}\nrand_serial = yes\ndefault_md = sha256\n\
             policy = any\nx509_extensions = v3\n[any]\ncommonName = supplied\n\
             [v3]\nbasicConstraints = CA:FALSE\n"
        );
        fs::write(path("ca.cnf"), config).unwrap();
        fs::write(path("index"), "").unwrap();
        let signed = self.signed(name);
        self.openssl(&[
            "ca",
            "-batch",
            "-notext",
            "-config",
            &path("ca.cnf"),
            "-cert",
            &self.ca(),
            "-keyfile",
            &path("ca.key"),
            "-startdate",
            from,
            "-enddate",
            until,
            "-in",
            &path(&format!("{name}.csr")),
            "-out",
            &signed.cert,
        ]);
    }

    #[track_caller]
    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl").args(args).output();
        let output = output.expect("openssl is there, see tests/run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {args:?}: {errors}");
    }

    /// The flags for the server's certificate.
    pub(crate) fn flags(&self) -> [String; 4] {
        let Signed { cert, key } = self.server();
        ["--tls-cert".into(), cert, "--tls-key".into(), key]
    }

    /// A service with it, and these flags.
    #[track_caller]
    pub(crate) fn service(&self, flags: &[&str]) -> Service {
        let own = self.flags();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        Service::start(&[&own[..], flags].concat())
    }

    /// The same with a gRPC port.
    #[track_caller]
    pub(crate) fn with_grpc(&self, flags: &[&str]) -> Service {
        let own = self.flags();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        Service::with_grpc(&[&own[..], flags].concat())
    }

    /// curl, which trusts this authority, with more arguments and a path.
    pub(crate) fn curl(&self, service: &Service, args: &[&str], path: &str) -> Output {
        let port = service.http.port();
        let mut command = Command::new("curl");
        command
            .args(["-sS", "-m", "30", "--cacert", &self.ca()])
            .args(args);
        command.arg(format!("https://localhost:{port}{path}"));
        command.output().expect("curl is there, see tests/run")
    }
}

/// What it printed.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// The directory of this package.
pub(crate) fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// A time as openssl(1) takes it: `YYYYMMDDHHMMSSZ`.
pub(crate) fn time(at: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(at).to_string();
    text.replace(['-', ':', 'T'], "")
}
