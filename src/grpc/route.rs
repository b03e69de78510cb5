//! What a path says of its call.

use crate::access::{Need, Scope};
use crate::grpc::limits::CallKind;
use crate::metrics::GrpcMethod;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Submit,
    SubmitStream,
    Follow,
    GetOrder,
    OtherOrders,
    HealthCheck,
    HealthWatch,
    OtherHealth,
    Reflection,
    /// The same by its first name, the only one that some clients know.
    ReflectionAlpha,
    Unknown,
}

impl Route {
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/orders.v1.OrderService/Submit" => return Self::Submit,
            "/orders.v1.OrderService/SubmitStream" => return Self::SubmitStream,
            "/orders.v1.OrderService/Follow" => return Self::Follow,
            "/orders.v1.OrderService/GetOrder" => return Self::GetOrder,
            "/grpc.health.v1.Health/Check" => return Self::HealthCheck,
            "/grpc.health.v1.Health/Watch" => return Self::HealthWatch,
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

    /// Its service and method, for the log; one that isn't known has no name,
    /// since clients choose it.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Submit => "orders.v1.OrderService/Submit",
            Self::SubmitStream => "orders.v1.OrderService/SubmitStream",
            Self::Follow => "orders.v1.OrderService/Follow",
            Self::GetOrder => "orders.v1.OrderService/GetOrder",
            Self::HealthCheck => "grpc.health.v1.Health/Check",
            Self::HealthWatch => "grpc.health.v1.Health/Watch",
            Self::Reflection => "grpc.reflection.v1.ServerReflection",
            Self::ReflectionAlpha => "grpc.reflection.v1alpha.ServerReflection",
            Self::OtherOrders | Self::OtherHealth | Self::Unknown => "other",
        }
    }

    /// The permits that a call of this route takes: one of all calls, and of a
    /// kind that may stay open.
    pub(super) fn call_kinds(self) -> (CallKind, Option<CallKind>) {
        match self {
            // Probes are answered whatever clients do, or a full server would
            // be restarted.
            Self::HealthCheck => (CallKind::HealthCheck, None),
            Self::SubmitStream => (CallKind::Any, Some(CallKind::SubmitStream)),
            Self::Follow => (CallKind::Any, Some(CallKind::Follow)),
            Self::HealthWatch => (CallKind::Any, Some(CallKind::HealthWatch)),
            Self::Reflection | Self::ReflectionAlpha => (CallKind::Any, Some(CallKind::Reflection)),
            _ => (CallKind::Any, None),
        }
    }

    /// What a call needs: health and reflection are open.
    pub(super) fn need(self) -> Option<Need> {
        match self {
            Self::Submit | Self::SubmitStream => Some(Need::Scope(Scope::Submit)),
            Self::Follow | Self::GetOrder | Self::OtherOrders => Some(Need::Scope(Scope::Read)),
            _ => None,
        }
    }

    /// Whether its calls check their token again while they go on: of those
    /// that need one, these last as long as their client likes.
    pub(super) fn outlasts_tokens(self) -> bool {
        matches!(self, Self::SubmitStream | Self::Follow)
    }

    /// The label that its calls are counted under.
    pub(super) fn label(self) -> GrpcMethod {
        match self {
            Self::Submit => GrpcMethod::Submit,
            Self::SubmitStream => GrpcMethod::SubmitStream,
            Self::GetOrder => GrpcMethod::GetOrder,
            Self::Follow => GrpcMethod::Follow,
            Self::HealthCheck | Self::HealthWatch => GrpcMethod::Health,
            Self::Reflection | Self::ReflectionAlpha => GrpcMethod::Reflection,
            Self::OtherOrders | Self::OtherHealth | Self::Unknown => GrpcMethod::Other,
        }
    }

    pub(super) fn has_orders(self) -> bool {
        matches!(self, Self::Submit | Self::SubmitStream)
    }
}
