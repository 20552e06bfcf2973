//! OpenTelemetry's logs over gRPC: one unary call, so that its frame of five bytes and its trailers are all there is to it.

use super::{Denied, Push, Refused, trouble};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use taffrail_base::{Error, ErrorKind, limits};
use taffrail_collect::push::otlp;

/// The call.
pub const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

const OK: &str = "0";
const INVALID_ARGUMENT: &str = "3";
const PERMISSION_DENIED: &str = "7";
const RESOURCE_EXHAUSTED: &str = "8";
const UNAVAILABLE: &str = "14";
const UNAUTHENTICATED: &str = "16";

/// The call's answer: a message if it went well, and the trailers that say so.
fn answer(status: &'static str, message: &str) -> Response {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    // Percent-encoded, as trailers want it: what is no plain ASCII is left out.
    let plain: String = message.chars().filter(|c| matches!(c, ' '..='~') && *c != '%').collect();
    if let Ok(value) = HeaderValue::from_str(&plain)
        && status != OK
    {
        trailers.insert("grpc-message", value);
    }
    let empty_message = (status == OK).then(|| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(&[0; 5]))));
    let frames = empty_message.into_iter().chain([Ok(Frame::trailers(trailers))]);
    let mut response = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn refused(refused: Refused) -> Response {
    let denied = matches!(refused, Refused::Denied(_)).then_some(match refused {
        Refused::Denied(Denied::Missing) => UNAUTHENTICATED,
        _ => PERMISSION_DENIED,
    });
    let (status, message) = refused.plain();
    answer(denied.unwrap_or_else(|| of(status)), &message)
}

fn of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
        StatusCode::PAYLOAD_TOO_LARGE => RESOURCE_EXHAUSTED,
        _ => INVALID_ARGUMENT,
    }
}

/// The records of one request.
pub async fn export(push: Result<Push, Refused>) -> Response {
    let push = match push {
        Ok(push) => push,
        Err(error) => return refused(error),
    };
    let packed_by = push.headers.get("grpc-encoding").and_then(|value| value.to_str().ok()).unwrap_or("identity").to_owned();
    let stored = push.take("otlp", move |body, intake| {
        let message = message(body, &packed_by)?;
        otlp::from_protobuf(&message, intake)
    });
    match stored.await {
        Ok(_) => answer(OK, ""),
        Err(error) => {
            let (status, message) = trouble(&error);
            answer(of(status), &message)
        }
    }
}

/// The one message of the body, unpacked.
fn message(body: &[u8], packed_by: &str) -> Result<Vec<u8>, Error> {
    let wrong = |what: String| Error::new(ErrorKind::Invalid, what);
    let Some((&[packed, a, b, c, d], message)) = body.split_first_chunk() else {
        return Err(wrong("the request has no message".into()));
    };
    if u32::from_be_bytes([a, b, c, d]) as usize != message.len() {
        return Err(wrong("the request is not one whole message".into()));
    }
    let encoding = match (packed, packed_by) {
        (0, _) => return Ok(message.to_vec()),
        (1, "gzip") => super::Encoding::Gzip,
        (1, "deflate") => super::Encoding::Deflate,
        (1, "zstd") => super::Encoding::Zstd,
        _ => return Err(wrong(format!("the encoding {packed_by:?} is not taken"))),
    };
    super::expand(encoding, message, limits::INGEST_EXPANDED_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutator::Mutator;
    use std::io::Write;
    use taffrail_collect::http::IngestOrigin;
    use taffrail_collect::push::Intake;
    use taffrail_event::Timestamp;

    /// `resource_logs { scope_logs { log_records { body { string_value: "grpc 1" } } } }`
    const RECORD: &[u8] = b"\x0a\x0e\x12\x0c\x12\x0a\x2a\x08\x0a\x06grpc 1";

    fn frame(packed: u8, message: &[u8]) -> Vec<u8> {
        let mut frame = vec![packed];
        frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
        frame.extend_from_slice(message);
        frame
    }

    /// A frame is taken with what it says, or refused and leaves nothing.
    #[test]
    fn ten_thousand_malformed_frames() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(RECORD).unwrap();
        let zstd = zstd::bulk::compress(RECORD, 3).unwrap();
        let frames = [("identity", frame(0, RECORD)), ("gzip", frame(1, &gzip.finish().unwrap())), ("zstd", frame(1, &zstd))];
        let mut mutator = Mutator::new(b"\0\x01\x0a\x12\x1f\x8b\xff");
        let (mut taken, mut refused) = (0, 0);
        for number in 0..10_000 {
            let (encoding, right) = &frames[number % frames.len()];
            assert_eq!(message(right, encoding).unwrap(), RECORD);
            let body = mutator.change(right);
            let mut intake = Intake::new(&IngestOrigin::default(), "otlp", Timestamp(0)).unwrap();
            let said = message(&body, encoding).and_then(|message| otlp::from_protobuf(&message, &mut intake));
            let there: usize = intake.finish().iter().map(|batch| batch.len()).sum();
            match said {
                Ok(said) => {
                    assert_eq!(said, there, "{body:?}");
                    taken += said;
                }
                Err(_) => {
                    assert_eq!(there, 0, "{body:?}");
                    refused += 1;
                }
            }
        }
        assert!(taken > 100 && refused > 1_000, "{taken} events taken, {refused} frames refused");
    }
}
