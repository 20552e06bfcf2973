//! Against a small server in this process that speaks enough of S3.
#![allow(clippy::disallowed_methods)] // tests use the disk and wait for a server

pub mod server;
mod whole;

use super::*;
use server::{Fault, KEY_NAME, Server};
use std::time::Instant;
use taffrail_base::limits::ARCHIVE_PART_BYTES;
use taffrail_base::{ManualClock, SystemClock};

const URL: &str = "s3://logs/below";
const SECRET: &str = "very/secret+key";

fn access(endpoint: &str) -> Access {
    Access {
        endpoint: Some(endpoint.to_owned()),
        region: Some("here".into()),
        access_key: Some(KEY_NAME.into()),
        secret_key: Some(SECRET.into()),
        virtual_host: false,
    }
}

/// So short that a test waits little.
const SHORT: Patience =
    Patience { connect: Duration::from_millis(500), request: Duration::from_millis(1_500), retries: 2, retry_for: Duration::from_secs(5) };

fn stores(access: Access, environment: &[(&str, &str)], clock: Arc<dyn Clock>) -> ObjectStores {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ObjectStores::new(BTreeMap::from([(URL.to_owned(), access)]), environment, clock).with_patience(SHORT)
}

fn open(server: &Server) -> (Arc<dyn Remote>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(0));
    (stores(access(&server.address), &[], clock.clone()).open(URL).unwrap(), clock)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at * at * 31 % 251) as u8).collect()
}

fn kinds(server: &Server) -> Vec<&'static str> {
    server.requests().into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn what_is_put_is_there_by_ranges_until_it_is_deleted() {
    let server = Server::new();
    let (remote, _) = open(&server);
    let sent = bytes(100_000);
    remote.put("main/one.seg", sent.clone()).unwrap();
    assert_eq!(server.objects(), [("logs/below/main/one.seg".to_owned(), 100_000)]);
    assert_eq!(remote.len("main/one.seg").unwrap(), 100_000);
    assert_eq!(remote.get("main/one.seg", 500..1_500).unwrap(), sent[500..1_500]);
    assert_eq!(remote.get("main/one.seg", 0..100_000).unwrap(), sent);
    assert_eq!(server.requests()[2], ("get", "bytes=500-1499".to_owned()));
    remote.delete("main/one.seg").unwrap();
    remote.delete("main/one.seg").unwrap();
    let error = remote.get("main/one.seg", 0..1).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "object main/one.seg: it is not there (NoSuchKey)"));
}

#[test]
fn what_is_large_goes_in_parts_and_leaves_none_behind() {
    let server = Server::new();
    let clock = Arc::new(ManualClock::at(0));
    let stores = stores(access(&server.address), &[], clock.clone()).with_patience(Patience::default());
    let remote = stores.open(URL).unwrap();
    let sent = bytes(2 * ARCHIVE_PART_BYTES as usize + 77);
    remote.put("main/one.seg", sent.clone()).unwrap();
    assert_eq!(kinds(&server), ["begin", "part", "part", "part", "complete"]);
    let len = sent.len() as u64;
    assert_eq!(remote.get("main/one.seg", len - 5_000_000..len).unwrap(), sent[sent.len() - 5_000_000..]);
    // A part that fails once is sent again; one that is refused ends the upload.
    server.requests();
    server.fail("part", 1, Fault::Status(503, "SlowDown"));
    remote.put("main/two.seg", sent.clone()).unwrap();
    assert_eq!(kinds(&server), ["begin", "part", "part", "part", "part", "complete"]);
    for (kind, fault) in [
        ("part", Fault::Status(403, "AccessDenied")),
        ("part", Fault::Cut),
        ("complete", Fault::Status(400, "InvalidPart")),
        ("begin", Fault::Status(403, "AccessDenied")),
    ] {
        server.fail(kind, 9, fault);
        assert!(remote.put("main/three.seg", sent.clone()).is_err(), "{kind}: {fault:?}");
        server.heal();
        clock.advance(objects::PAUSE);
        assert_eq!((server.uploads(), server.objects().len()), (0, 2), "{kind}: {fault:?}");
    }
}

