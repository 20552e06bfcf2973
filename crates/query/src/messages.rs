//! What a search has to say beside its rows: what was cut, skipped or approximated. Nothing is cut without a word.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How serious a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// The rows are not all that was asked for, or not exactly.
    Warn,
    /// Something failed.
    Error,
}

/// A sentence for the person who searches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// How serious it is.
    pub severity: Severity,
    /// The sentence.
    pub text: String,
}

/// Collects the messages of one search; cheap to clone, the clones share what is collected.
#[derive(Clone, Default)]
pub struct Messages(Arc<Mutex<Inner>>);

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.0.lock().all).finish()
    }
}

/// Tells what is missing from an answer, now that it is asked.
type Watch = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

#[derive(Default)]
struct Inner {
    watches: Vec<Watch>,
    all: Vec<Message>,
    taken: usize,
    inexact: bool,
    truncated: bool,
}

impl Messages {
    /// Adds a message, once.
    pub fn add(&self, severity: Severity, text: impl Into<String>) {
        let message = Message { severity, text: text.into() };
        let mut inner = self.0.lock();
        if !inner.all.contains(&message) {
            inner.all.push(message);
        }
    }

    /// Says that rows were left out.
    pub fn truncated(&self, text: impl Into<String>) {
        self.0.lock().truncated = true;
        self.add(Severity::Warn, text);
    }

    /// Says that values are approximate.
    pub fn inexact(&self, text: impl Into<String>) {
        self.0.lock().inexact = true;
        self.add(Severity::Warn, text);
    }

    /// Has `watch` asked at the end, when somebody wants to know whether the answer is exact: what it says is missing.
    pub fn watch(&self, watch: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        self.0.lock().watches.push(Arc::new(watch));
    }

    fn look(&self) {
        let watches = self.0.lock().watches.clone();
        for sentence in watches.iter().flat_map(|watch| watch()) {
            self.0.lock().inexact = true;
            self.truncated(sentence);
        }
    }

    /// Whether every value is exact.
    pub fn is_exact(&self) -> bool {
        self.look();
        !self.0.lock().inexact
    }

    /// Whether rows were left out.
    pub fn is_truncated(&self) -> bool {
        self.look();
        self.0.lock().truncated
    }

    /// The messages added since this was last asked.
    pub fn take(&self) -> Vec<Message> {
        let mut inner = self.0.lock();
        let fresh = inner.all[inner.taken..].to_vec();
        inner.taken = inner.all.len();
        fresh
    }
}
