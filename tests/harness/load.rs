//! Many clients at once.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::thread::JoinHandle;

use socket2::{Domain, Socket, Type};

use crate::harness::{Client, Reply, Service, get, order, until};

/// Clients that submit orders one after the other until they are stopped or
/// refused.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
    replies: Arc<Mutex<Vec<(String, Reply)>>>,
}

impl Crowd {
    /// Starts `clients` clients, each on one connection.
    pub(crate) fn start(address: SocketAddr, clients: usize) -> Self {
        Self::named("crowd", address, clients)
    }

    /// The same; the ids begin with `name`.
    pub(crate) fn named(name: &str, address: SocketAddr, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let replies = Arc::new(Mutex::new(Vec::new()));
        let clients = (0..clients).map(|me| {
            let (stop, replies, name) = (stop.clone(), replies.clone(), name.to_owned());
            // Before the service may end.
            let mut client = Client::to(address);
            thread::spawn(move || {
                for number in 0.. {
                    let id = format!("{name}-{me}-{number}");
                    if stop.load(Ordering::Relaxed) || client.try_send(order(&id)).is_err() {
                        return;
                    }
                    let Some(reply) = client.try_reply() else {
                        return;
                    };
                    let last = reply.header("connection") == Some("close");
                    replies.lock().unwrap().push((id, reply));
                    if last {
                        return client.ends();
                    }
                }
            })
        });
        Self {
            clients: clients.collect(),
            stop,
            replies,
        }
    }

    /// How many replies have come so far.
    pub(crate) fn replies(&self) -> usize {
        self.replies.lock().unwrap().len()
    }

    /// Stops the clients after their next reply and returns every id with its
    /// reply.
    #[track_caller]
    pub(crate) fn end(self) -> Vec<(String, Reply)> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("all replies are well formed");
        }
        std::mem::take(&mut self.replies.lock().unwrap())
    }
}

/// Runs one of the Python scripts beside the tests.
#[track_caller]
pub(crate) fn python(script: &str, args: &[&str]) -> Output {
    let path = format!("{}/tests/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3").arg(path).args(args).output();
    let output = output.expect("python3 is there, see tests/run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {errors}");
    output
}

/// Sends requests on a connection without reading a reply, until the service
/// closes it.
pub(crate) fn gives_up_on_who_never_reads(service: &Service) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.connect(&service.http.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    // Far more than the system's buffers hold.
    let requests = "GET / HTTP/1.1\r\nHost: o\r\n\r\n".repeat(1000);
    let mut asked = requests.as_bytes();
    until("closed", || {
        if asked.is_empty() {
            asked = requests.as_bytes();
        }
        asked = &asked[socket.send(asked).unwrap_or(0)..]; // full for now, or closed
        let figures = service.figures();
        let pages = figures.count("http_requests{route=\"page\",status=\"200\"}");
        figures.get("http_connections") == 1.0 && pages > 0
    });
    assert_eq!(
        get(service.http, "/healthz").status,
        200,
        "others are served"
    );
}

/// A batch of lines that are no orders: a result of a hundred bytes each.
pub(crate) fn batch_of_junk(lines: usize) -> String {
    let body = "x\n".repeat(lines);
    format!(
        "POST /submit HTTP/1.1\r\nHost: o\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Such batches whose results are not read, until one is refused.
#[track_caller]
pub(crate) fn unread_batches(service: &Service, lines: usize) -> Vec<Client> {
    let batch = batch_of_junk(lines);
    let mut unread = Vec::new();
    until("a batch is refused", || {
        let mut client = Client::to(service.http);
        client.send(&batch);
        let status = client.reply_to_head().status;
        unread.push(client);
        status == 503
    });
    unread
}
