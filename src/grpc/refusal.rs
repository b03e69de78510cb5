//! What is refused before a service sees it, as a response without a body.

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::grpc::error::{CallError, ErrorReason};

/// The response to a call that is not served.
pub(super) struct Refusal(pub(super) Response<()>);

impl Refusal {
    /// `code` is HTTP's, beside that of the error.
    pub(super) fn new(code: StatusCode, error: &CallError) -> Self {
        let mut response: Response<()> = error.status().into_http();
        *response.status_mut() = code;
        Self(response)
    }
}

/// Refuses what is no gRPC call ("gRPC over HTTP2", Requests).
pub(super) fn check<B>(request: &Request<B>, invalid: Option<&CallError>) -> Result<(), Refusal> {
    if request.method() != Method::POST {
        let error = ErrorReason::BadMethod.error("a call's method is POST");
        let mut refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, &error);
        let headers = refusal.0.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
        return Err(refusal);
    }
    if !is_grpc(request.headers().get(CONTENT_TYPE)) {
        let error = ErrorReason::BadContentType.error("a call's content type is application/grpc");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error));
    }
    invalid.map_or(Ok(()), |error| Err(Refusal::new(StatusCode::OK, error)))
}

/// `application/grpc`, alone or with `+proto` or parameters.
fn is_grpc(content_type: Option<&HeaderValue>) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let Some((kind, rest)) = content_type.and_then(|it| it.as_bytes().split_at_checked(TYPE.len()))
    else {
        return false;
    };
    let rest = rest.strip_prefix(b"+proto").unwrap_or(rest);
    kind.eq_ignore_ascii_case(TYPE) && matches!(rest, [] | [b';' | b' ', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_grpc_with_or_without_its_format() {
        for (value, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; charset=utf-8", true),
            ("Application/gRPC", true),
            ("application/grpc+json", false),
            ("application/grpc-web", false),
            ("application/grp", false),
            ("text/plain", false),
        ] {
            assert_eq!(is_grpc(Some(&HeaderValue::from_static(value))), expected);
        }
        assert!(!is_grpc(None));
    }
}
