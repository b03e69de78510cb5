//! Two instances on one stream behind HAProxy, replaced one at a time.

use std::net::SocketAddr;

use crate::balancer::Balancer;
use crate::harness::{Service, lasting_address};
use crate::load::{Persistent, agrees, feed};
use crate::servers::NatsServer;
use crate::versions::Version::{self, New, Old};

fn start(version: Version, server: &NatsServer, http: SocketAddr) -> Service {
    let mut command = version.command(http);
    command.args(["--ledger", &format!("nats://{}", server.address())]);
    Service::launch(command)
}

/// The old version becomes the new one, and the old one again. A client meets no
/// answer that isn't final but a 503 that may be retried: `Persistent` fails on
/// any other, the balancer's own included.
#[test]
fn instances_are_replaced_one_at_a_time() {
    if !Old.knows_nats() {
        eprintln!("skipped: the old program has no ledger on NATS");
        return;
    }
    let server = NatsServer::start("");
    let addresses = [lasting_address(), lasting_address()];
    let mut instances = addresses.map(|address| start(Old, &server, address));
    let balancer = Balancer::start(addresses);
    let clients = Persistent::start(&[balancer.http], 8);
    clients.more(200, "answers before the update");
    for version in [New, Old] {
        for (number, address) in addresses.into_iter().enumerate() {
            // It ends before its successor starts: the port is the same.
            let [one, two] = instances;
            let (leaves, stays) = if number == 0 { (one, two) } else { (two, one) };
            leaves.drain();
            clients.more(50, "the other one answers");
            let successor = start(version, &server, address);
            instances = if number == 0 {
                [successor, stays]
            } else {
                [stays, successor]
            };
            balancer.sees_both();
            clients.more(50, "both answer");
        }
    }
    let told = clients.end();
    for instance in &instances {
        instance.settled();
        let feed = feed(instance.http);
        agrees(&told, &feed);
        assert_eq!(
            feed.len() as u64,
            server.state()["messages"].as_u64().unwrap()
        );
    }
    for instance in instances {
        instance.drain();
    }
}
