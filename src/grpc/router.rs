//! Which service serves a request, with which permits, and what its body is held to.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::{Builder, v1, v1alpha};
use tower_service::Service;

use crate::grpc::body::{BodyRules, DroppedMessages, LimitedBody, RequestKind};
use crate::grpc::calls::OrderCalls;
use crate::grpc::error::CallError;
use crate::grpc::front_end::FrontEnd;
use crate::grpc::health::HealthCalls;
use crate::grpc::limits::CallKind;
use crate::grpc::permit_body::PermitBody;
use crate::grpc::proto::DESCRIPTORS;
use crate::grpc::proto::order_service_server::OrderServiceServer;
use crate::metrics::Reason;

/// The headers of a request that are read. The rest is dropped before the call
/// begins, which may last: a header list takes a multiple of the bytes that it
/// is held to, and few bytes of the connection.
const HEADERS_READ: [&str; 2] = ["grpc-encoding", "grpc-accept-encoding"];

/// What a path says of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Submit,
    SubmitStream,
    OtherOrders,
    HealthCheck,
    OtherHealth,
    Reflection,
    /// The same by its first name, the only one that some clients know.
    ReflectionAlpha,
    Unknown,
}

impl Route {
    fn of(path: &str) -> Self {
        match path {
            "/orders.v1.OrderService/Submit" => return Self::Submit,
            "/orders.v1.OrderService/SubmitStream" => return Self::SubmitStream,
            "/grpc.health.v1.Health/Check" => return Self::HealthCheck,
            _ => {}
        }
        match path.split('/').nth(1).unwrap_or_default() {
            "orders.v1.OrderService" => Self::OtherOrders,
            "grpc.health.v1.Health" => Self::OtherHealth,
            "grpc.reflection.v1.ServerReflection" => Self::Reflection,
            "grpc.reflection.v1alpha.ServerReflection" => Self::ReflectionAlpha,
            _ => Self::Unknown,
        }
    }

    /// The permits that a call of this route takes.
    fn call_kind(self) -> CallKind {
        match self {
            // Probes are answered whatever clients do, or a full server would be
            // restarted.
            Self::HealthCheck => CallKind::HealthCheck,
            _ => CallKind::Any,
        }
    }

    fn submits_orders(self) -> bool {
        matches!(self, Self::Submit | Self::SubmitStream)
    }

    fn is_reflection(self) -> bool {
        matches!(self, Self::Reflection | Self::ReflectionAlpha)
    }
}

/// All services of the front end.
pub(super) struct Router<R: v1::ServerReflection, A: v1alpha::ServerReflection> {
    orders: OrderServiceServer<OrderCalls>,
    health: HealthServer<HealthCalls>,
    reflection: v1::ServerReflectionServer<R>,
    reflection_alpha: v1alpha::ServerReflectionServer<A>,
    rules: Arc<BodyRules>,
    front_end: Arc<FrontEnd>,
}

/// Builds the services.
pub(super) fn services(
    front_end: &Arc<FrontEnd>,
    rules: BodyRules,
) -> Router<impl v1::ServerReflection, impl v1alpha::ServerReflection> {
    const COMPILED: &str = "the descriptors were compiled with this program";
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Router {
        orders: OrderServiceServer::new(OrderCalls(front_end.clone()))
            .max_decoding_message_size(front_end.limits.message_bytes_max),
        health: HealthServer::new(HealthCalls(front_end.clone())),
        reflection: reflection().build_v1().expect(COMPILED),
        reflection_alpha: reflection().build_v1alpha().expect(COMPILED),
        rules: Arc::new(rules),
        front_end: front_end.clone(),
    }
}

impl<R: v1::ServerReflection, A: v1alpha::ServerReflection> Router<R, A> {
    /// The permits of a call: one that its response holds, and for reflection one
    /// that its request holds, too.
    fn permits(
        &self,
        route: Route,
    ) -> Result<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>), CallError> {
        let permits = &self.front_end.permits;
        let call = permits.try_acquire(route.call_kind());
        let call = call.inspect_err(|_| {
            if route.submits_orders() {
                self.front_end.admission.reject(Reason::Full);
            }
        })?;
        let stream = route
            .is_reflection()
            .then(|| permits.try_acquire(CallKind::Reflection))
            .transpose()?;
        Ok((call, stream))
    }

    /// Hands a request to its service.
    fn dispatch(
        &mut self,
        route: Route,
        request: Request<Body>,
    ) -> BoxFuture<Response<Body>, Infallible> {
        match route {
            Route::Submit | Route::SubmitStream | Route::OtherOrders => self.orders.call(request),
            Route::HealthCheck | Route::OtherHealth => self.health.call(request),
            Route::Reflection => self.reflection.call(request),
            Route::ReflectionAlpha => self.reflection_alpha.call(request),
            Route::Unknown => ended_with(&Status::unimplemented("no service has this name")),
        }
    }
}

impl<R: v1::ServerReflection, A: v1alpha::ServerReflection> Clone for Router<R, A> {
    fn clone(&self) -> Self {
        Self {
            orders: self.orders.clone(),
            health: self.health.clone(),
            reflection: self.reflection.clone(),
            reflection_alpha: self.reflection_alpha.clone(),
            rules: self.rules.clone(),
            front_end: self.front_end.clone(),
        }
    }
}

impl<R, A> Service<Request<Body>> for Router<R, A>
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
        let route = Route::of(request.uri().path());
        let (call_permit, stream_permit) = match self.permits(route) {
            Ok(permits) => permits,
            Err(error) => return ended_with(&error.status()),
        };
        *request.headers_mut() = headers_read(request.headers());
        let kind = match route {
            Route::Submit => RequestKind::OneOrder,
            Route::SubmitStream => {
                let dropped = DroppedMessages::default();
                request.extensions_mut().insert(dropped.clone());
                RequestKind::OrderStream(dropped)
            }
            Route::Reflection | Route::ReflectionAlpha => RequestKind::Stream,
            _ => RequestKind::OneMessage,
        };
        let rules = self.rules.clone();
        let request =
            request.map(|body| Body::new(LimitedBody::new(body, rules, kind, stream_permit)));
        let response = self.dispatch(route, request);
        Box::pin(async {
            let response = response.await?;
            Ok(response.map(|body| Body::new(PermitBody::new(body, call_permit))))
        })
    }
}

/// A copy of the headers that are read, without the buffer they came in.
fn headers_read(headers: &HeaderMap) -> HeaderMap {
    let read = HEADERS_READ.into_iter().filter_map(|name| {
        let value = headers.get(name)?.as_bytes();
        let name = HeaderName::from_static(name);
        Some((name, http::HeaderValue::from_bytes(value).ok()?))
    });
    read.collect()
}

fn ended_with(status: &Status) -> BoxFuture<Response<Body>, Infallible> {
    let response = status.clone().into_http();
    Box::pin(async { Ok(response) })
}
