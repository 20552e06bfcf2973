//! Names of fields in commands: wildcards and quoting.

/// A name with `*` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wild(Vec<String>);

impl Wild {
    /// From the name as typed.
    pub fn new(text: &str) -> Self {
        Self(text.split('*').map(str::to_owned).collect())
    }

    /// Whether the name matches. A `*` at the start matches no name that begins with `_`: these are internal.
    pub fn matches(&self, name: &str) -> bool {
        !(name.starts_with('_') && self.0[0].is_empty() && self.0.len() > 1) && self.captures(name).is_some()
    }

    /// What each `*` stands for in `name`.
    fn captures<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let [first, middle @ .., last] = &self.0[..] else {
            return (self.0.first().is_some_and(|only| only == name)).then(Vec::new);
        };
        let mut rest = name.strip_prefix(first.as_str())?;
        let mut found = Vec::new();
        for part in middle {
            let at = rest.find(part.as_str())?;
            found.push(&rest[..at]);
            rest = &rest[at + part.len()..];
        }
        found.push(rest.strip_suffix(last.as_str())?);
        Some(found)
    }

    /// `name` written by the wildcards of `target`, e.g. `x_a` by `x_*` to `y_*` gives `y_a`; nothing when it does
    /// not match. A target with fewer `*` uses the first ones.
    pub fn rename(&self, name: &str, target: &str) -> Option<String> {
        let captured = if self.matches(name) { self.captures(name)? } else { return None };
        let mut captured = captured.into_iter();
        let mut out = String::new();
        for (at, part) in target.split('*').enumerate() {
            if at > 0 {
                out.push_str(captured.next().unwrap_or_default());
            }
            out.push_str(part);
        }
        Some(out)
    }

    /// How many `*` it has.
    pub fn stars(&self) -> usize {
        self.0.len() - 1
    }
}

/// The names of `columns` that the typed names mean, in the order typed; a plain name stands for itself, there or not.
pub fn expand(typed: &[String], columns: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for name in typed {
        if name.contains('*') {
            let wild = Wild::new(name);
            for column in columns.iter().filter(|column| wild.matches(column)) {
                if !out.contains(column) {
                    out.push(column.clone());
                }
            }
        } else if !out.contains(name) {
            out.push(name.clone());
        }
    }
    out
}

/// A name as it has to be typed: in double quotes where it is not a plain word.
pub fn quote_field(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '*' | '{' | '}' | '/' | '@' | '#' | '$' | '-');
    let keyword = ["as", "by", "sortby", "where", "over"].iter().any(|k| name.eq_ignore_ascii_case(k));
    let bare = !name.is_empty() && !keyword && !name.starts_with('-') && name.chars().all(plain);
    if bare { name.to_owned() } else { quote(name) }
}

/// Text in double quotes.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_and_rename() {
        assert!(Wild::new("*delay").matches("tx_delay"));
        assert!(!Wild::new("*delay").matches("delay_x"));
        assert!(!Wild::new("*").matches("_raw"));
        assert!(Wild::new("_*").matches("_raw"));
        assert!(Wild::new("a*b*c").matches("a1b2c"));
        assert!(!Wild::new("a*a").matches("a"));
        assert_eq!(Wild::new("x_*_z*").rename("x_1_z2", "*-*").as_deref(), Some("1-2"));
        assert_eq!(expand(&["b".into(), "a*".into()], &["a1".into(), "b".into(), "a2".into()]), ["b", "a1", "a2"]);
    }

    #[test]
    fn quotes_what_is_not_plain() {
        assert_eq!(quote_field("a.b{}"), "a.b{}");
        assert_eq!(quote_field("a b"), "\"a b\"");
        assert_eq!(quote_field("by"), "\"by\"");
    }
}
