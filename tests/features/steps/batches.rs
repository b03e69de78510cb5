//! Sentences about batches: over HTTP one body, over gRPC one stream, and one result for each order.

use std::collections::BTreeMap;

use cucumber::gherkin::Step;
use cucumber::{given, then, when};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::front_ends::{AnswerKind, Submission, grpc};
use crate::harness::{Client, Reply, until};
use crate::scene::{Scene, World};

const HEAD: &str =
    "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/x-ndjson\r\n";

/// A batch whose client has not sent all of it.
#[derive(Default)]
pub(crate) struct Batches {
    sending: Option<Client>,
    /// The body of the last one.
    last: String,
    /// What came back on a stream.
    streamed: Option<Vec<Value>>,
}

#[given(expr = "a batch may have {int} orders")]
async fn lines_max(world: &mut World, orders: u32) {
    world
        .act(move |scene| scene.set("max-batch-orders", orders))
        .await;
}

#[given(expr = "there may be {int} batch(es) at a time")]
async fn batches_max(world: &mut World, batches: u32) {
    world
        .act(move |scene| scene.set("max-batches", batches))
        .await;
}

/// Sends a batch and keeps the reply.
fn send(scene: &mut Scene, headers: &str, body: String) {
    let mut client = Client::to(scene.service().http);
    let length = body.len();
    let reply = client.ask(format!(
        "{HEAD}Content-Length: {length}\r\n{headers}\r\n{body}"
    ));
    scene.reply = Some(reply);
    scene.batches.last = body;
}

#[when("the client submits the batch")]
async fn submits(world: &mut World, step: &Step) {
    let lines = step.docstring.clone().expect("lines below");
    // The text below a sentence begins with a line's end of its own.
    let body = lines.strip_prefix('\n').unwrap_or(&lines).to_owned();
    world.act(move |scene| send(scene, "", body)).await;
}

#[when(
    regex = r"^the client submits a batch of (?:(\d+) orders|blank lines)(, preferring not to wait)?$"
)]
async fn submits_many(world: &mut World, orders: String, prefer: String) {
    world
        .act(move |scene| {
            let line = |number| format!("{{\"id\":\"batch-{number}\",\"value\":1}}\n");
            let body = match orders.parse::<u32>() {
                Ok(orders) => (1..=orders).map(line).collect(),
                Err(_) => "\n  \r\n\n".to_owned(),
            };
            let headers = match prefer.is_empty() {
                true => "",
                false => "Prefer: respond-async\r\n",
            };
            send(scene, headers, body);
        })
        .await;
}

#[when("the client submits the same batch again")]
async fn submits_again(world: &mut World) {
    world
        .act(|scene| {
            let body = scene.batches.last.clone();
            send(scene, "", body);
        })
        .await;
}

#[when("the client sends on one stream")]
async fn streams(world: &mut World, step: &Step) {
    let lines = step.docstring.clone().expect("lines below");
    world
        .act(move |scene| {
            let orders: Vec<_> = lines.trim().lines().map(parts).collect();
            let address = scene.service().grpc.expect("it was asked for");
            scene.batches.streamed = Some(grpc::stream(address, &orders));
        })
        .await;
}

/// A line taken apart, its texts as they are written.
fn parts(line: &str) -> Submission {
    let mut members: BTreeMap<&str, &RawValue> = serde_json::from_str(line).expect("an order");
    let mut take = |name| members.remove(name).expect("id and value").get().to_owned();
    let (id, value) = (take("id"), take("value"));
    Submission {
        id,
        members: serde_json::to_string(&members).expect("they were JSON"),
        ..Submission::new("", &value)
    }
}

#[given("a batch is being sent")]
async fn sending(world: &mut World) {
    world
        .act(|scene| {
            let mut client = Client::to(scene.service().http);
            let first = "{\"id\":\"first\",\"value\":-1}\n";
            client.send(format!("{HEAD}Content-Length: 100000\r\n\r\n{first}"));
            scene.batches.sending = Some(client);
            until("its first line is inside", || {
                scene.service().figures().count("orders_accepted") == 1
            });
        })
        .await;
}

#[when(expr = "it breaks off after the line of order {string}")]
async fn breaks_off(world: &mut World, id: String) {
    world
        .act(move |scene| {
            let mut client = scene.batches.sending.take().expect("one is being sent");
            let line = format!("{{\"id\":\"{id}\",\"value\":1}}\n{{\"id\":\"cut-");
            client.send(line);
            client.half_close();
            scene.reply = client.try_reply();
        })
        .await;
}

/// The results of the last batch.
fn results(scene: &Scene) -> Vec<Value> {
    if let Some(results) = &scene.batches.streamed {
        return results.clone();
    }
    let reply = reply(scene);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    crate::feed::lines(reply)
}

fn reply(scene: &Scene) -> &Reply {
    scene.reply.as_ref().expect("a reply")
}

#[then("the results are")]
async fn results_are(world: &mut World, step: &Step) {
    let table = step.table.clone().expect("results below");
    world
        .act(move |scene| crate::feed::compare(&results(scene), &table))
        .await;
}

#[then("there are no results")]
async fn none(world: &mut World) {
    world
        .act(|scene| assert_eq!(results(scene), [] as [Value; 0]))
        .await;
}

#[then(expr = "all {int} lines are {string}")]
async fn all(world: &mut World, lines: usize, status: String) {
    world
        .act(move |scene| {
            let results = results(scene);
            assert_eq!(results.len(), lines);
            for (at, result) in results.iter().enumerate() {
                assert_eq!(result["line"], at + 1, "{result}");
                assert_eq!(result["status"], *status, "{result}");
            }
        })
        .await;
}

#[then(expr = "the first lines are {string}, and the others {string}")]
async fn first_and_others(world: &mut World, first: String, others: String) {
    world
        .act(move |scene| {
            let results = results(scene);
            let statuses = results.iter().map(|result| result["status"].as_str());
            let mut statuses: Vec<_> = statuses.map(|status| status.expect("a status")).collect();
            let lines = statuses.len();
            statuses.dedup();
            assert_eq!(statuses, [first.as_str(), others.as_str()]);
            let sent = scene.batches.last.lines().count();
            assert_eq!(lines, sent, "a result for each line");
        })
        .await;
}

#[then(expr = "no line that is {string} is known")]
async fn not_known(world: &mut World, status: String) {
    world
        .act(move |scene| {
            let results = results(scene);
            let mut connection = scene.front_end().connect().expect("it listens");
            for result in results.iter().filter(|result| result["status"] == *status) {
                let id = format!("batch-{}", result["line"]);
                let found = connection.find(&id).expect("an answer");
                assert_eq!(found.kind, AnswerKind::Unknown, "{id}");
            }
        })
        .await;
}

#[then("the batch is refused as a whole, and may be sent again later")]
async fn refused(world: &mut World) {
    world
        .act(|scene| {
            let reply = reply(scene);
            let problem = reply.problem(503);
            assert_eq!(problem["retry_safe"], true);
            reply.retry_after();
        })
        .await;
}
