//! Clients that remember what they were told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::{Client, PATIENCE, Reply, Service, eventually, get, order, until};

/// How many times the orders and faults of a short run.
pub(crate) fn factor() -> usize {
    let given = std::env::var("ORDERS_TEST_NATS_FACTOR");
    given.map_or(1, |text| text.parse().expect("a number"))
}

/// A final answer: the status of the outcome, and its sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) seq: u64,
    pub(crate) status: String,
}

impl Told {
    /// What a reply says, if it is final.
    pub(crate) fn of(reply: &Reply) -> Option<Self> {
        let (status, body) = match reply.status {
            200 | 201 => ("processed", reply.json()),
            422 => ("failed", reply.json()),
            _ => return None,
        };
        Some(Self {
            seq: body["seq"].as_u64()?,
            status: status.to_owned(),
        })
    }
}

/// Clients that send orders, and send an order again until it has a final
/// answer.
pub(crate) struct Persistent {
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<HashMap<String, Told>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Persistent {
    /// So many clients for each of these instances; an order is sent to the
    /// next one when it has no answer.
    pub(crate) fn start(addresses: &[SocketAddr], each: usize) -> Self {
        Self::named("c", addresses, each)
    }

    /// The same; the ids begin with `name`.
    pub(crate) fn named(name: &str, addresses: &[SocketAddr], each: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::<Mutex<HashMap<String, Told>>>::default();
        let clients = (0..addresses.len() * each).map(|me| {
            let (stop, told, addresses) = (stop.clone(), told.clone(), addresses.to_vec());
            let name = name.to_owned();
            thread::spawn(move || {
                let mut target = me;
                let mut client: Option<Client> = None;
                for number in 0.. {
                    let id = format!("{name}{me}-{number}");
                    loop {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let address = addresses[target % addresses.len()];
                        let reply = exchange(&mut client, address, &id);
                        if let Some(answer) = reply.as_ref().and_then(Told::of) {
                            told.lock().unwrap().insert(id, answer);
                            break;
                        }
                        if let Some(reply) = &reply {
                            assert_eq!(reply.status, 503, "{reply:?}");
                            assert_eq!(reply.json()["retry_safe"], true, "{reply:?}");
                        }
                        thread::sleep(Duration::from_millis(20)); // a retry's pause
                        client = None;
                        target += 1;
                    }
                }
            })
        });
        Self {
            clients: clients.collect(),
            stop,
            told,
        }
    }

    /// How many orders have a final answer.
    pub(crate) fn count(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    /// Waits until so many more orders, times the factor, have a final answer.
    /// On a busy machine several elections may fail before one succeeds.
    #[track_caller]
    pub(crate) fn more(&self, orders: usize, what: &str) {
        let enough = self.count() + orders * factor();
        let deadline = Instant::now() + 4 * PATIENCE;
        while self.count() <= enough {
            assert!(Instant::now() < deadline, "did not happen in time: {what}");
            thread::sleep(Duration::from_millis(5)); // between two polls
        }
    }

    /// Stops them; what was told, by id.
    #[track_caller]
    pub(crate) fn end(self) -> HashMap<String, Told> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("replies are well formed");
        }
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

/// Sends an order on a connection, which is made if there is none.
fn exchange(client: &mut Option<Client>, address: SocketAddr, id: &str) -> Option<Reply> {
    if client.is_none() {
        *client = Client::try_to(address).ok();
    }
    let connection = client.as_mut()?;
    connection.try_send(order(id)).ok()?;
    connection.try_reply()
}

/// The whole feed of an instance: what it says of each id. Checks that the
/// sequences are strictly increasing and that no id is there twice.
#[track_caller]
pub(crate) fn feed(address: SocketAddr) -> HashMap<String, Told> {
    let mut all = HashMap::new();
    let mut after = 0;
    loop {
        // 503 while the server that was asked lags behind the others.
        let page = eventually("a page", || {
            let page = get(address, &format!("/orders?after={after}&limit=10000"));
            (page.status != 503).then_some(page)
        });
        assert_eq!(page.status, 200, "{page:?}");
        if page.body.is_empty() {
            return all;
        }
        for line in page.text().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let seq = line["seq"].as_u64().unwrap();
            assert!(seq > after, "{seq} after {after}");
            after = seq;
            let told = Told {
                seq,
                status: line["status"].as_str().unwrap().to_owned(),
            };
            let id = line["id"].as_str().unwrap().to_owned();
            let again = all.insert(id, told);
            assert_eq!(again, None, "an id twice: {line}");
        }
    }
}

/// Every id that was told an outcome is in the feed once with that outcome.
#[track_caller]
pub(crate) fn agrees(told: &HashMap<String, Told>, feed: &HashMap<String, Told>) {
    for (id, told) in told {
        assert_eq!(feed.get(id), Some(told), "{id}");
    }
}

/// Ends the clients, then two instances, which must have one feed between them
/// that says what the clients were told.
#[track_caller]
pub(crate) fn end_alike(clients: Persistent, instances: [Service; 2]) {
    let told = clients.end();
    until("ready", || {
        let ready = |instance: &Service| get(instance.admin, "/readyz").status == 200;
        instances.iter().all(ready)
    });
    for instance in &instances {
        instance.settled();
    }
    let [one, two] = &instances;
    let feeds = [feed(one.http), feed(two.http)];
    assert_eq!(feeds[0], feeds[1]);
    agrees(&told, &feeds[0]);
    for instance in instances {
        instance.drain();
    }
}
