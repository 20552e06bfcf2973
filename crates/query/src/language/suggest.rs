//! Did you mean: the names nearest to what was typed.

/// At most three of `names` that are near to `typed`, the nearest first, and of those as near the ones that come first in
/// `names`; case does not count.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let typed = typed.to_lowercase();
    // Longer words may have more mistakes; a word of one letter is near to nothing.
    let allowed = match typed.chars().count() {
        0..=4 => 1,
        5..=7 => 2,
        _ => 3,
    };
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let distance = strsim::damerau_levenshtein(&typed, &lower);
            let prefix = typed.len() >= 3 && (lower.starts_with(&typed) || (lower.len() >= 3 && typed.starts_with(&lower)));
            let near = distance <= allowed && distance < typed.chars().count();
            (near || prefix).then_some((if near { distance } else { allowed + 1 }, name))
        })
        .collect();
    found.sort_by_key(|(distance, _)| *distance);
    let mut seen = Vec::new();
    found.retain(|(_, name)| {
        !seen.contains(name) && {
            seen.push(*name);
            true
        }
    });
    if found.first().is_some_and(|(distance, _)| *distance <= 1) {
        // One slip says enough: what is farther away only distracts.
        found.retain(|(distance, _)| *distance <= 1);
    }
    found.truncate(3);
    found.into_iter().map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let names = ["stats", "spath", "sort", "search", "eval", "timechart", "where"];
        assert_eq!(nearest("statz", names), ["stats"]);
        assert_eq!(nearest("tiemchart", names), ["timechart"]);
        assert_eq!(nearest("WHER", names), ["where"]);
        assert_eq!(nearest("time", names), ["timechart"]);
        assert!(nearest("x", names).is_empty());
        assert!(nearest("", names).is_empty());
    }
}
