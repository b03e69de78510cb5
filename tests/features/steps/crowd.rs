//! Sentences about many clients at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::thread::JoinHandle;

use cucumber::{given, then, when};

use crate::front_ends::{Answer, AnswerKind, FrontEnd, Submission};
use crate::harness::until;
use crate::scene::{Scene, World};

/// Clients that submit orders one after the other, each on a connection that it keeps, until they
/// have enough, are stopped, or nobody listens any more.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
}

impl Crowd {
    fn start(front_end: &Arc<dyn FrontEnd>, clients: usize, orders_each: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(Mutex::new(HashMap::new()));
        let clients = (0..clients).map(|me| {
            let (front_end, stop, answers) = (front_end.clone(), stop.clone(), answers.clone());
            thread::spawn(move || {
                let Ok(mut connection) = front_end.connect() else {
                    return;
                };
                for number in 0..orders_each {
                    // Relaxed: it only ends a loop.
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let id = format!("crowd-{me}-{number}");
                    let Ok(answer) = connection.submit(&Submission::new(&id, "1")) else {
                        return;
                    };
                    answers.lock().expect("nobody panics").insert(id, answer);
                }
            })
        });
        Self {
            clients: clients.collect(),
            stop,
            answers,
        }
    }

    /// Waits for the clients to have enough; what they were kind, by id.
    fn end(mut self) -> HashMap<String, Answer> {
        for client in self.clients.drain(..) {
            client.join().expect("all answers are well formed");
        }
        std::mem::take(&mut self.answers.lock().expect("nobody panics"))
    }

    fn answered(&self) -> usize {
        self.answers.lock().expect("nobody panics").len()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed); // each after its next answer
    }
}

#[when(expr = "{int} clients submit {int} orders each as fast as they can")]
async fn burst(world: &mut World, clients: usize, orders: usize) {
    world
        .act(move |scene| {
            let crowd = Crowd::start(&scene.front_end(), clients, orders);
            scene.answers = crowd.end();
            assert_eq!(
                scene.answers.len(),
                clients * orders,
                "one was not answered"
            );
        })
        .await;
}

#[given(expr = "{int} clients that submit one order after the other")]
async fn busy(world: &mut World, clients: usize) {
    world
        .act(move |scene| scene.crowd = Some(Crowd::start(&scene.front_end(), clients, usize::MAX)))
        .await;
}

#[when(expr = "they have had {int} answers")]
async fn under_load(world: &mut World, answers: usize) {
    world
        .act(move |scene| {
            let crowd = scene.crowd.as_ref().expect("clients are busy");
            until("under load", || crowd.answered() >= answers);
        })
        .await;
}

/// What the clients were told; theirs ended with the service.
fn answers(scene: &mut Scene) -> &HashMap<String, Answer> {
    if let Some(crowd) = scene.crowd.take() {
        scene.answers = crowd.end();
    }
    &scene.answers
}

fn count(answers: &HashMap<String, Answer>, told: AnswerKind) -> usize {
    answers
        .values()
        .filter(|answer| answer.kind == told)
        .count()
}

#[then("some of them are told at once that the queue is full")]
async fn some_refused(world: &mut World) {
    world
        .act(|scene| {
            let answers = answers(scene);
            assert!(
                count(answers, AnswerKind::Full) > 0,
                "none of {}",
                answers.len()
            );
            let refused = answers
                .values()
                .filter(|answer| answer.kind == AnswerKind::Full);
            for answer in refused {
                assert_eq!(answer.retry_safe, Some(true), "{answer:#?}");
                let seconds = answer.retry_after.expect("when to come back");
                assert!((1..=60).contains(&seconds), "{answer:#?}");
            }
        })
        .await;
}

#[then("every order taken has an outcome in the end, and each outcome a sequence of its own")]
async fn all_have_outcomes(world: &mut World) {
    world
        .act(|scene| {
            scene.service().settled();
            let mut connection = scene.front_end().connect().expect("it listens");
            let mut sequences = Vec::new();
            for (id, answer) in &scene.answers {
                let found = connection.find(id).expect("an answer");
                if answer.kind == AnswerKind::Full {
                    assert_eq!(
                        found.kind,
                        AnswerKind::Unknown,
                        "{id} was refused: {found:#?}"
                    );
                } else {
                    assert!(
                        matches!(found.kind, AnswerKind::Processed | AnswerKind::Failed),
                        "{id}: {found:#?}"
                    );
                    sequences.push(found.seq.expect("an outcome has a sequence"));
                }
            }
            sequences.sort_unstable();
            let all: Vec<u64> = (1..=sequences.len() as u64).collect();
            assert_eq!(sequences, all);
        })
        .await;
}

#[then("the service has accepted as many orders as clients were told")]
async fn counted_once(world: &mut World) {
    world
        .act(|scene| {
            let figures = scene.service().settled();
            let refused = count(&scene.answers, AnswerKind::Full) as u64;
            let all = scene.answers.len() as u64;
            let (accepted, processed, failed) = figures.orders();
            assert_eq!(
                (accepted, figures.rejected("full")),
                (all - refused, refused)
            );
            assert_eq!(accepted, processed + failed);
        })
        .await;
}

#[then("each of these clients was told an outcome, or that the service is shutting down")]
async fn outcome_or_drain(world: &mut World) {
    world
        .act(|scene| {
            for (id, answer) in answers(scene) {
                match answer.kind {
                    AnswerKind::Processed => {}
                    AnswerKind::Draining => assert_eq!(answer.retry_safe, Some(true), "{id}"),
                    _ => panic!("{id}: {answer:#?}"),
                }
            }
        })
        .await;
}

#[then("the sequences they were told are 1, 2, 3 and so on without a gap")]
async fn no_gap(world: &mut World) {
    world
        .act(|scene| {
            let answers = answers(scene).values();
            let mut sequences: Vec<u64> = answers.filter_map(|answer| answer.seq).collect();
            sequences.sort_unstable();
            let all: Vec<u64> = (1..=sequences.len() as u64).collect();
            assert_eq!(sequences, all);
        })
        .await;
}

#[then("every outcome that they were told is still on record")]
async fn still_known(world: &mut World) {
    world
        .act(|scene| {
            let answers = answers(scene).clone();
            let mut connection = scene.front_end().connect().expect("it listens");
            let outcomes = answers
                .iter()
                .filter(|(_, answer)| answer.kind == AnswerKind::Processed);
            for (id, answer) in outcomes {
                let found = connection.find(id).expect("an answer");
                assert_eq!(
                    found.kind,
                    AnswerKind::Processed,
                    "{id} is gone: {found:#?}"
                );
                assert_eq!(found.seq, answer.seq, "{id}: {found:#?}");
            }
        })
        .await;
}

#[then("a new order gets a sequence above all of these")]
async fn goes_on(world: &mut World) {
    world
        .act(|scene| {
            let highest = answers(scene)
                .values()
                .filter_map(|answer| answer.seq)
                .max();
            scene.submit(Submission::new("a-new-one", "1"));
            assert!(scene.answer().seq > highest, "they went up to {highest:?}");
        })
        .await;
}
