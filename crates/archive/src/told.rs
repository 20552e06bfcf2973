//! Failures in words: what a server answered, without its page of XML and without credentials.

use object_store::Error as StoreError;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error as _;

/// The longest message, in bytes: a server may answer with a page.
const TOLD_BYTES_MAX: usize = 400;

/// What is never said.
#[derive(Clone, Default)]
pub struct Secrets(pub Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Secrets {
    /// A failure in words.
    pub fn tell(&self, error: &StoreError) -> String {
        let mut text = match error {
            StoreError::NotFound { .. } => "it is not there",
            StoreError::PermissionDenied { .. } => "access is denied",
            StoreError::Unauthenticated { .. } => "the credentials are not accepted",
            _ => "",
        }
        .to_owned();
        let mut whole = error.to_string();
        // The innermost cause says most, and the outer ones mostly leave it out.
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !whole.contains(&cause_text) {
                whole.push_str(": ");
                whole.push_str(&cause_text);
            }
            source = cause.source();
        }
        let code = between(&whole, "<Code>", "</Code>");
        if text.is_empty() {
            text =
                whole.split(" - ").last().unwrap_or(&whole).split('<').next().unwrap_or_default().trim().trim_end_matches(':').to_owned();
        }
        if let Some(code) = code.filter(|code| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric())) {
            text.push_str(&format!(" ({code})"));
        }
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for secret in self.0.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "(hidden)");
        }
        if text.len() > TOLD_BYTES_MAX {
            text.truncate(text.floor_char_boundary(TOLD_BYTES_MAX));
            text.push_str("...");
        }
        text
    }
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    let from = text.find(start)? + start.len();
    Some(&text[from..from + text[from..].find(end)?])
}

/// Whether a failure is that of the service as a whole, which the next request will meet too: it does not answer, or
/// answers that it is broken.
pub fn is_away(error: &StoreError) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return !matches!(http.kind(), HttpErrorKind::Decode | HttpErrorKind::Unknown);
        }
        source = cause.source();
    }
    error.to_string().contains("non-2xx status code: 5")
}
