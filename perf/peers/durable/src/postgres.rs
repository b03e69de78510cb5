//! PostgreSQL: an insert of its own for each order, committed before the reply.

use std::sync::atomic::{AtomicUsize, Ordering};

use shared::Order;
use tokio_postgres::{Client, NoTls, Statement};

use crate::{BoxError, Stored};

const TABLE: &str = "create table if not exists orders (
    id text primary key,
    seq bigint generated always as identity,
    value double precision not null
)";
const INSERT: &str =
    "insert into orders (id, value) values ($1, $2) on conflict (id) do nothing returning seq";
const SELECT: &str = "select seq from orders where id = $1";

/// Connections, each with its statements prepared. A client sends without
/// waiting for earlier answers (pipelining); commits of different connections
/// share an fsync, so more connections mean larger groups.
pub struct Orders {
    clients: Vec<(Client, Statement, Statement)>,
    next: AtomicUsize,
}

impl Orders {
    pub async fn open(address: &str, connections: usize) -> Result<Self, BoxError> {
        let mut clients = Vec::with_capacity(connections);
        for number in 0..connections {
            let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
            tokio::spawn(async move {
                if let Err(why) = connection.await {
                    eprintln!("durable-peer: {why}");
                }
            });
            if number == 0 {
                client.batch_execute(TABLE).await?;
            }
            let insert = client.prepare(INSERT).await?;
            let select = client.prepare(SELECT).await?;
            clients.push((client, insert, select));
        }
        let next = AtomicUsize::new(0);
        Ok(Self { clients, next })
    }

    pub async fn put(&self, order: &Order) -> Result<Stored, BoxError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.clients.len();
        let (client, insert, select) = &self.clients[number];
        if let Some(row) = client.query_opt(insert, &[&order.id, &order.value]).await? {
            return Ok(Stored::New(row.get::<_, i64>(0) as u64));
        }
        let row = client.query_opt(select, &[&order.id]).await?;
        Ok(Stored::Old(row.map(|row| row.get::<_, i64>(0) as u64)))
    }
}
