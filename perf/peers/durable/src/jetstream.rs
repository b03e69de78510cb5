//! JetStream: a subject an order, published on condition that it is new.

use async_nats::jetstream::{
    self, Context,
    context::PublishErrorKind,
    message::PublishMessage,
    stream::{Config, StorageType},
};
use shared::Order;

use crate::{BoxError, Stored};

/// Messages go out without waiting for earlier acknowledgements.
pub struct Orders {
    context: Context,
}

impl Orders {
    pub async fn open(address: &str) -> Result<Self, BoxError> {
        let context = jetstream::new(async_nats::connect(address).await?);
        context
            .get_or_create_stream(Config {
                name: "ORDERS".into(),
                subjects: vec!["orders.*".into()],
                storage: StorageType::File,
                ..Config::default()
            })
            .await?;
        Ok(Self { context })
    }

    pub async fn put(&self, order: &Order) -> Result<Stored, BoxError> {
        let message = PublishMessage::build()
            .payload(format!(r#"{{"value":{}}}"#, order.value).into())
            .expected_last_subject_sequence(0);
        let subject = format!("orders.{}", order.id);
        let acknowledged = self.context.send_publish(subject, message).await?;
        match acknowledged.await {
            Ok(ack) => Ok(Stored::New(ack.sequence)),
            // The id has a message already.
            Err(why) if why.kind() == PublishErrorKind::WrongLastSequence => Ok(Stored::Old(None)),
            Err(why) => Err(why.into()),
        }
    }
}
