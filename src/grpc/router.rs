//! Which service serves a request, with which permits, and what its body is held
//! to.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::{Builder, v1, v1alpha};

use crate::access::{Caller, Grant, Identity, InFlight, Quota};
use crate::grpc::access_log::CallLog;
use crate::grpc::body::{BodyRules, DroppedMessages, LimitedBody, RequestBody, RequestKind};
use crate::grpc::call_permits::{CallPermit, ConnectionPermits};
use crate::grpc::calls::OrderCalls;
use crate::grpc::error::{self, CallError, ErrorReason};
use crate::grpc::front_end::FrontEnd;
use crate::grpc::health::HealthCalls;
use crate::grpc::idempotency;
use crate::grpc::metadata::Metadata;
use crate::grpc::proto::DESCRIPTORS;
use crate::grpc::proto::order_service_server::OrderServiceServer;
use crate::grpc::refusal::{Refusal, check};
use crate::grpc::request;
use crate::grpc::route::Route;
use crate::grpc::status;
use crate::metrics::{DenyReason, Reason};
use crate::peer::Origin;

/// The headers of a request that are read. The rest is dropped before the call
/// begins, which may last: a header list takes a multiple of the bytes that it
/// is held to, and few bytes of the connection.
const HEADERS_READ: [&str; 4] = [
    "grpc-encoding",
    "grpc-accept-encoding",
    idempotency::KEY,
    request::TRACEPARENT,
];

/// What a call needs of its connection.
pub(super) struct OfConnection<'a> {
    pub(super) permits: &'a ConnectionPermits,
    pub(super) caller: &'a Mutex<Caller>,
    pub(super) origin: &'a Origin,
    /// Hears whose call it is.
    pub(super) log: &'a mut CallLog,
}

/// The services, whatever they are made of.
pub(super) trait Services: Send + Sync {
    /// Begins a call, or refuses it; `invalid` is what is wrong with its
    /// headers beside what is checked here.
    fn begin(
        &self,
        request: Request<RequestBody>,
        connection: OfConnection<'_>,
        invalid: Option<&CallError>,
    ) -> Result<BegunCall, Refusal>;
}

/// A call that is served.
pub(super) struct BegunCall {
    pub(super) response: BoxFuture<Response<Body>, Infallible>,
    pub(super) permit: CallPermit,
    /// In the quota of its client, to the last byte of the response.
    pub(super) in_flight: Option<InFlight>,
    /// Whether what becomes of it is counted.
    pub(super) has_orders: bool,
}

/// All services of the front end.
struct Router<R: v1::ServerReflection, A: v1alpha::ServerReflection> {
    orders: OrderServiceServer<OrderCalls>,
    health: HealthServer<HealthCalls>,
    reflection: v1::ServerReflectionServer<R>,
    reflection_alpha: v1alpha::ServerReflectionServer<A>,
    rules: Arc<BodyRules>,
    front_end: Arc<FrontEnd>,
}

/// Builds the services.
pub(super) fn services(front_end: &Arc<FrontEnd>, rules: BodyRules) -> Arc<dyn Services> {
    const COMPILED: &str = "the descriptors were compiled with this program";
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Arc::new(Router {
        orders: OrderServiceServer::new(OrderCalls(front_end.clone()))
            .max_decoding_message_size(front_end.limits.message_bytes_max),
        health: HealthServer::new(HealthCalls(front_end.clone())),
        reflection: reflection().build_v1().expect(COMPILED),
        reflection_alpha: reflection().build_v1alpha().expect(COMPILED),
        rules: Arc::new(rules),
        front_end: front_end.clone(),
    })
}

impl<R: v1::ServerReflection, A: v1alpha::ServerReflection> Router<R, A> {
    /// Refuses a page in a browser. Browsers don't speak HTTP/2 without TLS,
    /// but a proxy may do it for them.
    #[cold]
    fn refuse_page(&self, route: Route) -> Refusal {
        if route.has_orders() {
            self.front_end.admission.reject(Reason::Unauthorized);
        }
        self.front_end.count_denied(DenyReason::OtherSite);
        let detail = "a page asks, by its Origin; this port serves programs only";
        Refusal::new(StatusCode::OK, &ErrorReason::OtherSite.error(detail))
    }

    /// Counts a call in the quota of its client. A stream counts as in flight,
    /// and in the rate with each of its orders.
    fn within_quota(
        &self,
        route: Route,
        quota: Option<&Quota>,
    ) -> Result<Option<InFlight>, Refusal> {
        let charges = route != Route::SubmitStream;
        let begun = quota.map_or(Ok(None), |quota| quota.begin(charges));
        begun.map_err(|over| {
            if route.has_orders() {
                self.front_end.admission.reject(Reason::RateLimited);
            }
            Refusal::new(StatusCode::OK, &status::over_quota(&over))
        })
    }

