//! The peer that `perf/grpc` measures against: how fast a gRPC order port is
//! that promises nothing.
//!
//! It is what one would write first: tonic with its own defaults, and a bounded
//! tokio channel that a task empties. An order is answered with "queued" as
//! soon as it is in the channel, refused if that is full. It is not looked at,
//! no ids are remembered, nothing is kept, nothing is drained. It has the
//! service's allocator, so that the difference measured is not the allocator's.
//!
//! `tonic-peer [--listen 127.0.0.1:0] [--threads N] [--queue-capacity 65536]`;
//! prints `listening grpc ADDRESS`.

use std::{error::Error, hint::black_box, net::SocketAddr, process::ExitCode};

use orders_v1::{
    Order, OrderStatus, SubmitRequest, SubmitResponse, SubmitResult, SubmitStreamRequest,
    SubmitStreamResponse,
    order_service_server::{OrderService, OrderServiceServer},
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::StreamExt;
use tonic::{
    Request, Response, Status, Streaming,
    codegen::BoxStream,
    transport::{Server, server::TcpIncoming},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Options {
    listen: SocketAddr,
    threads: usize,
    queue_orders: usize,
}

struct Door {
    queue: mpsc::Sender<Order>,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("tonic-peer: {why}");
            return ExitCode::from(2);
        }
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("tonic-peer: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (queue, mut orders) = mpsc::channel(options.queue_orders);
        tokio::spawn(async move {
            while let Some(order) = orders.recv().await {
                black_box::<Order>(order);
            }
        });
        let listener = TcpListener::bind(options.listen).await?;
        println!("listening grpc {}", listener.local_addr()?);
        // As the service does.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder()
            .add_service(OrderServiceServer::new(Door { queue }))
            .serve_with_incoming(incoming)
            .await?;
        Ok(())
    })
}

#[tonic::async_trait]
impl OrderService for Door {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let order = request.into_inner().order.ok_or_else(no_order)?;
        let id = order.id.clone();
        if self.queue.try_send(order).is_err() {
            return Err(Status::resource_exhausted("the queue is full"));
        }
        Ok(Response::new(SubmitResponse {
            id,
            status: OrderStatus::Queued.into(),
            ..SubmitResponse::default()
        }))
    }

    async fn submit_stream(
        &self,
        request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<BoxStream<SubmitStreamResponse>>, Status> {
        let queue = self.queue.clone();
        let mut index = 0;
        let responses = request.into_inner().map(move |request| {
            index += 1;
            let order = request?.order.ok_or_else(no_order)?;
            let id = order.id.clone();
            let result = match queue.try_send(order) {
                Ok(()) => SubmitResult::Queued,
                Err(_) => SubmitResult::Rejected,
            };
            Ok(SubmitStreamResponse {
                index,
                id,
                result: result.into(),
                ..SubmitStreamResponse::default()
            })
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

fn no_order() -> Status {
    Status::invalid_argument("the request has no order")
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        queue_orders: 65_536,
    };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        let bad = || format!("{flag} can't be {value}");
        match &*flag {
            "--listen" => options.listen = value.parse().map_err(|_| bad())?,
            "--threads" => options.threads = positive(&value).ok_or_else(bad)?,
            "--queue-capacity" => options.queue_orders = positive(&value).ok_or_else(bad)?,
            _ => return Err(format!("{flag} is not known")),
        }
    }
    Ok(options)
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|&number| number > 0)
}
