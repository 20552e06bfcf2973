//! What a segment's bytes go to; for benchmarks and for people who tune encodings.

use super::Segment;
use super::meta::{Body, NodeMeta, PageMeta, Place};
use rustc_hash::FxHashMap;

impl Segment {
    /// The encodings in use and the pages of each.
    pub fn encodings(&self) -> Vec<(&'static str, u64)> {
        let mut counts: FxHashMap<&'static str, u64> = FxHashMap::default();
        each_body(&self.footer.events, &mut |_, body| *counts.entry(body.name()).or_default() += 1);
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable();
        counts
    }

    /// The columns that take most of the file, with their stored bytes (a block's are shared out by length).
    pub fn largest(&self, most: usize) -> Vec<String> {
        let mut sizes: Vec<(u64, String)> = Vec::new();
        let stored = |places: &[Place]| places.iter().map(|place| self.stored(*place)).sum::<u64>();
        let footer = &self.footer;
        for (name, place) in
            [("times", footer.time), ("received", footer.received), ("origins", footer.origin), ("problems", footer.problems)]
        {
            sizes.push((stored(&[place]), name.to_owned()));
        }
        sizes.extend(footer.zones.map(|(least, spans)| (stored(&[least, spans]), "ranges of time".to_owned())));
        sizes.push((stored(footer.events.order.as_slice()), "order of patterns".to_owned()));
        if let Some(filters) = footer.blocks.first() {
            sizes.push((filters.stored_len.into(), "filters".to_owned()));
        }
        let in_blocks: u64 = footer.blocks.iter().map(|b| u64::from(b.stored_len)).sum();
        sizes.push((self.meta.stored_bytes - in_blocks, "directory".to_owned()));
        for dictionary in &footer.dictionaries {
            sizes.push((stored(&places(&dictionary.body)), format!("dictionary of {} {}", dictionary.rows, dictionary.body.name())));
        }
        each_body(&footer.events, &mut |path, body| {
            sizes.push((stored(&places(body)), format!("{path} {}", body.name())));
        });
        sizes.sort_by(|a, b| b.cmp(a));
        sizes.iter().take(most).map(|(bytes, what)| format!("{bytes:>9} {what}")).collect()
    }

    fn stored(&self, place: Place) -> u64 {
        let block = &self.footer.blocks[place.block as usize];
        u64::from(place.len) * u64::from(block.stored_len) / u64::from(block.len.max(1))
    }
}

fn places(body: &Body) -> Vec<Place> {
    match body {
        Body::Constant(_) => Vec::new(),
        Body::Integer { ints, .. } | Body::Decimal { ints, .. } | Body::Ipv4 { ints } | Body::Time { ints, .. } => vec![*ints],
        Body::Hex { bytes, .. } | Body::Uuid { bytes, .. } => vec![*bytes],
        Body::Shared { numbers, .. } => vec![*numbers],
        Body::Dictionary { lengths, bytes, numbers, .. } => vec![*lengths, *bytes, *numbers],
        Body::Plain { lengths, bytes } => vec![*lengths, *bytes],
        Body::Affix { inner, .. } => places(inner),
        Body::Nested(node) => node.order.into_iter().collect(),
        Body::Lines(lines) => [lines.counts].into_iter().chain(lines.numbers).chain(lines.list.order).collect(),
    }
}

fn each_body(node: &NodeMeta, each: &mut dyn FnMut(&str, &Body)) {
    let page = |name: &str, page: &PageMeta, each: &mut dyn FnMut(&str, &Body)| {
        each(name, &page.body);
        if let Body::Nested(node) = &page.body {
            each_body(node, each);
        }
        if let Body::Lines(lines) = &page.body {
            each_body(&lines.list, each);
        }
    };
    for (number, pages) in node.shared.iter().enumerate() {
        let of = |p: &&crate::segment::meta::PatternMeta| p.columns.iter().any(|c| c.shared == Some(number as u32));
        let first = node.patterns.iter().find(of).map(|p| p.pattern.to_string()).unwrap_or_default();
        pages.iter().for_each(|one| page(&format!("shared {number}, first in {first:.60}"), one, each));
    }
    for pattern in &node.patterns {
        for (slot, column) in pattern.columns.iter().enumerate().filter(|(_, column)| column.shared.is_none()) {
            let name = format!("{:.60} slot {slot}", pattern.pattern.to_string());
            column.pages.iter().for_each(|one| page(&name, one, each));
        }
    }
}
