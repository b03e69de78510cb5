//! Opening: connect, find or create the stream, start the thread.

use std::io;
use std::sync::{Arc, mpsc};

use async_nats::{Client, Subscriber};
use tokio::runtime::Builder;
use tokio::sync::mpsc as channel;
use tokio::time::sleep;

use crate::ledger::nats::api::Api;
use crate::ledger::nats::archive::{NatsArchive, REQUESTS_MAX};
use crate::ledger::nats::cluster::Cluster;
use crate::ledger::nats::connect::{self, Events};
use crate::ledger::nats::error::NatsError;
use crate::ledger::nats::hooks::Hooks;
use crate::ledger::nats::ledger::NatsLedger;
use crate::ledger::nats::options::Options;
use crate::ledger::nats::position::Position;
use crate::ledger::nats::protocol::StreamInfo;
use crate::ledger::nats::publisher::Publisher;
use crate::ledger::nats::reader::{Reader, Request};
use crate::ledger::nats::refused::is_final;
use crate::ledger::nats::session::Session;
use crate::ledger::nats::shared::Shared;
use crate::ledger::nats::stream::{self, Unusable};
use crate::ledger::{Archive, Item, Ledger, LedgerId};
use crate::order::HashKey;
use crate::sync::crash;

/// How often an opening that takes long says what it waits for.
const REPORT_EVERY: usize = 10;

/// The two sides.
pub(crate) type Opened<T> = (Box<dyn Ledger<T>>, Arc<dyn Archive>);

/// What the read side is told once the stream is there.
type Known = (LedgerId, Arc<Cluster>);

/// What is known once the stream is there.
struct Connected {
    api: Api,
    info: StreamInfo,
    acks: (Subscriber, String),
    events: Events,
}

/// Connects and finds or creates the stream; waits for as long as no server can
/// be reached or the stream has no leader. Orders are hashed with `key`.
///
/// # Errors
/// When waiting would not help.
pub(crate) fn open<T: Item + 'static>(
    options: Options,
    key: HashKey,
    hooks: Hooks,
) -> Result<Opened<T>, NatsError> {
    let shared = Arc::new(Shared::new(hooks.wake.clone()));
    let position = Arc::new(Position::default());
    let (requests, receiver) = channel::channel(REQUESTS_MAX);
    let (opened, result) = mpsc::channel();
    let (ledger, at) = (shared.clone(), position.clone());
    crash::spawn("nats", move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(opened.send(Err(NatsError::Thread(error)))),
        };
        runtime.block_on(serve(options, key, hooks, (ledger, at), receiver, &opened));
    })?;
    let (id, cluster) = result.recv().map_err(io::Error::other)??;
    let archive = NatsArchive {
        requests,
        position,
        cluster,
        id,
    };
    Ok((Box::new(NatsLedger::new(shared)), Arc::new(archive)))
}

/// The life of the thread.
async fn serve<T: Item + 'static>(
    options: Options,
    key: HashKey,
    hooks: Hooks,
    (shared, position): (Arc<Shared<T>>, Arc<Position>),
    requests: channel::Receiver<Request>,
    opened: &mpsc::Sender<Result<Known, NatsError>>,
) {
    let Connected {
        api,
        info,
        acks,
        events,
    } = match connected(&options).await {
        Ok(connected) => connected,
        Err(error) => return drop(opened.send(Err(error))),
    };
    position.update(info.state);
    let id = LedgerId::derived(&format!("{}\n{}", options.stream, info.created));
    tracing::info!(
        stream = options.stream,
        ledger = %id,
        last_seq = info.state.last_seq,
        oldest_seq = position.oldest(),
        "the stream is open; whether its servers sync each message to disk can't be seen from \
         here: sync_interval has to be always"
    );
    let cluster = Arc::new(Cluster::new(api.client.clone(), &options.stream, &info));
    let reader = Reader {
        api: api.clone(),
        key: key.clone(),
        position: position.clone(),
    };
    tokio::spawn(async move {
        let _guard = crash::guard();
        reader.run(requests).await;
    });
    // The caller has ended otherwise.
    let _ = opened.send(Ok((id, cluster.clone())));
    let session = Session {
        api,
        options,
        key,
        position,
        cluster,
        hooks,
        batches: info.takes_batches(),
        created: info.created,
    };
    Publisher::new(session, shared, acks, events).run().await;
}

async fn connected(options: &Options) -> Result<Connected, NatsError> {
    let (client, events) = client(options).await?;
    connect::check_server(&client, options)?;
    let inbox = format!("{}.", client.new_inbox());
    let failed =
        |error: &dyn std::fmt::Display| NatsError::Thread(io::Error::other(error.to_string()));
    let acks = client.subscribe(format!("{inbox}*")).await;
    let acks = acks.map_err(|error| failed(&error))?;
    let api = Api {
        client,
        stream: options.stream.clone(),
    };
    let mut attempt = 0;
    let info = loop {
        match stream::open(&api, options).await {
            Ok(info) => break info,
            Err(Unusable::Final(error)) => return Err(error),
            Err(Unusable::Passing(why)) => pause(&mut attempt, &why).await,
        }
    };
    Ok(Connected {
        api,
        info,
        acks: (acks, inbox),
        events,
    })
}

/// The first connection.
async fn client(options: &Options) -> Result<(Client, Events), NatsError> {
    let mut attempt = 0;
    loop {
        let (connect, events) = connect::prepare(options).await?;
        match connect.connect(&options.servers[..]).await {
            Ok(client) => return Ok((client, events)),
            Err(error) => {
                if let Some(error) = is_final(&error, options) {
                    return Err(error);
                }
                pause(&mut attempt, &error).await;
            }
        }
    }
}

/// Waits before the next attempt.
async fn pause(attempt: &mut usize, why: &dyn std::fmt::Display) {
    if attempt.is_multiple_of(REPORT_EVERY) {
        tracing::warn!(%why, "waiting for NATS: not ready");
    }
    *attempt += 1;
    sleep(connect::pause(*attempt)).await;
}
