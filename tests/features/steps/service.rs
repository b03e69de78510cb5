//! Sentences about the process: its settings, whether it is ready, its end and
//! its restart.

use cucumber::{given, then, when};
use rustix::process::Signal;

use crate::front_ends::Protocol;
use crate::harness::{PATIENCE, Reply, get, until};
use crate::scene::{Scene, World};

/// Longer than any test runs.
const NEVER: &str = "10m";

#[given("a service")]
#[given("a service that keeps its outcomes in memory")]
fn any(_: &mut World) {}

#[given("a service that keeps its outcomes on disk")]
async fn on_disk(world: &mut World) {
    world.act(Scene::keep_on_disk).await;
}

#[given(expr = "it refuses values above {word}")]
async fn limit(world: &mut World, value: String) {
    world.act(move |scene| scene.set("max-value", value)).await;
}

#[given(regex = r"^(?:it|its only worker) takes (\S+) for an order$")]
async fn slow(world: &mut World, time: String) {
    world
        .act(move |scene| simulate(scene, 1, format!("{time}..{time},fail=0")))
        .await;
}

#[given("its only worker never gets done with an order")]
async fn stuck(world: &mut World) {
    let delay = format!("{NEVER}..{NEVER},fail=0");
    world.act(move |scene| simulate(scene, 1, delay)).await;
}

#[given(expr = "its {int} workers take {word} to {word} for an order and fail one in {int}")]
async fn mixed(world: &mut World, workers: u32, from: String, to: String, one_in: u32) {
    let share = 1.0 / f64::from(one_in);
    let delay = format!("{from}..{to},fail={share}");
    world
        .act(move |scene| simulate(scene, workers, delay))
        .await;
}

fn simulate(scene: &mut Scene, workers: u32, how: String) {
    scene.set("processor", "simulate");
    scene.set("workers", workers);
    scene.set("simulate", how);
}

#[given(expr = "its queue has room for {int} order(s)")]
async fn slots(world: &mut World, orders: u32) {
    world
        .act(move |scene| scene.set("queue-capacity", orders))
        .await;
}

#[given(expr = "its orders may take {word} of memory")]
async fn bytes(world: &mut World, size: String) {
    world
        .act(move |scene| {
            scene.set("max-body", "32KiB"); // one order has to fit
            scene.set("queue-bytes", size);
        })
        .await;
}

#[given(regex = r#"^it answers "queued" without waiting for outcomes$"#)]
async fn ack_queued(world: &mut World) {
    world.act(|scene| scene.set("ack", "queued")).await;
}

#[given(regex = r#"^it answers "queued" when there is no outcome after (\S+)$"#)]
async fn ack_timeout(world: &mut World, time: String) {
    world.act(move |scene| scene.set("ack-timeout", time)).await;
}

#[given(expr = "it says {int} when its queue is full")]
async fn overload_status(world: &mut World, status: u16) {
    world
        .act(move |scene| scene.set("overload-status", status))
        .await;
}

#[given(expr = "it gives up draining after {word}")]
async fn drain_timeout(world: &mut World, time: String) {
    world
        .act(move |scene| scene.set("drain-timeout", time))
        .await;
}

#[given(expr = "it knows the last {int} outcomes")]
async fn window(world: &mut World, outcomes: u32) {
    world
        .act(move |scene| scene.set("dedupe-window", outcomes))
        .await;
}

#[given(expr = "clients that speak {protocol}")]
async fn speak(world: &mut World, protocol: Protocol) {
    world.act(move |scene| scene.protocol = protocol).await;
}

#[when("the service is told to stop")]
#[when("it is told to stop")]
async fn stop(world: &mut World) {
    world.act(|scene| scene.service().terminate()).await;
}

#[when("it is told to stop once more")]
async fn stop_again(world: &mut World) {
    world
        .act(|scene| {
            // The kernel makes one of two that nobody has taken note of.
            let draining = || scene.service().log().contains("draining signal");
            until("the first is noticed", draining);
            scene.service().terminate();
            until("noticed", || scene.service().log().contains("same signal"));
        })
        .await;
}

#[when("it is told to stop again two seconds later")]
async fn stop_later(world: &mut World) {
    world
        .act(|scene| {
            until("stopped", || {
                scene.service().terminate();
                scene.service().log().contains("second signal")
            });
        })
        .await;
}

#[when("it has begun to drain")]
async fn draining(world: &mut World) {
    world
        .act(|scene| {
            let admin = scene.service().admin;
            until("draining", || get(admin, "/readyz").status == 503);
        })
        .await;
}

#[when("the service is killed without a warning")]
async fn kill(world: &mut World) {
    world
        .act(|scene| {
            scene.service().signal(Signal::KILL);
            scene.ended = Some(scene.take_service().wait(PATIENCE));
        })
        .await;
}

#[when("the service has been stopped")]
async fn stopped(world: &mut World) {
    world
        .act(|scene| scene.ended = Some(scene.take_service().drain()))
        .await;
}

#[when("it is started again")]
async fn restart(world: &mut World) {
    world
        .act(|scene| {
            assert!(scene.ended.is_some(), "it still runs");
            scene.service();
        })
        .await;
}

#[when("it is started again with a worker that gets done")]
async fn restart_cured(world: &mut World) {
    world
        .act(|scene| {
            assert!(scene.ended.is_some(), "it still runs");
            scene.set("simulate", "0ms..0ms,fail=0");
            scene.service();
        })
        .await;
}

#[then(expr = "it ends with exit code {int}")]
async fn exit_code(world: &mut World, code: i32) {
    world
        .act(move |scene| {
            let ended = scene.take_service().wait(PATIENCE);
            let found = ended.code;
            scene.ended = Some(ended);
            assert_eq!(found, Some(code));
        })
        .await;
}

#[then(expr = "its log says {string}")]
async fn log(world: &mut World, text: String) {
    world
        .act(move |scene| {
            let ended = scene.ended.as_ref().expect("it has ended");
            assert!(ended.log.contains(&text), "no {text:?} in the log");
        })
        .await;
}

#[then("it takes no new connections for orders")]
async fn closed(world: &mut World) {
    world
        .act(|scene| {
            let front_end = scene.front_end();
            until("refused", || front_end.connect().is_err());
        })
        .await;
}

#[then("the service is alive")]
async fn alive(world: &mut World) {
    world
        .act(|scene| {
            let admin = scene.service().admin;
            assert_eq!(get(admin, "/healthz").status, 200);
        })
        .await;
}

#[then("the service is ready for orders")]
async fn ready(world: &mut World) {
    world
        .act(|scene| {
            for reply in readiness(scene) {
                assert_eq!(reply.status, 200, "{reply:?}\n{}", reply.text());
            }
        })
        .await;
}

#[then(expr = "the service is not ready for orders, because {string}")]
async fn not_ready(world: &mut World, why: String) {
    world
        .act(move |scene| {
            let reply = get(scene.service().admin, "/readyz");
            let problem = reply.problem(503);
            assert_eq!(problem["title"], why);
        })
        .await;
}

/// Both ports say the same while both are open.
fn readiness(scene: &mut Scene) -> [Reply; 2] {
    let service = scene.service();
    [service.http, service.admin].map(|port| get(port, "/readyz"))
}
