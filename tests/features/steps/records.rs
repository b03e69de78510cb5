//! Sentences about orders looked up.

use cucumber::gherkin::Step;
use cucumber::then;

use crate::front_ends::{Answer, AnswerKind};
use crate::harness::eventually;
use crate::scene::{Scene, World};

/// What the service says of an order now.
fn find(scene: &mut Scene, id: &str) -> Answer {
    let mut connection = scene.front_end().connect().expect("the service listens");
    let answer = connection.find(id).expect("an answer");
    scene.answer = Some(answer.clone());
    answer
}

#[then(
    regex = r#"^(in the end )?order "([^"]+)" is on record as (processed|failed|queued)(?:, with sequence (\d+))?$"#
)]
async fn on_record(world: &mut World, end: String, id: String, what: String, seq: String) {
    world
        .act(move |scene| {
            let answer = if end.is_empty() {
                find(scene, &id)
            } else {
                eventually("an outcome", || {
                    let answer = find(scene, &id);
                    (answer.kind != AnswerKind::Queued).then_some(answer)
                })
            };
            let expected = match what.as_str() {
                "processed" => AnswerKind::Processed,
                "failed" => AnswerKind::Failed,
                _ => AnswerKind::Queued,
            };
            assert_eq!(answer.kind, expected);
            if let Ok(seq) = seq.parse() {
                assert_eq!(answer.seq, Some(seq));
            }
        })
        .await;
}

#[then(expr = "order {string} is not known")]
async fn unknown(world: &mut World, id: String) {
    world
        .act(move |scene| assert_eq!(find(scene, &id).kind, AnswerKind::Unknown))
        .await;
}

#[then(expr = "the record of order {string} holds:")]
async fn holds(world: &mut World, step: &Step, id: String) {
    let text = step.docstring.clone().expect("an order below");
    world
        .act(move |scene| {
            let record = find(scene, &id).record.expect("it has an outcome");
            let there = record.order.contains(text.trim());
            assert!(there, "the order kept is {}", record.order);
        })
        .await;
}

#[then(expr = "the record of order {string} says when it was accepted and committed")]
async fn times(world: &mut World, id: String) {
    world
        .act(move |scene| {
            let record = find(scene, &id).record.expect("it has an outcome");
            assert!(record.accepted <= record.committed, "{record:?}");
        })
        .await;
}
