//! Three servers with three copies of the stream.

use rustix::process::Signal;

use crate::harness::{Service, until};
use crate::load::{Persistent, end_alike};
use crate::servers::{Cluster, NatsServer, instance};

#[test]
fn killing_the_leader_loses_nothing_that_was_acknowledged() {
    let mut cluster = Cluster::start();
    let addresses = cluster.addresses();
    let flags = ["--nats-replicas", "3", "--ack-timeout", "10s"];
    let one = Service::launch(instance(&addresses, &flags));
    let two = Service::launch(instance(&addresses, &flags));
    let clients = Persistent::start(&[one.http, two.http], 8);
    for _ in 0..2 {
        let before = clients.count();
        until("orders are acknowledged", || clients.count() > before + 100);
        let leader = cluster.leader();
        cluster.0[leader].kill();
        let before = clients.count();
        until("the next leader acknowledges", || {
            clients.count() > before + 100
        });
        cluster.0[leader].run();
    }
    end_alike(clients, [one, two]);
}

/// Each server in turn, then one that hangs, then all at once.
#[test]
fn restarts_of_all_servers_lose_nothing_that_was_acknowledged() {
    let mut cluster = Cluster::start();
    let addresses = cluster.addresses();
    let flags = ["--nats-replicas", "3", "--ack-timeout", "10s"];
    let one = Service::launch(instance(&addresses, &flags));
    let two = Service::launch(instance(&addresses, &flags));
    let clients = Persistent::start(&[one.http, two.http], 6);
    let more = |what: &str| {
        let before = clients.count();
        until(what, || clients.count() > before + 50);
    };
    for server in 0..3 {
        more("orders are acknowledged");
        cluster.0[server].kill();
        more("two servers acknowledge");
        cluster.0[server].run();
    }
    let leader = cluster.leader();
    cluster.0[leader].signal(Signal::STOP);
    more("the other two have a leader");
    cluster.0[leader].signal(Signal::CONT);
    more("it is back");
    cluster.0.iter_mut().for_each(NatsServer::kill);
    cluster.0.iter_mut().for_each(NatsServer::run);
    more("all are back");
    end_alike(clients, [one, two]);
}
