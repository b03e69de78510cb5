//! Sentences about the feed, and about lines of JSON.

use std::collections::HashSet;
use std::thread;
use std::thread::JoinHandle;

use cucumber::gherkin::{Step, Table};
use cucumber::{given, then, when};
use serde_json::Value;

use crate::front_ends::grpc;
use crate::harness::{Reply, get, until};
use crate::scene::{Scene, World};

const LEDGER_ID: &str = "orders-ledger-id";

/// A reader of the feed.
#[derive(Default)]
pub(crate) struct Reader {
    waiting: Option<JoinHandle<Reply>>,
    follower: Option<grpc::Follower>,
    /// The oldest sequence kept, as it was told.
    oldest: u64,
    /// The ledgers that pages were of, one after the other.
    ledgers: Vec<String>,
}

/// Lines of JSON.
pub(crate) fn lines(reply: &Reply) -> Vec<Value> {
    let text = reply.text();
    assert!(text.is_empty() || text.ends_with('\n'), "whole lines");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON in each line"))
        .collect()
}

/// Compares lines with the rows of a table below its heads: an empty cell is a
/// member that isn't there, `any` is one whose text doesn't matter, a detail is
/// a part of the text.
pub(crate) fn compare(lines: &[Value], table: &Table) {
    let (heads, rows) = table.rows.split_first().expect("heads");
    assert_eq!(lines.len(), rows.len(), "{lines:#?}");
    for (line, row) in lines.iter().zip(rows) {
        for (head, cell) in heads.iter().zip(row) {
            let found = match &line[head.as_str()] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let equal = match head.as_str() {
                _ if cell == "any" => !found.is_empty(),
                "detail" if !cell.is_empty() => found.contains(cell.as_str()),
                _ => found == *cell,
            };
            assert!(equal, "{head} should be {cell:?} in {line}");
        }
    }
}

/// Keeps a page's reply.
fn keep(scene: &mut Scene, reply: Reply) {
    if let Some(id) = reply.header(LEDGER_ID) {
        scene.reader.ledgers.push(id.to_owned());
    }
    scene.reply = Some(reply);
}

fn ask(scene: &mut Scene, query: &str) {
    let reply = get(scene.service().http, &format!("/orders?{query}"));
    keep(scene, reply);
}

#[when(
    regex = r"^a reader asks for the outcomes after (\d+)(?:, (\d+) at most)?(?:, and waits (\d+) s)?$"
)]
async fn asks(world: &mut World, after: u64, limit: String, wait: String) {
    world
        .act(move |scene| {
            let mut query = format!("after={after}");
            if !limit.is_empty() {
                query += &format!("&limit={limit}");
            }
            if !wait.is_empty() {
                query += &format!("&wait={wait}");
            }
            ask(scene, &query);
        })
        .await;
}

#[when(regex = r"^a reader asks for the feed with (\S+)$")]
async fn asks_with(world: &mut World, query: String) {
    world.act(move |scene| ask(scene, &query)).await;
}

#[given(expr = "a reader waits {int} s for the outcomes after {int}")]
async fn waits(world: &mut World, seconds: u32, after: u64) {
    world
        .act(move |scene| {
            let address = scene.service().http;
            until("only this one asks", || connections(scene) == 1);
            let reader = thread::spawn(move || {
                get(address, &format!("/orders?after={after}&wait={seconds}"))
            });
            scene.reader.waiting = Some(reader);
            until("the reader is connected", || connections(scene) == 2);
        })
        .await;
}

fn connections(scene: &mut Scene) -> u64 {
    scene.service().figures().count("http_connections")
}

#[then(regex = r"^the reader( that waits)? gets( nothing)?$")]
async fn gets(world: &mut World, step: &Step, waiting: String, nothing: String) {
    let table = step.table.clone();
    world
        .act(move |scene| {
            let lines = page(scene, !waiting.is_empty());
            match table {
                Some(table) => compare(&lines, &table),
                None if nothing.is_empty() => panic!("a table is missing"),
                None => assert_eq!(lines, [] as [Value; 0]),
            }
        })
        .await;
}

/// The lines of a page; that of the reader that waits, or the last one.
fn page(scene: &mut Scene, waiting: bool) -> Vec<Value> {
    if waiting {
        let reader = scene.reader.waiting.take().expect("a reader waits");
        let reply = reader.join().expect("a well-formed reply in time");
        keep(scene, reply);
    }
    let reply = asked(scene);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    assert!(reply.header(LEDGER_ID).is_some(), "the ledger's id");
    lines(reply)
}

