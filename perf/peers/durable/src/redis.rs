//! Redis: a script that takes the id and appends the order to a stream at once.

use redis::{Client, Script, aio::MultiplexedConnection};
use shared::Order;

use crate::{BoxError, Stored};

/// Returns the sequence, below 0 if the id was there. Redis runs one script at
/// a time, and writes and syncs what many of them did before it answers them.
const PUT: &str = "
local seq = redis.call('XLEN', KEYS[2]) + 1
if redis.call('SET', KEYS[1], seq, 'NX') then
    redis.call('XADD', KEYS[2], seq .. '-0', 'id', ARGV[1], 'value', ARGV[2])
    return seq
end
return -tonumber(redis.call('GET', KEYS[1]))
";

/// One connection for all: its requests are pipelined.
pub struct Orders {
    connection: MultiplexedConnection,
    put: Script,
}

impl Orders {
    pub async fn open(address: &str) -> Result<Self, BoxError> {
        let client = Client::open(address)?;
        let connection = client.get_multiplexed_async_connection().await?;
        let put = Script::new(PUT);
        Ok(Self { connection, put })
    }

    pub async fn put(&self, order: &Order) -> Result<Stored, BoxError> {
        let mut connection = self.connection.clone();
        let mut call = self.put.prepare_invoke();
        call.key(format!("order:{}", order.id)).key("orders");
        call.arg(&order.id).arg(order.value);
        let seq: i64 = call.invoke_async(&mut connection).await?;
        Ok(if seq > 0 {
            Stored::New(seq as u64)
        } else {
            Stored::Old(Some(seq.unsigned_abs()))
        })
    }
}
