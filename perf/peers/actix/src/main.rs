//! An order port that promises nothing, behind actix-web: `actix-peer
//! [OPTIONS]`, see the crate `shared`.

use std::{error::Error, process::ExitCode};

use actix_web::{
    App, HttpResponse, HttpServer,
    http::StatusCode,
    rt,
    web::{self, Data, Json},
};
use shared::{Intake, Options, Order};

fn main() -> ExitCode {
    shared::run("actix-peer", serve)
}

fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    rt::System::new().block_on(async {
        let (intake, consumer) = Intake::new(options);
        rt::spawn(consumer);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::new(intake.clone()))
                .route("/submit", web::post().to(submit))
        })
        .workers(options.threads)
        // As the service does.
        .on_connect(|stream, _| {
            if let Some(stream) = stream.downcast_ref::<rt::net::TcpStream>() {
                // A failure means that the peer has gone, which the next read
                // says, too.
                drop(stream.set_nodelay(true));
            }
        })
        .bind(options.listen)?;
        for address in server.addrs() {
            println!("listening http {address}");
        }
        server.run().await?;
        Ok(())
    })
}

async fn submit(intake: Data<Intake>, order: Json<Order>) -> HttpResponse {
    let (code, outcome) = intake.submit(order.into_inner()).await;
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = HttpResponse::build(code);
    match outcome {
        Some(outcome) => reply.json(outcome),
        None => reply.finish(),
    }
}
