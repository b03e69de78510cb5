//! Sentences about orders handed in, and what their clients are told.

use std::thread;

use cucumber::{given, then, when};

use crate::front_ends::{Answer, AnswerKind, Submission, WaitFor, http};
use crate::harness::{post, until};
use crate::scene::{Scene, World};

/// An order as a sentence gives it.
fn order(id: &str, value: &str, members: &str) -> Submission {
    Submission {
        members: members.to_owned(),
        ..Submission::new(id, value)
    }
}

#[given(regex = r#"^orders? ((?:"[^"]+"(?:, | and )?)+) (?:is|are) processed$"#)]
async fn processed_before(world: &mut World, ids: String) {
    world
        .act(move |scene| {
            for id in quoted(&ids) {
                scene.submit(Submission::new(id, "1"));
                assert_eq!(scene.answer().kind, AnswerKind::Processed, "{id}");
            }
        })
        .await;
}

/// What stands in quotation marks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

#[when(
    regex = r#"^(?:the|another) client submits order "([^"]*)" worth ([^\s,]+)(?: again)?(?: with (\{.*\}))?$"#
)]
async fn submits(world: &mut World, id: String, value: String, members: String) {
    world
        .act(move |scene| scene.submit(order(&id, &value, &members)))
        .await;
}

#[when(
    regex = r#"^the client submits order "([^"]*)" worth ([^\s,]+), (?:(preferring not to wait)|preferring to wait (\d+) s at most)$"#
)]
async fn submits_with(world: &mut World, id: String, value: String, none: String, seconds: String) {
    world
        .act(move |scene| {
            let mut order = Submission::new(&id, &value);
            order.wait_for = match seconds.parse() {
                Ok(seconds) if none.is_empty() => WaitFor::Seconds(seconds),
                _ => WaitFor::None,
            };
            scene.submit(order);
        })
        .await;
}

#[when(regex = r"^the client submits an order whose id is (.*) and whose value is (.*)$")]
async fn submits_as_written(world: &mut World, id: String, value: String) {
    world
        .act(move |scene| {
            scene.submit(Submission {
                id,
                ..Submission::new("", &value)
            });
        })
        .await;
}

#[when("the client submits the same order again")]
async fn submits_again(world: &mut World) {
    world
        .act(|scene| {
            let order = scene.sent.clone().expect("an order was submitted");
            scene.submit(order);
        })
        .await;
}

#[given(regex = r#"^(?:a|another) client waits for the outcome of order "([^"]+)" worth (\S+)$"#)]
#[when(regex = r#"^(?:a|another) client waits for the outcome of order "([^"]+)" worth (\S+)$"#)]
async fn waits(world: &mut World, id: String, value: String) {
    world
        .act(move |scene| {
            let before = taken(scene);
            let front_end = scene.front_end();
            let order = Submission::new(&id, &value);
            let client = thread::spawn(move || front_end.connect()?.submit(&order));
            scene.waiting.push((id, client));
            until("the order is inside", || taken(scene) > before);
        })
        .await;
}

/// Orders that the service has let in, or found to be inside.
fn taken(scene: &mut Scene) -> u64 {
    let figures = scene.service().figures();
    figures.count("orders_accepted") + figures.count("orders_duplicate")
}

#[given("a client that is connected")]
async fn connected(world: &mut World) {
    world
        .act(|scene| {
            let mut connection = scene.front_end().connect().expect("it listens");
            // Accepted by the kernel is not yet accepted by the service.
            let answer = connection.find("no-such-order").expect("an answer");
            assert_eq!(answer.kind, AnswerKind::Unknown);
            scene.open = Some(connection);
        })
        .await;
}

#[when(regex = r#"^the connected client submits order "([^"]+)" worth (\S+)$"#)]
async fn submits_on_open_connection(world: &mut World, id: String, value: String) {
    world
        .act(move |scene| {
            let connection = scene.open.as_mut().expect("a client is connected");
            let order = Submission::new(&id, &value);
            scene.answer = Some(connection.submit(&order).expect("an answer"));
        })
        .await;
}

#[when("orders are submitted until the queue is full")]
async fn fill(world: &mut World) {
    world
        .act(|scene| {
            // The worker takes one out at a time of its own choice, so that a refusal is not yet
            // the end: it is, once the queue's gauge says so.
            let mut number = 0;
            until("the queue is full", || {
                number += 1;
                let mut order = Submission::new(&format!("filler-{number}"), "1");
                order.wait_for = WaitFor::None;
                scene.submit(order);
                let figures = scene.service().figures();
                let full = figures.get("queue_depth") == figures.get("queue_capacity");
                let busy = figures.inside() as f64 > figures.get("queue_depth");
                full && busy
            });
        })
        .await;
}

#[when("orders are submitted until one is refused")]
async fn overfill(world: &mut World) {
    world
        .act(|scene| {
            let mut number = 0;
            until("one is refused", || {
                number += 1;
                let mut order = Submission::new(&format!("order-{number}"), "1");
                order.wait_for = WaitFor::None;
                scene.submit(order);
                scene.answer().kind != AnswerKind::Queued
            });
        })
        .await;
}

