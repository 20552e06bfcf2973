//! Who may call: nobody but this machine, and no web page but the server's own.

use crate::harness::Scratch;

#[test]
fn foreign_hosts_and_origins_are_refused_everywhere() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let own = format!("http://{}", server.address());
    let status = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let answer = server.request(method, path, headers, b"{}");
        if answer.status == 403 {
            assert_eq!(answer.json()["error"]["kind"], "forbidden");
        }
        answer.status
    };
    for path in ["/", "/api/v1/health", "/metrics", "/api/v1/nothing"] {
        assert_eq!(status("GET", path, &[("host", "evil.example:8514")]), 403, "{path}");
        assert_eq!(status("GET", path, &[("origin", "http://evil.example")]), 403, "{path}");
        assert_eq!(status("GET", path, &[("origin", "null")]), 403, "{path}");
    }
    assert_eq!(status("POST", "/api/v1/ingest/raw", &[("origin", "http://localhost:1")]), 403);
    assert_eq!(status("POST", "/api/v1/ingest/raw", &[("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(status("GET", "/api/v1/health", &[("origin", &own)]), 200);
    assert_eq!(status("GET", "/api/v1/health", &[("host", "localhost")]), 200);
    assert_eq!(scratch.count("index=main"), 0, "a refused body was stored");
    server.stop();
}

#[test]
fn answers_carry_the_headers_that_keep_a_browser_from_mischief() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    for path in ["/", "/api/v1/health", "/api/v1/nothing", "/metrics"] {
        let answer = server.get(path);
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
        let scripts = policy.split(';').find(|p| p.trim().starts_with("script-src")).expect("speaks of scripts");
        assert!(!scripts.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert!(answer.header("access-control-allow-origin").is_none(), "{path}");
    }
    server.stop();
}

#[test]
fn only_json_that_says_so_is_taken_for_json() {
    let scratch = Scratch::new();
    let server = scratch.serve();
    let body = br#"{"query":"*"}"#;
    for headers in [&[][..], &[("content-type", "text/plain")][..], &[("content-type", "application/x-www-form-urlencoded")][..]] {
        let answer = server.request("POST", "/api/v1/search", headers, body);
        assert_eq!(answer.status, 415);
        assert_eq!(answer.json()["error"]["kind"], "unsupported");
    }
    server.stop();
}
