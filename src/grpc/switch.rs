//! Which service a request is for, and what its body is held to.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{Status, body::Body, codegen::BoxFuture};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::{Builder, v1, v1alpha};
use tower_service::Service;

use super::{
    Calls, Door,
    body::{Metered, Oversize, Rules, TooLarge},
    health::Checks,
    proto::{DESCRIPTORS, order_service_server::OrderServiceServer},
};

const SUBMIT: &str = "/orders.v1.OrderService/Submit";
const SUBMIT_STREAM: &str = "/orders.v1.OrderService/SubmitStream";

/// The services, by the first part of a path.
pub(super) struct Switch<R: v1::ServerReflection, A: v1alpha::ServerReflection> {
    orders: OrderServiceServer<Calls>,
    health: HealthServer<Checks>,
    reflection: v1::ServerReflectionServer<R>,
    /// The same by its first name, which is all that some clients know.
    reflection_alpha: v1alpha::ServerReflectionServer<A>,
    rules: Arc<Rules>,
}

/// All services of a door.
pub(super) fn services(
    door: &Arc<Door>,
    rules: Rules,
) -> Switch<impl v1::ServerReflection, impl v1alpha::ServerReflection> {
    const COMPILED: &str = "the descriptors were compiled with this program";
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Switch {
        orders: OrderServiceServer::new(Calls(door.clone()))
            .max_decoding_message_size(rules.message_max),
        health: HealthServer::new(Checks(door.clone())),
        reflection: reflection().build_v1().expect(COMPILED),
        reflection_alpha: reflection().build_v1alpha().expect(COMPILED),
        rules: Arc::new(rules),
    }
}

impl<R: v1::ServerReflection, A: v1alpha::ServerReflection> Clone for Switch<R, A> {
    fn clone(&self) -> Self {
        Self {
            orders: self.orders.clone(),
            health: self.health.clone(),
            reflection: self.reflection.clone(),
            reflection_alpha: self.reflection_alpha.clone(),
            rules: self.rules.clone(),
        }
    }
}

impl<R, A> Service<Request<Body>> for Switch<R, A>
where
    R: v1::ServerReflection,
    A: v1alpha::ServerReflection,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // so are the services behind it
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let too_large = match request.uri().path() {
            SUBMIT => TooLarge::EndsCounted,
            SUBMIT_STREAM => {
                let oversize = Oversize::default();
                request.extensions_mut().insert(oversize.clone());
                TooLarge::Drops(oversize)
            }
            _ => TooLarge::Ends,
        };
        let request =
            request.map(|body| Body::new(Metered::new(body, self.rules.clone(), too_large)));
        let service = request.uri().path().split('/').nth(1);
        match service.unwrap_or_default() {
            "orders.v1.OrderService" => self.orders.call(request),
            "grpc.health.v1.Health" => self.health.call(request),
            "grpc.reflection.v1.ServerReflection" => self.reflection.call(request),
            "grpc.reflection.v1alpha.ServerReflection" => self.reflection_alpha.call(request),
            _ => Box::pin(async {
                let status = Status::unimplemented("no service has this name");
                Ok(status.into_http())
            }),
        }
    }
}