    /// Refuses a call whose token isn't good for it; returns whose call it is,
    /// and what it checks while it goes on.
    fn check_token(
        &self,
        route: Route,
        headers: &HeaderMap,
        connection: &mut OfConnection<'_>,
    ) -> Result<(Identity, Option<Grant>), Refusal> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let authorization = lines.next().map(HeaderValue::as_bytes);
        let refused = |error: &CallError| {
            if route.has_orders() {
                self.front_end.admission.reject(Reason::Unauthorized);
            }
            Refusal::new(StatusCode::OK, error)
        };
        if lines.next().is_some() {
            let detail = "authorization is given more than once";
            return Err(refused(&ErrorReason::InvalidRequest.error(detail)));
        }
        let OfConnection {
            caller,
            origin,
            log,
            ..
        } = connection;
        let mut caller = caller.lock().unwrap_or_else(PoisonError::into_inner);
        let FrontEnd {
            access, proxies, ..
        } = &*self.front_end;
        let address = || origin.client(proxies, &Metadata(headers));
        let need = route.need();
        let checked = access.check(&mut caller, authorization, need, address);
        log.client(caller.name());
        checked.map_err(|denied| {
            self.front_end.count_denied(denied.reason());
            refused(&status::denied(denied))
        })?;
        let need = need.filter(|_| route.outlasts_tokens());
        let grant = need.and_then(|need| Grant::of(access, &caller, need));
        Ok((caller.identity(), grant))
    }

    /// Hands a request to its service.
    fn dispatch(
        &self,
        route: Route,
        request: Request<LimitedBody<RequestBody>>,
    ) -> BoxFuture<Response<Body>, Infallible> {
        match route {
            Route::Submit
            | Route::SubmitStream
            | Route::Follow
            | Route::GetOrder
            | Route::OtherOrders => self.orders.clone().call(request),
            Route::HealthCheck | Route::HealthWatch | Route::OtherHealth => {
                self.health.clone().call(request)
            }
            Route::Reflection => self.reflection.clone().call(request),
            Route::ReflectionAlpha => self.reflection_alpha.clone().call(request),
            Route::Unknown => {
                let error = ErrorReason::Unimplemented.error("no service has this name");
                Box::pin(async move { Ok(error.status().into_http()) })
            }
        }
    }

    fn permit(&self, route: Route, permits: &ConnectionPermits) -> Result<CallPermit, CallError> {
        let (kind, open_kind) = route.call_kinds();
        let permit = permits.try_begin(kind, open_kind);
        permit.inspect_err(|_| {
            if route.has_orders() {
                self.front_end.admission.reject(Reason::Full);
            }
        })
    }
}

impl<R: v1::ServerReflection, A: v1alpha::ServerReflection> Services for Router<R, A> {
    fn begin(
        &self,
        mut request: Request<RequestBody>,
        mut connection: OfConnection<'_>,
        invalid: Option<&CallError>,
    ) -> Result<BegunCall, Refusal> {
        let route = Route::of(request.uri().path());
        if request.headers().contains_key(ORIGIN) {
            return Err(self.refuse_page(route));
        }
        check(&request, invalid).inspect_err(|_| {
            if route.has_orders() {
                self.front_end.admission.reject(Reason::Invalid);
            }
        })?;
        let (identity, grant) = self.check_token(route, request.headers(), &mut connection)?;
        let permit = self.permit(route, connection.permits);
        let permit = permit.map_err(|error| Refusal::new(StatusCode::OK, &error))?;
        let in_flight = self.within_quota(route, identity.quota.as_ref())?;
        *request.headers_mut() = headers_read(request.headers());
        if identity.is_known() {
            request.extensions_mut().insert(identity);
        }
        if let Some(grant) = grant {
            request.extensions_mut().insert(grant);
        }
        if let Some(counts) = connection.log.counts() {
            request.extensions_mut().insert(counts);
        }
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
        let request = request.map(|body| LimitedBody::new(body, self.rules.clone(), kind));
        Ok(BegunCall {
            response: self.dispatch(route, request),
            permit,
            in_flight,
            has_orders: route.has_orders(),
        })
    }
}

/// A service's response. One that `tonic` refused the request with becomes one
/// of our errors.
pub(super) fn completed(
    response: Response<Body>,
    has_orders: bool,
    front_end: &FrontEnd,
) -> Response<Body> {
    let headers = response.headers();
    if !headers.contains_key(Status::GRPC_STATUS) {
        return response; // it has a body, and its status behind that
    }
    let status = Status::from_header_map(headers);
    let Some(error) = status.and_then(|status| error::of_library(&status)) else {
        return response;
    };
    if has_orders {
        front_end.admission.reject(Reason::Invalid);
    }
    let mut ours: Response<Body> = error.status().into_http();
    // Such as the compressions that are taken.
    for (name, value) in headers {
        if !ours.headers().contains_key(name) {
            ours.headers_mut().append(name, value.clone());
        }
    }
    ours
}

/// A copy of the headers that are read, without the buffer they came in.
fn headers_read(headers: &HeaderMap) -> HeaderMap {
    let mut read = HeaderMap::new();
    for name in HEADERS_READ {
        for value in headers.get_all(name) {
            let value = HeaderValue::from_bytes(value.as_bytes());
            read.append(
                HeaderName::from_static(name),
                value.expect("the same bytes are one"),
            );
        }
    }
    read
}
