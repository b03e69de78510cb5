//! The generator, against servers whose delays are known.
//!
//! Only lower bounds are asserted: on a busy machine latencies are longer.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// Called under a lock with the number of the order, from 1.
type Stall = fn(usize);

/// Each connection has a thread; `delay` is beside the others, `stall` stops all.
fn server(delay: Duration, stall: Stall) -> (SocketAddr, Arc<Mutex<HashSet<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let ids = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&ids);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, ids) = (stream.unwrap(), Arc::clone(&ids));
            thread::spawn(move || serve(stream, delay, stall, &ids));
        }
    });
    (address, seen)
}

fn serve(mut stream: TcpStream, delay: Duration, stall: Stall, ids: &Mutex<HashSet<String>>) {
    let mut requests = BufReader::new(stream.try_clone().unwrap());
    while let Some(body) = read_request(&mut requests) {
        let id = body.split('"').nth(3).unwrap().to_owned();
        let mut ids = ids.lock().unwrap();
        assert!(ids.insert(id), "an id came twice");
        stall(ids.len());
        drop(ids);
        thread::sleep(delay);
        let reply = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
        if stream.write_all(reply).is_err() {
            return;
        }
    }
}

fn read_request(from: &mut impl BufRead) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

fn open_loop(address: SocketAddr, arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_open-loop"))
        .args(["--address", &address.to_string(), "--warmup", "0"])
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn number(report: &str, key: &str) -> f64 {
    let (_, rest) = report.split_once(&format!("\"{key}\":")).unwrap();
    rest[..rest.find([',', '}']).unwrap()].parse().unwrap()
}

#[test]
fn a_known_delay_is_in_all_latencies() {
    let (address, ids) = server(Duration::from_millis(20), |_| {});
    let report = open_loop(address, "--rate 500 --arrivals constant --seconds 1");
    assert!(report.starts_with("measuring\nmeasured\n"), "{report}");
    // One every 2 ms, the first after 2 ms, none at the end.
    assert_eq!(number(&report, "requests"), 499.0, "{report}");
    assert_eq!(number(&report, "errors"), 0.0, "{report}");
    assert_eq!(ids.lock().unwrap().len(), 499);
    assert!(number(&report, "p50_us") >= 20_000.0, "{report}");
}

/// A server that stalls for half a second makes late all that should have left
/// meanwhile: the 500 orders that follow one by one, half of them by 250 ms at
/// least. A closed loop would see one slow order.
#[test]
fn a_stall_is_in_the_latencies_of_all_that_it_makes_late() {
    let (address, _) = server(Duration::ZERO, |order| {
        if order == 100 {
            thread::sleep(Duration::from_millis(500));
        }
    });
    let arguments = "--rate 1000 --arrivals constant --seconds 1 --connections 4";
    let report = open_loop(address, arguments);
    assert_eq!(number(&report, "requests"), 999.0, "{report}");
    assert!(number(&report, "p90_us") >= 250_000.0, "{report}");
    assert!(number(&report, "max_us") >= 490_000.0, "{report}");
}

/// Ten connections, 100 ms each: 100 orders a second at most, of 500 offered.
#[test]
fn the_wait_for_a_connection_counts() {
    let (address, _) = server(Duration::from_millis(100), |_| {});
    let arguments = "--rate 500 --seconds 1 --connections 10";
    let report = open_loop(address, arguments);
    assert!(number(&report, "achieved_per_second") <= 110.0, "{report}");
    assert!(number(&report, "p50_us") >= 1_000_000.0, "{report}");
    assert_eq!(number(&report, "unanswered"), 0.0, "{report}");
}

#[test]
fn a_refusal_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut requests = BufReader::new(stream.try_clone().unwrap());
            while read_request(&mut requests).is_some() {
                let reply = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(reply).unwrap();
            }
        }
    });
    let arguments = "--rate 100 --arrivals constant --seconds 1 --connections 1";
    let report = open_loop(address, arguments);
    assert_eq!(number(&report, "requests"), 0.0, "{report}");
    assert_eq!(number(&report, "errors"), 99.0, "{report}");
}
