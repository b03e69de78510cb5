//! The order service: each call handed to the file that serves it.

use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use crate::access::Client;
use crate::grpc::body::DroppedMessages;
use crate::grpc::front_end::FrontEnd;
use crate::grpc::proto::order_service_server::OrderService;
use crate::grpc::proto::{
    FollowRequest, GetOrderRequest, GetOrderResponse, SubmitRequest, SubmitResponse,
    SubmitStreamRequest,
};
use crate::grpc::{follow, idempotency, lookup, request, stream, submit};

pub(super) struct OrderCalls(pub(super) Arc<FrontEnd>);

#[tonic::async_trait]
impl OrderService for OrderCalls {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let client = extensions.get::<Arc<Client>>().map(|client| &**client);
        let submission = request::submission(&metadata, client);
        let request = idempotency::with_key(&self.0.admission, &metadata, request)?;
        let response = submit::submit(&self.0, request, submission).await?;
        Ok(idempotency::marked(response))
    }

    type SubmitStreamStream = stream::Responses;

    async fn submit_stream(
        &self,
        mut request: Request<Streaming<SubmitStreamRequest>>,
    ) -> Result<Response<stream::Responses>, Status> {
        let dropped = request.extensions_mut().remove::<DroppedMessages>();
        let client = request.extensions_mut().remove::<Arc<Client>>();
        let submission = request::submission(request.metadata(), client.as_deref());
        let responses = stream::serve(
            self.0.clone(),
            request.into_inner(),
            dropped.unwrap_or_default(),
            submission,
            client,
        );
        Ok(Response::new(responses))
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
        Ok(follow::serve(self.0.clone(), request.get_ref())?)
    }
}
