//! What the catalog keeps of a segment so that it need not be opened: the hosts, sources and sourcetypes in it, where
//! they are few. A byte for the layout (1); for each of the three a number of values (0: they are too many) and the
//! values, with their lengths.

use super::origins::OriginTable;
use crate::codec::{Reader, put_bytes, put_number};
use std::collections::BTreeSet;
use std::sync::Arc;

const LAYOUT: u8 = 1;

/// Different values up to which they are listed.
const VALUES_MAX: usize = 64;

/// Bytes of a list: the catalog is read as a whole when a store is opened.
const BYTES_MAX: usize = 1_024;

/// Which part of the origin is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Host,
    Source,
    Sourcetype,
}

/// The summary of a segment with these origins.
pub fn of(origins: &OriginTable) -> Arc<[u8]> {
    let mut out = vec![LAYOUT];
    put_few(&mut out, origins.iter().map(|origin| origin.host));
    put_few(&mut out, origins.rests().iter().map(|[source, ..]| &**source));
    put_few(&mut out, origins.rests().iter().map(|[_, sourcetype, ..]| &**sourcetype));
    out.into()
}

/// Puts the different texts among these, if they are few.
fn put_few<'t>(out: &mut Vec<u8>, mut texts: impl Iterator<Item = &'t str>) {
    let mut values: BTreeSet<&str> = BTreeSet::new();
    // One more than can be listed is enough to know of many thousands that they are too many.
    while values.len() <= VALUES_MAX
        && let Some(value) = texts.next()
    {
        values.insert(value);
    }
    let bytes: usize = values.iter().map(|value| value.len() + 2).sum();
    let few = values.len() <= VALUES_MAX && bytes <= BYTES_MAX;
    put_number(out, if few { values.len() as u64 } else { 0 });
    values.iter().filter(|_| few).for_each(|value| put_bytes(out, value.as_bytes()));
}

/// Whether a value of this part passes the test; `true` where the values are not known.
pub fn any(summary: &[u8], part: Part, mut test: impl FnMut(&str) -> bool) -> bool {
    let Some((&LAYOUT, rest)) = summary.split_first() else { return true };
    let mut reader = Reader::new(rest);
    let mut passes = |asked: bool| -> Option<bool> {
        let count = reader.count()?;
        let mut passed = count == 0;
        for _ in 0..count {
            let value = reader.text()?;
            passed = passed || (asked && test(value));
        }
        Some(passed)
    };
    for one in [Part::Host, Part::Source, Part::Sourcetype] {
        match passes(one == part) {
            Some(passed) if one == part => return passed,
            Some(_) => {}
            None => return true,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_event::Origin;

    fn of(origins: &[Origin]) -> Arc<[u8]> {
        super::of(&origins.iter().collect())
    }

    fn origin(host: &str, sourcetype: &str) -> Origin {
        let [index, source, transport, peer] = ["main", "file", "file", ""].map(Arc::from);
        Origin { index, host: host.into(), source, sourcetype: sourcetype.into(), transport, peer }
    }

    #[test]
    fn few_values_are_known_and_many_are_not() {
        let summary = of(&[origin("web-1", "nginx"), origin("web-2", "nginx")]);
        let has = |part, wanted: &str| any(&summary, part, |value| value == wanted);
        assert!(has(Part::Host, "web-1") && has(Part::Host, "web-2") && !has(Part::Host, "web-3"));
        assert!(has(Part::Source, "file") && !has(Part::Source, "other"));
        assert!(has(Part::Sourcetype, "nginx") && !has(Part::Sourcetype, "web-1"));
        let many: Vec<Origin> = (0..100).map(|number| origin(&format!("host-{number}"), "syslog")).collect();
        let summary = of(&many);
        assert!(any(&summary, Part::Host, |_| false), "not known");
        assert!(!any(&summary, Part::Sourcetype, |_| false));
        assert!(summary.len() < 40);
    }

    #[test]
    fn what_is_no_summary_excludes_nothing() {
        let whole = of(&[origin("web-1", "nginx")]);
        for len in 0..whole.len() {
            assert!(any(&whole[..len], Part::Sourcetype, |_| false), "{len}");
        }
        assert!(any(&[9, 0, 0], Part::Host, |_| false));
    }
}
