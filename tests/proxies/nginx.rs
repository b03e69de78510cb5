//! nginx.

use crate::authority::Authority;
use crate::harness::Service;
use crate::proxy::Proxy;
use crate::requests::all_kinds_come_through;

/// The defaults of nginx: HTTP/1.0, a connection for each request, both
/// directions buffered.
#[test]
fn http_1_0_and_buffers_are_no_obstacle() {
    let authority = Authority::new();
    let service = Service::with_grpc(&[]);
    let proxy = Proxy::start("nginx", &authority, &service, |text| {
        text.replace("proxy_http_version 1.1", "proxy_http_version 1.0")
            .replace("proxy_set_header Connection \"\";", "")
            .replace("proxy_request_buffering off;", "")
    });
    all_kinds_come_through(&authority, &service, &proxy);
    drop(proxy);
    service.drain();
}
