//! The page, embedded in the binary: `web/dist`, or one line when it was not built. Everything that is not under
//! `/api` or `/metrics` comes from here; paths that are no file get `index.html`, for the page routes by itself.

use crate::api::error::ApiError;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::EmbeddedFile;

/// The files. What the derive writes reads the folder itself in a debug build, hence the allowance.
#[allow(clippy::disallowed_methods)]
mod files {
    #[derive(rust_embed::RustEmbed)]
    #[folder = "$TAFFRAIL_PAGE"]
    pub struct Page;
}

use files::Page;

/// Serves the page; answers for paths of the API that do not exist.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path == "/api" || path.starts_with("/api/") || path.starts_with("/metrics/") {
        return ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {path}"))
            .with_hint("GET /api/v1/openapi.json describes what there is")
            .into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", format!("{path} can only be read")).into_response();
    }
    let name = path.trim_start_matches('/');
    let accepts_brotli = accepts(&headers, "br");
    if let Some(response) = file(name, accepts_brotli, &headers) {
        return response;
    }
    // A missing script must not be answered by HTML; a path of the page has no extension.
    let is_asset = name.starts_with("assets/") || name.rsplit('/').next().is_some_and(|n| n.contains('.'));
    if is_asset && name != "index.html" {
        return ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {path}")).into_response();
    }
    file("index.html", accepts_brotli, &headers)
        .unwrap_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "not_found", "the page is not part of this build").into_response())
}

fn file(name: &str, accepts_brotli: bool, headers: &HeaderMap) -> Option<Response> {
    let name = if name.is_empty() { "index.html" } else { name };
    // In a debug build files come from disk: nothing but plain names below the folder.
    if name.split('/').any(|part| part.is_empty() || part == "." || part == "..")
        || name.contains(['\\', '\0', '%'])
        || name.ends_with(".br")
    {
        return None;
    }
    let plain = Page::get(name)?;
    let packed = if accepts_brotli { Page::get(&format!("{name}.br")) } else { None };
    let has_packed = packed.is_some();
    Some(answer(name, packed.unwrap_or(plain), has_packed, headers))
}

fn answer(name: &str, file: EmbeddedFile, packed: bool, headers: &HeaderMap) -> Response {
    let hash = file.metadata.sha256_hash();
    let mut tag = String::with_capacity(36);
    tag.push('"');
    for byte in &hash[..16] {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push('"');
    // Vite puts a hash of the content into the names below assets/.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.split(',').any(|t| t.trim().trim_start_matches("W/") == tag));
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { Response::new(Body::from(file.data.into_owned())) };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    if packed && !known {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    response
}

/// Whether the client accepts an encoding (not at quality 0).
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let zero = parts.any(|p| p.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()).is_some_and(|q| q == 0.0));
        named && !zero
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("webp") => "image/webp",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &str, headers: &[(&'static str, &str)]) -> Response {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("is a value"));
        }
        serve(Method::GET, path.parse().expect("is a path"), map).await
    }

    #[tokio::test]
    async fn paths_of_the_page_get_the_page_and_missing_files_do_not() {
        for path in ["/", "/search", "/deep/er"] {
            let response = get(path, &[]).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        }
        for path in ["/assets/no.js", "/nothing.css", "/api/v1/nothing", "/api"] {
            assert_eq!(get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
        for path in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd"] {
            let response = get(path, &[]).await;
            assert!(
                response.status() == StatusCode::NOT_FOUND || response.headers()["content-type"] == "text/html; charset=utf-8",
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn the_tag_saves_the_body() {
        let first = get("/", &[]).await;
        let tag = first.headers()["etag"].to_str().expect("is text").to_owned();
        assert_eq!(get("/", &[("if-none-match", &tag)]).await.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get("/", &[("if-none-match", "\"other\"")]).await.status(), StatusCode::OK);
    }

    #[test]
    fn encodings_are_read_with_their_quality() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept-encoding", value.parse().expect("is a value"));
            accepts(&headers, "br")
        };
        assert!(with("gzip, br"));
        assert!(with("br;q=0.5"));
        assert!(!with("gzip, br;q=0"));
        assert!(!with("brotli"));
    }
}