#[test]
fn failures_that_pass_are_tried_again() {
    let server = Server::new();
    let (remote, _) = open(&server);
    let sent = bytes(50_000);
    for fault in [Fault::Status(500, "InternalError"), Fault::Status(429, "SlowDown"), Fault::Cut, Fault::Slow] {
        server.fail("put", 1, fault);
        remote.put("one", sent.clone()).unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_eq!(kinds(&server), ["put", "put"], "{fault:?}");
        server.fail("get", 1, fault);
        assert_eq!(remote.get("one", 10_000..40_000).unwrap_or_else(|e| panic!("{fault:?}: {e}")), sent[10_000..40_000]);
        assert_eq!(kinds(&server), ["get", "get"], "{fault:?}");
    }
    // Only what is missing is asked for again.
    server.fail("get", 1, Fault::CutInside);
    assert_eq!(remote.get("one", 0..40_000).unwrap(), sent[..40_000]);
    let ranges: Vec<String> = server.requests().into_iter().map(|(_, range)| range).collect();
    assert_eq!(ranges, ["bytes=0-39999", "bytes=20000-39999"]);
}

#[test]
fn failures_that_stay_are_told_in_few_words_and_without_credentials() {
    let server = Server::new();
    for (fault, words) in [
        (Fault::Status(403, "SignatureDoesNotMatch"), "object one: access is denied (SignatureDoesNotMatch)"),
        (Fault::Status(404, "NoSuchBucket"), "object one: it is not there (NoSuchBucket)"),
        (Fault::Status(401, "Unauthorized"), "object one: the credentials are not accepted (Unauthorized)"),
        (
            Fault::Status(500, "InternalError"),
            "no answer from the service: Server returned non-2xx status code: 500 Internal Server Error (InternalError)",
        ),
        (Fault::Slow, "no answer from the service: "),
        (Fault::Cut, "no answer from the service: "),
        (Fault::CutInside, ""),
    ] {
        let (remote, _) = open(&server);
        server.fail("put", 9, Fault::Status(501, "None"));
        server.heal();
        remote.put("one", bytes(1_000)).unwrap();
        server.fail("get", 9, fault);
        let start = Instant::now();
        let error = remote.get("one", 0..1_000).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10), "{fault:?}");
        server.heal();
        let text = format!("{error} {error:?} {remote:?}");
        assert!(error.message().starts_with(words), "{fault:?}: {error}");
        assert!(!text.contains(SECRET) && !text.contains(KEY_NAME) && !text.contains('<'), "{text}");
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}

#[test]
fn who_is_not_let_in_learns_so_but_names_nobody() {
    let server = Server::new();
    let wrong = Access { access_key: Some("another".into()), ..access(&server.address) };
    let stores = stores(wrong, &[("AWS_SESSION_TOKEN", "a-token")], Arc::new(SystemClock::new()));
    let remote = stores.open(URL).unwrap();
    let error = remote.put("one", bytes(10)).unwrap_err();
    assert_eq!(error.message(), "object one: access is denied (InvalidAccessKeyId)");
    let shown = format!("{error:?} {stores:?} {remote:?} {:?}", stores.access);
    assert!(!shown.contains("another") && !shown.contains(SECRET) && !shown.contains("a-token"), "{shown}");
}

