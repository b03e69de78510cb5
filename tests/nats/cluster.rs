//! Three servers with three copies of the stream.

use rustix::process::Signal;

use crate::harness::Service;
use crate::load::{Persistent, end_alike, factor};
use crate::once::same_ids_to_both;
use crate::servers::{Cluster, NatsServer, instance, state};

#[test]
fn killing_the_leader_loses_nothing_that_was_acknowledged() {
    let mut cluster = Cluster::start();
    let addresses = cluster.addresses();
    let flags = ["--nats-replicas", "3", "--ack-timeout", "10s"];
    let one = Service::launch(instance(&addresses, &flags));
    let two = Service::launch(instance(&addresses, &flags));
    let clients = Persistent::start(&[one.http, two.http], 8);
    for _ in 0..2 * factor() {
        clients.more(100, "orders are acknowledged");
        cluster.until_whole();
        let leader = cluster.leader();
        cluster.0[leader].kill();
        clients.more(100, "the next leader acknowledges");
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
    let more = |what: &str| clients.more(50, what);
    for _ in 0..factor() {
        for server in 0..3 {
            more("orders are acknowledged");
            cluster.until_whole();
            cluster.0[server].kill();
            more("two servers acknowledge");
            cluster.0[server].run();
        }
        cluster.until_whole();
        let leader = cluster.leader();
        cluster.0[leader].signal(Signal::STOP);
        more("the other two have a leader");
        cluster.0[leader].signal(Signal::CONT);
        more("it is back");
        cluster.0.iter_mut().for_each(NatsServer::kill);
        cluster.0.iter_mut().for_each(NatsServer::run);
        more("all are back");
    }
    end_alike(clients, [one, two]);
}

#[test]
fn the_same_ids_sent_to_both_at_once_have_one_outcome_on_three_servers() {
    let cluster = Cluster::start();
    let addresses = cluster.addresses();
    let flags = ["--nats-replicas", "3"];
    let one = Service::launch(instance(&addresses, &flags));
    let two = Service::launch(instance(&addresses, &flags));
    let ids = same_ids_to_both(&one, &two);
    assert_eq!(state(&addresses)["messages"], ids);
    one.drain();
    two.drain();
}
