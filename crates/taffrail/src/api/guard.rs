//! What every request passes: the Host and Origin check, the headers that keep a browser from mischief, counting.
//!
//! The server listens on loopback without passwords, so any web page that the user visits could try to speak to
//! it. Two things stop that: a `Host` that is not a loopback name means DNS rebinding, and an `Origin` (or
//! `Sec-Fetch-Site`) of somebody else means a request forged across sites.

use super::error::ApiError;
use crate::app::App;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Refuses requests that other sites caused.
pub async fn check_caller(request: Request, next: Next) -> Response {
    match caller(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// The header by which programs that share an address are told apart in the queue of searches.
const CLIENT: &str = "x-taffrail-client";

/// Bytes of its value that count.
const CLIENT_BYTES_MAX: usize = 64;

/// Notes who calls, for the queue of searches: what the caller says of itself, else its address.
pub async fn name_caller(request: Request, next: Next) -> Response {
    let named = request.headers().get(CLIENT).and_then(|value| value.to_str().ok()).filter(|name| !name.is_empty());
    let named = named.map(|name| name.chars().take(CLIENT_BYTES_MAX).collect());
    let address =
        || request.extensions().get::<ConnectInfo<SocketAddr>>().map_or_else(|| "local".to_owned(), |peer| peer.0.ip().to_string());
    let caller: String = named.unwrap_or_else(address);
    crate::searches::called_by(&caller, next.run(request)).await
}

/// Whether the request may be served.
fn caller(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    // HTTP/2 has it in its address.
    let host = match hosts.next() {
        Some(host) => host.to_str().ok(),
        None => uri.authority().map(|authority| authority.as_str()),
    };
    let (Some(host), None) = (host, hosts.next()) else {
        return Err(ApiError::invalid("the request has no Host header, or more than one"));
    };
    let named = [Some(host), uri.authority().map(|a| a.as_str())];
    if let Some(foreign) = named.into_iter().flatten().find(|h| !is_loopback(h)) {
        return Err(ApiError::forbidden(format!("the Host {foreign:?} is not this machine: possible DNS rebinding"))
            .with_hint("open the server as http://127.0.0.1 or http://localhost with its port"));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let own = origin.to_str().is_ok_and(|o| o.strip_prefix("http://").is_some_and(|o| o.eq_ignore_ascii_case(host)));
        if !own {
            return Err(ApiError::forbidden("the Origin of the request is another site")
                .with_hint("only the page that this server serves may call it from a browser"));
        }
    }
    // An image or a script tag of another site sends no Origin, but browsers say where it comes from. A link
    // that somebody follows to the page is fine.
    let site = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok()).unwrap_or("none");
    let follows_link =
        *method == Method::GET && headers.get("sec-fetch-mode").is_some_and(|m| m == "navigate") && !uri.path().starts_with("/api/");
    if matches!(site, "cross-site" | "same-site") && !follows_link {
        return Err(ApiError::forbidden("the request was caused by another site"));
    }
    Ok(())
}

/// Whether `host` (with or without a port) names this machine's loopback.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if port.is_empty() || is_port(port) => address,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            Some(_) => return false,
            None => host,
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Scripts only from the server itself and never inline; styles may be set by the editor and the charts.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
     font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the headers that keep a browser from guessing, framing and telling.
pub async fn security_headers(request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/") || request.uri().path() == "/metrics";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if api && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Counts requests by route, method and status.
pub async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "page".to_owned(), |m| m.as_str().to_owned());
    let method = request.method().clone();
    let start = app.clock.monotonic_nanos();
    let response = next.run(request).await;
    let nanos = app.clock.monotonic_nanos().saturating_sub(start);
    app.meters.request(&route, method.as_str(), response.status().as_u16(), nanos);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, path: &str, headers: &[(&str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(header::HeaderName::from_bytes(name.as_bytes()).expect("is a name"), value.parse().expect("is a value"));
        }
        caller(&method, &path.parse().expect("is a path"), &map).is_ok()
    }

    #[test]
    fn loopback_names_and_nothing_else() {
        for good in [
            "localhost",
            "localhost:8514",
            "LOCALHOST:1",
            "app.localhost:3",
            "127.0.0.1:8514",
            "127.9.9.9",
            "[::1]:8514",
            "[::1]",
            "localhost.:80",
        ] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:8514",
            "[::2]",
            "::1",
            "",
            "localhost:x",
            "[::1]x",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    #[test]
    fn other_sites_are_refused() {
        let own = ("host", "127.0.0.1:8514");
        assert!(check(Method::POST, "/api/v1/search", &[own]));
        assert!(check(Method::POST, "/api/v1/search", &[own, ("origin", "http://127.0.0.1:8514"), ("sec-fetch-site", "same-origin")]));
        assert!(!check(Method::POST, "/api/v1/search", &[own, ("origin", "http://127.0.0.1:9999")]));
        assert!(!check(Method::POST, "/api/v1/search", &[own, ("origin", "https://127.0.0.1:8514")]));
        assert!(!check(Method::POST, "/api/v1/search", &[own, ("origin", "null")]));
        assert!(!check(Method::GET, "/api/v1/stat", &[own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]));
        assert!(!check(Method::GET, "/api/v1/stat", &[own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]));
        assert!(check(Method::GET, "/search?q=x", &[own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]));
        assert!(!check(Method::GET, "/", &[("host", "evil.example:8514")]));
        assert!(!check(Method::GET, "/", &[]));
        assert!(!check(Method::GET, "/", &[own, ("host", "localhost")]));
        assert!(!check(Method::GET, "http://evil.example/", &[own]));
    }
}
