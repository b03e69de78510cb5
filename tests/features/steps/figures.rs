//! Sentences about what is counted.

use cucumber::gherkin::Step;
use cucumber::then;

use crate::harness::{Figures, get};
use crate::scene::World;

#[then(regex = r"^in the (end|meantime) the service has counted (.+)$")]
async fn counted(world: &mut World, when: String, counts: String) {
    world
        .act(move |scene| {
            let service = scene.service();
            let figures = match when.as_str() {
                "end" => service.settled(),
                _ => service.figures(),
            };
            for count in counts.split(", ").flat_map(|part| part.split(" and ")) {
                let (number, what) = count.split_once(' ').expect("a number and a word");
                let number: u64 = number.parse().expect("a number");
                assert_eq!(figure(&figures, what), number, "{what}: {figures:?}");
            }
        })
        .await;
}

/// A figure by the word of the sentences.
fn figure(figures: &Figures, what: &str) -> u64 {
    match what {
        "accepted" => figures.count("orders_accepted"),
        "processed" => figures.count("orders_processed"),
        "failed" => figures.count("orders_failed"),
        "duplicate" | "duplicates" => figures.count("orders_duplicate"),
        "withdrawn" => figures.sum("orders_withdrawn"),
        "refused" => figures.sum("orders_rejected"),
        other => {
            let reason = other.strip_prefix("refused as ");
            figures.rejected(reason.unwrap_or_else(|| panic!("no figure is called {other}")))
        }
    }
}

#[then("in the end every order accepted was processed, failed or withdrawn")]
async fn identity(world: &mut World) {
    world
        .act(|scene| {
            let figures = scene.service().settled();
            assert_eq!(figures.inside(), 0);
            assert!(figures.count("orders_accepted") > 0, "nothing to count");
        })
        .await;
}

#[then("the metrics have the lines")]
async fn lines(world: &mut World, step: &Step) {
    let expected = step.docstring.clone().expect("lines below");
    world
        .act(move |scene| {
            let service = scene.service();
            for port in [service.http, service.admin] {
                let reply = get(port, "/metrics");
                let text = reply.text();
                for line in expected.trim().lines() {
                    let there = text.lines().any(|other| other == line);
                    assert!(there, "no line {line:?} in:\n{text}");
                }
            }
        })
        .await;
}
