//! An order port that promises nothing, behind axum: `axum-peer [OPTIONS]`, see
//! the crate `shared`.

use std::{error::Error, process::ExitCode};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt,
};
use shared::{Intake, Options, Order};
use tokio::net::TcpListener;

fn main() -> ExitCode {
    shared::run("axum-peer", serve)
}

fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let (intake, consumer) = Intake::new(options);
        tokio::spawn(consumer);
        let routes = Router::new()
            .route("/submit", post(submit))
            .with_state(intake);
        let listener = TcpListener::bind(options.listen).await?;
        println!("listening http {}", listener.local_addr()?);
        // As the service does. A failure means that the peer has gone, which
        // the next read says, too.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        axum::serve(listener, routes).await?;
        Ok(())
    })
}

async fn submit(State(intake): State<Intake>, Json(order): Json<Order>) -> Response {
    let (code, outcome) = intake.submit(order).await;
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match outcome {
        Some(outcome) => (code, Json(outcome)).into_response(),
        None => code.into_response(),
    }
}