#[test]
fn a_service_that_is_away_is_left_alone_for_a_while() {
    let mut server = Server::new();
    let (remote, clock) = open(&server);
    remote.put("one", bytes(1_000)).unwrap();
    server.requests();
    server.fail("*", usize::MAX, Fault::Status(503, "ServiceUnavailable"));
    assert!(remote.get("one", 0..10).is_err());
    assert_eq!(kinds(&server).len(), 1 + SHORT.retries);
    let error = remote.get("one", 0..10).unwrap_err();
    assert!(error.message().contains("503") && error.message().ends_with("asked again in 10 s"), "{error}");
    assert!(kinds(&server).is_empty(), "not asked again");
    server.heal();
    clock.advance(objects::PAUSE);
    assert_eq!(remote.get("one", 0..10).unwrap(), bytes(10));
    // An answer that something is not there is an answer.
    assert!(remote.get("two", 0..10).is_err());
    assert!(remote.get("one", 0..10).is_ok());
    server.stop();
    let error = remote.get("one", 0..10).unwrap_err();
    assert!(error.message().starts_with("no answer from the service") && error.message().to_lowercase().contains("connect"), "{error}");
}

#[test]
fn what_is_not_in_the_settings_comes_from_the_environment() {
    let server = Server::new();
    let variables = [("AWS_ACCESS_KEY_ID", KEY_NAME), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "here")];
    let clock = || Arc::new(SystemClock::new());
    let with = |access: Access, more: &[(&str, &str)]| stores(access, &[&variables[..], more].concat(), clock()).open(URL);
    let of_environment = with(Access::default(), &[("AWS_ENDPOINT_URL", &server.address)]).unwrap();
    of_environment.put("one", bytes(10)).unwrap();
    // What is more special counts, and the settings before all.
    let elsewhere = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    with(Access::default(), &[elsewhere, ("AWS_ENDPOINT_URL_S3", &server.address)]).unwrap().len("one").unwrap();
    let named = Access { endpoint: Some(server.address.clone()), ..Access::default() };
    with(named, &[elsewhere, ("AWS_ALLOW_HTTP", "true")]).unwrap().len("one").unwrap();
    // Another prefix of the bucket is found with the same.
    let known = stores(access(&server.address), &[], clock());
    known.open("s3://logs/other").unwrap().put("one", bytes(10)).unwrap();
    assert_eq!(server.objects().len(), 2);
    // Nobody is asked for credentials that are not there.
    let none = Access { access_key: None, secret_key: None, ..access(&server.address) };
    let error = stores(none, &[], clock()).open(URL).unwrap_err();
    assert!(error.message().contains("no credentials") && error.hint().unwrap().contains("AWS_ACCESS_KEY_ID"), "{error}");
    let half = Access { secret_key: None, ..access(&server.address) };
    assert!(stores(half, &[], clock()).open(URL).is_err());
    let far = with(Access::default(), &[("AWS_ENDPOINT_URL", "http://192.0.2.1:9000")]).unwrap_err();
    assert!(far.message().contains("without TLS"), "{far}");
}

#[test]
fn addresses_are_checked() {
    assert_eq!(address::parts("s3://logs/a/b/").unwrap(), ("logs", "a/b"));
    assert_eq!(address::parts("s3://logs").unwrap(), ("logs", ""));
    for wrong in
        ["s3://", "s3:///x", "http://x/y", "s3://key:secret@bucket/x", "s3://b u/x", "s3://bucket/x?y", "s3://bucket/../x", "s3://b/x"]
    {
        assert!(check(wrong).is_err(), "{wrong}");
    }
    for right in
        ["https://storage.example.com", "https://10.0.0.1:9000/s3", "http://127.0.0.1:9000", "http://[::1]:9000/", "http://localhost"]
    {
        check_endpoint(right).unwrap_or_else(|e| panic!("{right}: {e}"));
    }
    for wrong in [
        "storage.example.com",
        "http://storage.example.com",
        "http://localhost.example.com",
        "https://me:pass@host",
        "ftp://127.0.0.1",
        "https://",
    ] {
        let error = check_endpoint(wrong).unwrap_err();
        assert!(!error.to_string().contains("pass"), "{error}");
    }
    assert_eq!(address::hosted("https://storage.example.com:9000/", "logs"), "https://logs.storage.example.com:9000");
}
