//! A proxy as a child process, with a configuration of the docs.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use crate::authority::{Authority, root};
use crate::harness::{Service, lasting_address, until};

pub(crate) struct Proxy {
    child: Child,
    pub http: SocketAddr,
    pub grpc: SocketAddr,
}

/// A configuration of the page: of the section on its own, or of that on the
/// PROXY protocol.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Http,
    Bytes,
}

/// The names of the programs, and the languages of their blocks on the page.
const LANGUAGES: [(&str, &str); 3] = [
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("envoy", "yaml"),
];

fn documented(program: &str, mode: Mode) -> String {
    let page = fs::read_to_string(root().join("docs/proxies.md")).unwrap();
    let (http, bytes) = page.split_once("\n## PROXY protocol\n").unwrap();
    let section = match mode {
        Mode::Http => http,
        Mode::Bytes => bytes,
    };
    let (_, language) = LANGUAGES.iter().find(|(name, _)| *name == program).unwrap();
    let start = format!("```{language}\n");
    let (_, block) = section.split_once(&start).expect("it is on the page");
    let (block, rest) = block.split_once("\n```").unwrap();
    assert!(!rest.contains(&start), "there is one");
    format!("{block}\n")
}

impl Proxy {
    /// Starts `program` with its documented configuration in front of a service,
    /// changed by `change`.
    #[track_caller]
    pub(crate) fn start(
        program: &str,
        authority: &Authority,
        service: &Service,
        change: impl Fn(String) -> String,
    ) -> Self {
        Self::with(program, Mode::Http, authority, service, change)
    }

    #[track_caller]
    pub(crate) fn with(
        program: &str,
        mode: Mode,
        authority: &Authority,
        service: &Service,
        change: impl Fn(String) -> String,
    ) -> Self {
        let (http, grpc) = (lasting_address(), lasting_address());
        let server = authority.server();
        let both = authority.path("orders.both.pem");
        let pem = [&server.cert, &server.key].map(|file| fs::read_to_string(file).unwrap());
        fs::write(&both, pem.concat()).unwrap();
        let mut text = documented(program, mode);
        let upstream_grpc = service.grpc.expect("started with gRPC");
        for (documented, here) in [
            ("127.0.0.1:8080", service.http.to_string()),
            ("127.0.0.1:50051", upstream_grpc.to_string()),
            ("127.0.0.1:8443", http.to_string()),
            ("127.0.0.1:8444", grpc.to_string()),
            ("listen 8443", format!("listen {http}")),
            ("listen 8444", format!("listen {grpc}")),
            ("port_value: 8443", format!("port_value: {}", http.port())),
            ("port_value: 8444", format!("port_value: {}", grpc.port())),
            (
                "port_value: 8080",
                format!("port_value: {}", service.http.port()),
            ),
            (
                "port_value: 50051",
                format!("port_value: {}", upstream_grpc.port()),
            ),
            ("/etc/nginx/orders.pem", server.cert.clone()),
            ("/etc/nginx/orders.key", server.key.clone()),
            ("/etc/envoy/orders.pem", server.cert),
            ("/etc/envoy/orders.key", server.key),
            ("/etc/haproxy/orders.both.pem", both),
        ] {
            text = text.replace(documented, &here);
        }
        let folder = authority.path("proxy");
        fs::create_dir_all(&folder).unwrap();
        // Envoy knows a file's format by its name.
        let config = authority.path("proxy/config.yaml");
        let mut command = Command::new(program);
        match program {
            "nginx" => {
                let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
                let temp = temp
                    .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
                    .concat();
                text = text.replace("http {\n", &format!("http {{\naccess_log off;\n{temp}"));
                text = format!("daemon off;\npid {folder}/pid;\nerror_log stderr crit;\n{text}");
                command.args(["-p", &folder, "-e", "stderr", "-c", &config]);
            }
            "envoy" => {
                command = Command::new(root().join("target/test-python/bin/envoy"));
                // Several tests run one each.
                command.args(["--disable-hot-restart", "--concurrency", "1", "-l", "error"]);
                command.args(["-c", &config]);
            }
            _ => drop(command.args(["-db", "-f", &config])),
        }
        fs::write(&config, change(text)).unwrap();
        let child = command.stdout(Stdio::null()).spawn();
        let child = child.expect("it is there, see tests/run");
        let proxy = Self { child, http, grpc };
        for address in [http, grpc] {
            until("it listens", || TcpStream::connect(address).is_ok());
        }
        proxy
    }

    /// curl, with a path on this proxy and more arguments; prints the status
    /// behind the body.
    pub(crate) fn curl(&self, authority: &Authority, path: &str, args: &[&str]) -> Output {
        let mut command = Command::new("curl");
        command.args([
            "-sS",
            "-m",
            "60",
            "--cacert",
            &authority.ca(),
            "-w",
            " %{http_code}",
        ]);
        command.args(args);
        command.arg(format!("https://localhost:{}{path}", self.http.port()));
        command.output().expect("curl is there, see tests/run")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx ends its workers on SIGTERM only.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