#[when(expr = "the client submits order {string} of {int} KiB")]
async fn submits_large(world: &mut World, id: String, size: usize) {
    world
        .act(move |scene| {
            let note = "x".repeat((size << 10) - 50);
            scene.submit(order(&id, "1", &format!(r#"{{"note":"{note}"}}"#)));
        })
        .await;
}

#[then(
    regex = r#"^(?:the client|the client that waits for "([^"]+)") is told (again )?that the order (is processed|failed|is queued)(?:, with sequence (\d+))?(?:, because "?([^"]*)"?)?$"#
)]
async fn told_outcome(
    world: &mut World,
    waiting: String,
    again: String,
    what: String,
    seq: String,
    why: String,
) {
    world
        .act(move |scene| {
            let answer = subject(scene, &waiting);
            let expected = match what.as_str() {
                "is processed" => AnswerKind::Processed,
                "failed" => AnswerKind::Failed,
                _ => AnswerKind::Queued,
            };
            assert_eq!(answer.kind, expected, "{answer:#?}");
            assert_eq!(answer.duplicate, !again.is_empty(), "{answer:#?}");
            if let Ok(seq) = seq.parse() {
                assert_eq!(answer.seq, Some(seq), "{answer:#?}");
            }
            assert!(answer.detail.contains(&why), "{answer:#?}");
        })
        .await;
}

/// The answer that a sentence is about: that of a client that waits, or the last one.
fn subject<'a>(scene: &'a mut Scene, waiting: &str) -> &'a Answer {
    if !waiting.is_empty() {
        let found = scene.waiting.iter().position(|(id, _)| id == waiting);
        let at = found.unwrap_or_else(|| panic!("no client waits for {waiting}"));
        let (_, client) = scene.waiting.remove(at);
        until("the client is answered", || client.is_finished());
        let answer = client.join().expect("a well-formed answer");
        scene.answer = Some(answer.expect("an answer before the connection ends"));
    }
    scene.answer()
}

#[then(
    regex = r#"^(?:the client|the client that waits for "([^"]+)") is told that (the order is not valid|the id belongs to another order|the queue is full|the service is shutting down)$"#
)]
async fn told_refusal(world: &mut World, waiting: String, what: String) {
    world
        .act(move |scene| {
            let answer = subject(scene, &waiting);
            let (expected, retry_after) = match what.as_str() {
                "the order is not valid" => (AnswerKind::Invalid, false),
                "the id belongs to another order" => (AnswerKind::Conflict, false),
                "the queue is full" => (AnswerKind::Full, true),
                _ => (AnswerKind::Draining, true),
            };
            assert_eq!(answer.kind, expected, "{answer:#?}");
            assert_eq!(answer.seq, None, "a refusal takes no sequence: {answer:#?}");
            assert_eq!(answer.retry_after.is_some(), retry_after, "{answer:#?}");
        })
        .await;
}

#[then(regex = r"^the reason (?:given )?is: (.*)$")]
async fn reason(world: &mut World, text: String) {
    world
        .act(move |scene| assert!(scene.answer().detail.contains(&text), "no {text:?}"))
        .await;
}

#[then(regex = r"^the field named is (\S+)$")]
async fn field(world: &mut World, name: String) {
    world
        .act(move |scene| {
            let expected = (name != "none").then_some(name.as_str());
            assert_eq!(scene.answer().field.as_deref(), expected);
        })
        .await;
}

#[then(expr = "the status is {word}")]
async fn status(world: &mut World, code: String) {
    world
        .act(move |scene| assert_eq!(scene.answer().code, code))
        .await;
}

#[then(regex = r"^sending the same order again is (safe|of no use)$")]
async fn retry_safe(world: &mut World, what: String) {
    world
        .act(move |scene| assert_eq!(scene.answer().retry_safe, Some(what == "safe")))
        .await;
}

#[then(expr = "the client is asked to come back after {int} to {int} seconds")]
async fn retry_after(world: &mut World, from: u32, to: u32) {
    world
        .act(move |scene| {
            let seconds = scene.answer().retry_after.expect("a time to come back");
            assert!((from..=to).contains(&seconds), "{seconds} s");
        })
        .await;
}

#[then(expr = "the client is told to look at {word} for the outcome")]
async fn location(world: &mut World, path: String) {
    world
        .act(move |scene| assert_eq!(scene.answer().location.as_deref(), Some(path.as_str())))
        .await;
}

#[when(regex = r"^the client sends (?:(nothing)|an order nested (\d+) levels deep|([\[{\x22].*))$")]
async fn sends(world: &mut World, nothing: String, depth: String, text: String) {
    world
        .act(move |scene| {
            let text = match depth.parse::<usize>() {
                Ok(depth) => {
                    let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
                    format!(r#"{{"id":"a","value":1,"deep":{open}{close}}}"#)
                }
                Err(_) if nothing.is_empty() => text,
                Err(_) => String::new(),
            };
            let reply = post(scene.service().http, "", &text);
            scene.answer = Some(http::answer(&reply));
        })
        .await;
}
