//! The order service: each call handed to the file that serves it.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::access::{Grant, Identity};
use crate::grpc::access_log::StreamCounts;
use crate::grpc::body::DroppedMessages;
use crate::grpc::front_end::FrontEnd;
use crate::grpc::proto::order_service_server::OrderService;
use crate::grpc::proto::{
    FollowRequest, GetOrderRequest, GetOrderResponse, SubmitRequest, SubmitResponse,
    SubmitStreamRequest,
};
use crate::grpc::stream::OfCall;
use crate::grpc::{follow, idempotency, lookup, request, stream, submit};

pub(super) struct OrderCalls(pub(super) Arc<FrontEnd>);

#[tonic::async_trait]
impl OrderService for OrderCalls {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let name = extensions.get().and_then(|caller: &Identity| caller.name);
        let submission = request::submission(metadata.as_ref(), name);
        let request = idempotency::with_key(&self.0.admission, &metadata, request)?;
        let response = submit::submit(&self.0, request, submission).await?;
        Ok(idempotency::marked(response))
    }

    type SubmitStreamStream = stream::Responses;

    async fn submit_stream(
        &self,
        mut request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<stream::Responses>, Status> {
        let extensions = request.extensions_mut();
        let dropped = extensions.remove::<DroppedMessages>();
        let counts = extensions.remove::<Arc<StreamCounts>>();
        let identity = extensions.remove::<Identity>();
        let grant = extensions.remove::<Grant>();
        let Identity { name, quota } = identity.unwrap_or_default();
        let call = OfCall {
            dropped: dropped.unwrap_or_default(),
            submission: request::submission(request.metadata().as_ref(), name),
            quota,
            grant,
            counts: counts.clone(),
        };
        let responses = stream::serve(self.0.clone(), request.into_inner(), call);
        Ok(Response::new(match counts {
            None => responses,
            Some(counts) => counted(responses, counts),
        }))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        Ok(lookup::get_order(&self.0, request.into_inner()).await?)
    }

    type FollowStream = follow::Outcomes;

    async fn follow(
        &self,
        request: Request<FollowRequest>,
    ) -> Result<Response<follow::Outcomes>, Status> {
        let grant = request.extensions().get::<Grant>().cloned();
        let outcomes = follow::serve(self.0.clone(), request.get_ref(), grant)?;
        Ok(match request.extensions().get::<Arc<StreamCounts>>() {
            None => outcomes,
            Some(counts) => outcomes.map(|outcomes| counted(outcomes, counts.clone())),
        })
    }
}

/// Counts what a stream sends, for the access log.
fn counted<T: 'static>(
    responses: Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>,
    counts: Arc<StreamCounts>,
) -> Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>> {
    Box::pin(responses.inspect(move |response| {
        if response.is_ok() {
            counts.response();
        }
    }))
}
