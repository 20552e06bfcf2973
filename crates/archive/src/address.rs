//! Addresses of object stores and of the services that hold them: taken apart, and refused where they cannot work.

use taffrail_base::{Error, ErrorKind, Result};

/// The longest address: the catalog keeps it with every segment.
const URL_BYTES_MAX: usize = 150;

/// Refuses what cannot be the address of a store.
pub fn check(url: &str) -> Result<()> {
    parts(url).map(drop)
}

/// Bucket and prefix.
pub(crate) fn parts(url: &str) -> Result<(&str, &str)> {
    let wrong = |what: &str| Error::new(ErrorKind::Invalid, format!("{url:?}: {what}")).with_hint("name it as in s3://bucket/prefix");
    let rest = url.strip_prefix("s3://").ok_or_else(|| wrong("not the address of an object store"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(name) {
        return Err(wrong("not the name of a bucket"));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'=' | b'/');
    let inside = prefix.is_empty() || prefix.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if url.len() > URL_BYTES_MAX || !prefix.bytes().all(plain) || !inside {
        return Err(wrong("a prefix is letters, digits and - . _ = / only"));
    }
    Ok((bucket, prefix))
}

/// Refuses what cannot be the address of a service. Without TLS everybody on the way reads the logs, so that is for
/// this machine only.
pub fn check_endpoint(endpoint: &str) -> Result<()> {
    let wrong = |what: &str, hint: &str| Error::new(ErrorKind::Invalid, format!("endpoint: {what}")).with_hint(hint);
    let shape = "name it as in https://storage.example.com:9000, credentials apart";
    let (scheme, rest) = endpoint.split_once("://").ok_or_else(|| wrong("not an address with http:// or https://", shape))?;
    // Not repeated in the message: it may hold a password.
    if rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_graphic()) || rest.contains(['@', '?', '#']) {
        return Err(wrong("not an address of a host", shape));
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(rest) => Ok(()),
        "http" => {
            Err(wrong(&format!("{endpoint} is without TLS and not on this machine"), "use https://, or a proxy with TLS on this machine"))
        }
        _ => Err(wrong("neither http:// nor https://", shape)),
    }
}

/// Whether `host:port/path` is this machine.
fn is_loopback(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// The address of a bucket as a host of its own below an endpoint.
pub(crate) fn hosted(endpoint: &str, bucket: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{bucket}.{}", rest.trim_end_matches('/')),
        None => endpoint.to_owned(),
    }
}
