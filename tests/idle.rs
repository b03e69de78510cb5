//! An idle process does (nearly) nothing, however many connections wait on it.

mod harness;

use std::thread;
use std::time::Duration;

use harness::{Client, Service, on_both_engines, order, until};

on_both_engines!(without_connections, with_connections_that_wait,);

const LOOK: Duration = Duration::from_secs(2);
/// A spinning thread would take all of [`LOOK`]; what is left is two looks at
/// the clock a second by the engine's date.
const CPU_MAX: Duration = Duration::from_millis(20);
const SLEEPS_MAX: u64 = 60;

/// Processor time and sleeps of the process over [`LOOK`].
#[track_caller]
fn is_idle(service: &Service) {
    // What the start or the last request left behind may still be going on, so
    // it counts if one of several looks finds the process at rest.
    until("at rest", || {
        let before = (service.cpu_time(), service.sleeps());
        thread::sleep(LOOK); // the time looked at, not a wait for anything
        // Less, if a thread has ended.
        let cpu = service.cpu_time().checked_sub(before.0);
        let sleeps = service.sleeps().checked_sub(before.1);
        let (Some(cpu), Some(sleeps)) = (cpu, sleeps) else {
            return false;
        };
        eprintln!("{cpu:?} of processor time and {sleeps} sleeps in {LOOK:?}");
        cpu < CPU_MAX && sleeps < SLEEPS_MAX
    });
}

fn without_connections(engine: &str) {
    is_idle(&Service::on(engine, &["--workers", "4"]));
}

fn with_connections_that_wait(engine: &str) {
    let service = Service::on(engine, &["--workers", "4"]);
    let mut clients: Vec<Client> = (0..50).map(|_| Client::to(service.http)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.ask(order(&format!("idle-{number}"))).status, 201);
    }
    is_idle(&service);
    for client in &mut clients {
        assert_eq!(
            client
                .ask("GET /orders/idle-0 HTTP/1.1\r\nHost: o\r\n\r\n")
                .status,
            200
        );
    }
}