#[then("what the reader gets holds:")]
async fn holds(world: &mut World, step: &Step) {
    let text = step.docstring.clone().expect("text below");
    world
        .act(move |scene| {
            let reply = asked(scene);
            assert!(reply.text().contains(text.trim()), "it isn't there");
        })
        .await;
}

#[then(regex = r"^the reader gets the sequences 1 to (\d+) without a gap, and each order once$")]
async fn whole(world: &mut World, last: u64) {
    world
        .act(move |scene| without_gap(&page(scene, false), last))
        .await;
}

fn without_gap(lines: &[Value], last: u64) {
    let sequences = lines
        .iter()
        .map(|line| line["seq"].as_u64().expect("a number"));
    assert!(sequences.eq(1..=last), "not 1 to {last}: {lines:#?}");
    let ids: HashSet<_> = lines.iter().map(|line| line["id"].as_str()).collect();
    assert_eq!(ids.len() as u64, last, "an id twice");
}

#[then(expr = "the feed has every sequence from 1 to that of order {string} once")]
async fn whole_to(world: &mut World, id: String) {
    world
        .act(move |scene| {
            let mut connection = scene.front_end().connect().expect("it listens");
            let record = connection.find(&id).expect("an answer");
            let last = record.seq.expect("an outcome");
            // A page ends at its limit of bytes, too.
            let mut all = Vec::new();
            loop {
                ask(scene, &format!("after={}&limit=10000", all.len()));
                let more = page(scene, false);
                if more.is_empty() {
                    break;
                }
                all.extend(more);
            }
            without_gap(&all, last);
        })
        .await;
}

#[then("the reader is told that older outcomes than one are no longer kept")]
async fn pruned(world: &mut World) {
    world
        .act(|scene| {
            let problem = asked(scene).problem(410);
            let oldest = problem["oldest_seq"].as_u64().expect("a number");
            assert!(oldest > 1, "{problem}");
            scene.reader.oldest = oldest;
        })
        .await;
}

#[when("a reader asks for the outcomes from that one on, 1 at most")]
async fn asks_oldest(world: &mut World) {
    world
        .act(|scene| {
            let after = scene.reader.oldest - 1;
            ask(scene, &format!("after={after}&limit=1"));
        })
        .await;
}

#[then("the reader gets that one")]
async fn gets_oldest(world: &mut World) {
    world
        .act(|scene| {
            let lines = page(scene, false);
            assert_eq!(lines.len(), 1);
            assert_eq!(lines[0]["seq"], scene.reader.oldest);
        })
        .await;
}

#[then(expr = "the reader is told that the last outcome is {int}")]
async fn ahead(world: &mut World, last: u64) {
    world
        .act(move |scene| assert_eq!(asked(scene).problem(400)["last_seq"], last))
        .await;
}

/// The last reply to a reader.
fn asked(scene: &Scene) -> &Reply {
    scene.reply.as_ref().expect("a reader has asked")
}

#[then("the reader is told that the parameter is not valid")]
async fn not_valid(world: &mut World) {
    world
        .act(|scene| {
            let reply = asked(scene);
            assert_eq!(reply.problem(400)["type"], "/problems/invalid-parameter");
        })
        .await;
}

#[then(regex = r"^it is (the same|another) ledger$")]
async fn ledger(world: &mut World, which: String) {
    world
        .act(move |scene| {
            let [before, now] = scene.reader.ledgers.last_chunk().expect("two pages");
            assert_eq!(before == now, which == "the same", "{before}, {now}");
        })
        .await;
}

#[given(expr = "a follower of the outcomes after {int}")]
#[when(expr = "a follower asks for the outcomes after {int}")]
async fn follows(world: &mut World, after: u64) {
    world
        .act(move |scene| {
            let address = scene.service().grpc.expect("it was asked for");
            scene.reader.follower = Some(grpc::Follower::start(address, after));
        })
        .await;
}

#[then("the follower gets")]
async fn follower_gets(world: &mut World, step: &Step) {
    let table = step.table.clone().expect("outcomes below");
    world
        .act(move |scene| {
            let follower = scene.reader.follower.as_ref().expect("there is one");
            let lines: Vec<_> = (1..table.rows.len())
                .map(|_| follower.next().expect("an outcome, not the stream's end"))
                .collect();
            compare(&lines, &table);
        })
        .await;
}

#[then(expr = "the follower is told {word}")]
async fn follower_told(world: &mut World, reason: String) {
    world
        .act(move |scene| {
            let follower = scene.reader.follower.as_ref().expect("there is one");
            assert_eq!(follower.next(), Err(reason));
        })
        .await;
}
