//! The other side of a connection: where it is, who it is, and what it may do.

use std::mem;
use std::net::{IpAddr, SocketAddr};

use crate::access::{Caller, Quota};
use crate::http::api::router;
use crate::http::api::router::{Port, RequestHead, RouteRefusal, Routed};
use crate::http::api::service::Service;
use crate::http::api::site::Source;
use crate::http::wire::{Head, HeadLines};
use crate::peer::Origin;

pub(super) struct Remote {
    pub(super) origin: Origin,
    pub(super) caller: Caller,
    /// The last request that a quota counts was refused for it.
    was_over_quota: bool,
}

impl Remote {
    pub(super) fn new(peer: SocketAddr, service: &Service) -> Self {
        Self {
            origin: Origin::new(peer, &service.proxies),
            caller: Caller::default(),
            was_over_quota: false,
        }
    }

    /// Who asks, where that isn't who has connected. `received` begins with the
    /// head.
    pub(super) fn client_address(
        &self,
        service: &Service,
        head: &Head,
        received: &[u8],
    ) -> Option<IpAddr> {
        let lines = HeadLines(&received[..head.len]);
        self.origin.behind(&service.proxies, &lines)
    }

    /// Decides what a request is. `received` begins with its head.
    pub(super) fn route(&mut self, service: &Service, head: &Head, received: &[u8]) -> Routed {
        let lines = HeadLines(&received[..head.len]);
        let path = head.path(received);
        let head = RequestHead {
            method: Some(head.method),
            path: &path,
            content_type: head.content_type(received),
            source: Source {
                host: head.host(received),
                origin: head.origin(received),
                is_cross_site: head.is_cross_site,
                navigates: head.navigates,
            },
            authorization: head.authorization(received),
            asks_for_method: head.asks_for_method,
            has_idempotency_key: head.idempotency_key(received).is_some(),
        };
        let Service {
            sites,
            access,
            proxies,
            ..
        } = service;
        let origin = &self.origin;
        let address = || origin.client(proxies, &lines);
        let routed = router::route(
            Port::Orders,
            sites,
            access,
            &mut self.caller,
            &head,
            address,
        );
        if self.was_over_quota
            && routed.is_within_quota()
            && self.caller.quota().is_some_and(Quota::is_limited)
        {
            self.was_over_quota = false;
        }
        routed
    }

    /// Whether this refusal is for a quota, as the one before was.
    pub(super) fn is_over_quota_again(&mut self, refusal: RouteRefusal) -> bool {
        matches!(refusal, RouteRefusal::OverQuota(_))
            && mem::replace(&mut self.was_over_quota, true)
    }
}
