//! An order port that promises nothing, behind hyper without a framework:
//! `hyper-peer [OPTIONS]`, see the crate `shared`.

use std::{error::Error, process::ExitCode};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use shared::{Intake, Options};
use tokio::net::TcpListener;

fn main() -> ExitCode {
    shared::run("hyper-peer", serve)
}

fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let (intake, consumer) = Intake::new(options);
        tokio::spawn(consumer);
        let listener = TcpListener::bind(options.listen).await?;
        println!("listening http {}", listener.local_addr()?);
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue; // that client has gone already
            };
            // As the service does. A failure means that the peer has gone,
            // which the next read says, too.
            drop(stream.set_nodelay(true));
            let intake = intake.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| answer(&intake, request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // An error is the connection's end.
                drop(connection.await);
            });
        }
    })
}

async fn answer(
    intake: &Intake,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() != Method::POST || request.uri().path() != "/submit" {
        return Ok(reply(404, Bytes::new()));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let Ok(order) = serde_json::from_slice(&body) else {
        return Ok(reply(400, Bytes::new()));
    };
    let (code, outcome) = intake.submit(order).await;
    let body = outcome.and_then(|outcome| serde_json::to_vec(&outcome).ok());
    Ok(reply(code, body.unwrap_or_default().into()))
}

fn reply(code: u16, body: Bytes) -> Response<Full<Bytes>> {
    let is_json = !body.is_empty();
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = code.try_into().unwrap_or_default();
    if is_json {
        let json = HeaderValue::from_static("application/json");
        reply.headers_mut().insert(CONTENT_TYPE, json);
    }
    reply
}
