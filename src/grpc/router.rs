//! Which service a request is for, and what its body is held to.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::{Builder, v1, v1alpha};
use tower_service::Service;

use crate::grpc::body::{Metered, Oversize, Rules, TooLarge};
use crate::grpc::health::Checks;
use crate::grpc::permit::Placed;
use crate::grpc::proto::DESCRIPTORS;
use crate::grpc::proto::order_service_server::OrderServiceServer;
use crate::grpc::status::Refusal;
use crate::grpc::{Calls, Door};
use crate::metrics::Reason;

const SUBMIT: &str = "/orders.v1.OrderService/Submit";
const SUBMIT_STREAM: &str = "/orders.v1.OrderService/SubmitStream";
const CHECK: &str = "/grpc.health.v1.Health/Check";
/// What is read of a request's headers. The rest is let go before the call
/// begins, which may last: a header list takes a multiple of the bytes that it
/// is held to, and few bytes of the connection.
const HEADERS_READ: [&str; 2] = ["grpc-encoding", "grpc-accept-encoding"];

/// The services, by the first part of a path.
pub(super) struct Switch<R: v1::ServerReflection, A: v1alpha::ServerReflection> {
    orders: OrderServiceServer<Calls>,
    health: HealthServer<Checks>,
    reflection: v1::ServerReflectionServer<R>,
    /// The same by its first name, which is all that some clients know.
    reflection_alpha: v1alpha::ServerReflectionServer<A>,
    rules: Arc<Rules>,
    door: Arc<Door>,
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
        door: door.clone(),
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
            door: self.door.clone(),
        }
    }
}

/// A copy of the headers that are read, without what they came in.
fn read_of(headers: &HeaderMap) -> HeaderMap {
    let read = HEADERS_READ.into_iter().filter_map(|name| {
        let value = headers.get(name)?.as_bytes();
        let name = http::HeaderName::from_static(name);
        Some((name, http::HeaderValue::from_bytes(value).ok()?))
    });
    read.collect()
}

fn refused(refusal: &Refusal) -> BoxFuture<Response<Body>, Infallible> {
    let response = refusal.status().into_http();
    Box::pin(async { Ok(response) })
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
        let path = request.uri().path();
        // Probes go on whatever clients do, or a full server would be restarted.
        let (places, what) = if path == CHECK {
            (&self.door.checks, "checks of health")
        } else {
            (&self.door.calls, "calls")
        };
        let call = match self.door.place(places, what) {
            Ok(place) => place,
            Err(refusal) => {
                if matches!(path, SUBMIT | SUBMIT_STREAM) {
                    self.door.admission.reject(Reason::Full);
                }
                return refused(&refusal);
            }
        };
        *request.headers_mut() = read_of(request.headers());
        let service = request.uri().path().split('/').nth(1);
        let reflection = service.is_some_and(|name| name.starts_with("grpc.reflection."));
        let place = if reflection {
            let places = &self.door.reflections;
            match self.door.place(places, "reflection streams") {
                Ok(place) => Some(place),
                Err(refusal) => return refused(&refusal),
            }
        } else {
            None
        };
        let too_large = match request.uri().path() {
            SUBMIT => TooLarge::EndsCounted,
            SUBMIT_STREAM => {
                let oversize = Oversize::default();
                request.extensions_mut().insert(oversize.clone());
                TooLarge::Drops(oversize)
            }
            _ if reflection => TooLarge::EndsStream,
            _ => TooLarge::Ends,
        };
        let request =
            request.map(|body| Body::new(Metered::new(body, self.rules.clone(), too_large, place)));
        let service = request.uri().path().split('/').nth(1);
        let response = match service.unwrap_or_default() {
            "orders.v1.OrderService" => self.orders.call(request),
            "grpc.health.v1.Health" => self.health.call(request),
            "grpc.reflection.v1.ServerReflection" => self.reflection.call(request),
            "grpc.reflection.v1alpha.ServerReflection" => self.reflection_alpha.call(request),
            _ => Box::pin(async {
                let status = Status::unimplemented("no service has this name");
                Ok(status.into_http())
            }),
        };
        Box::pin(async {
            let response = response.await?;
            Ok(response.map(|body| Body::new(Placed::new(body, call))))
        })
    }
}
