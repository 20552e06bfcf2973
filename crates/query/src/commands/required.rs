//! Which fields a part of a pipeline needs from what comes before it.

use super::words::Wild;
use std::collections::BTreeSet;

/// A set of fields: some, or all but some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Required {
    /// Whether all fields are needed, those in `removed` left out.
    pub all: bool,
    /// Fields that are needed.
    pub names: BTreeSet<String>,
    /// With `all`: fields that are not needed; may hold `*`.
    pub removed: BTreeSet<String>,
    /// Names with `*`: what matches is needed.
    pub wildcards: BTreeSet<String>,
}

impl Required {
    /// Every field.
    pub fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// These fields; names with `*` stand for what matches.
    pub fn of<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::default().with(names)
    }

    /// These fields too.
    #[must_use]
    pub fn with<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        for name in names {
            let name = name.into();
            if name.contains('*') {
                self.wildcards.insert(name);
            } else {
                self.removed.remove(&name);
                self.names.insert(name);
            }
        }
        self
    }

    /// Without these fields: something later in the pipeline makes or drops them.
    #[must_use]
    pub fn without<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        for name in names {
            let wild = Wild::new(name);
            self.names.retain(|known| !wild.matches(known));
            if self.all {
                self.removed.insert(name.to_owned());
            }
        }
        self
    }

    /// Whether the set cannot be told without knowing which fields there are.
    pub fn is_open(&self) -> bool {
        self.all || !self.wildcards.is_empty()
    }

    /// Whether the field is needed.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
            || self.wildcards.iter().any(|wild| Wild::new(wild).matches(name))
            || (self.all && !self.removed.iter().any(|gone| Wild::new(gone).matches(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_fields() {
        let all = Required::all().without(["a", "x*"]);
        assert!(all.contains("b") && !all.contains("a") && !all.contains("x1"));
        assert!(all.clone().with(["a"]).contains("a"));
        assert!(all.with(["x1"]).contains("x1"));
        let some = Required::of(["a", "c*"]);
        assert!(some.contains("a") && some.contains("c1") && !some.contains("b") && some.is_open());
        assert_eq!(Required::of(["a", "b"]).without(["a"]), Required::of(["b"]));
    }
}
