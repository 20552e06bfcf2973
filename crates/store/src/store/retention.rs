//! Which segments have to go, by age, by size and by what the disk has left. Pure.

use super::options::{IndexRules, Rules};
use crate::catalog::Hold;
use crate::segment::SegmentMeta;
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_base::Ulid;
use taffrail_event::Timestamp;

/// The segments to be removed, with the rule that says so, oldest first. A segment goes when its newest event is
/// past the limit; held ones never go. `excess` is how many bytes of files have to go beyond that, whatever
/// their index; `local` tells whether removing a segment frees bytes of this disk.
pub fn due<'m>(
    segments: impl Iterator<Item = &'m SegmentMeta>,
    holds: &BTreeMap<String, Hold>,
    rules: &Rules,
    now: Timestamp,
    excess: u64,
    local: &dyn Fn(&SegmentMeta) -> bool,
) -> Vec<(Ulid, String)> {
    if excess == 0 && rules.keep_everything() {
        return Vec::new();
    }
    let mut oldest_first: Vec<&SegmentMeta> = segments.collect();
    oldest_first.sort_by_key(|meta| (meta.max_time, meta.id));
    let held = |meta: &SegmentMeta| holds.values().any(|hold| hold.covers(meta));
    let mut bytes: BTreeMap<&Arc<str>, u64> = BTreeMap::new();
    for meta in &oldest_first {
        *bytes.entry(&meta.index).or_default() += meta.stored_bytes;
    }
    let mut excess = excess;
    let mut due = Vec::new();
    for meta in oldest_first.into_iter().filter(|meta| !held(meta)) {
        let rules_of = rules.of(&meta.index);
        let kept = bytes.get_mut(&meta.index).expect("counted above");
        let spare = excess > 0 && local(meta) && !is_own(&meta.index);
        let Some(rule) = rule(meta, rules_of, now, *kept).or_else(|| spare.then(|| "disk-usage".to_owned())) else { continue };
        *kept -= meta.stored_bytes;
        if local(meta) {
            excess = excess.saturating_sub(meta.stored_bytes);
        }
        due.push((meta.id, rule));
    }
    due
}

/// Whether an index is the server's own: it goes by rules that name it, never by those for all.
pub fn is_own(index: &str) -> bool {
    index.starts_with('_')
}

/// The rule of its index by which a segment goes; `kept` is what the index still holds.
fn rule(meta: &SegmentMeta, rules: &IndexRules, now: Timestamp, kept: u64) -> Option<String> {
    if let Some(seconds) = rules.retention_seconds {
        let limit = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        if meta.max_time.nanos() < now.nanos().saturating_sub(limit) {
            return Some(format!("retention:{seconds}s"));
        }
    }
    rules.max_bytes.filter(|most| kept > *most).map(|most| format!("max-size:{most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(id: u128, index: &str, times: (i64, i64), stored_bytes: u64) -> SegmentMeta {
        let (min_time, max_time) = (Timestamp(times.0 * 1_000_000_000), Timestamp(times.1 * 1_000_000_000));
        SegmentMeta {
            id: Ulid(id),
            index: index.into(),
            events: 1,
            raw_bytes: 9,
            stored_bytes,
            patterns: 1,
            min_time,
            max_time,
            first_sequence: 1,
            end_sequence: 2,
            summary: Arc::default(),
        }
    }

    fn ids(rules: &Rules, holds: &[(&str, Hold)], excess: u64) -> Vec<(u128, String)> {
        let segments = [
            meta(1, "main", (0, 10), 100),
            meta(2, "main", (5, 20), 100),
            meta(3, "main", (0, 100), 100),
            meta(4, "other", (0, 1), 100),
            meta(5, "_audit", (0, 1), 100),
            meta(6, "main", (90, 200), 100),
        ];
        let holds = holds.iter().map(|(name, hold)| ((*name).to_owned(), hold.clone())).collect();
        let due = due(segments.iter(), &holds, rules, Timestamp(100 * 1_000_000_000), excess, &|_| true);
        due.into_iter().map(|(id, rule)| (id.0, rule)).collect()
    }

    fn only(ids: Vec<(u128, String)>) -> Vec<u128> {
        ids.into_iter().map(|(id, _)| id).collect()
    }

    fn rules(default: IndexRules, indexes: &[(&str, IndexRules)]) -> Rules {
        Rules { default, indexes: indexes.iter().map(|(name, rules)| ((*name).to_owned(), rules.clone())).collect(), ..Rules::default() }
    }

    #[test]
    fn a_segment_goes_when_all_its_events_are_past_the_limit() {
        let old = IndexRules { retention_seconds: Some(50), ..IndexRules::default() };
        assert_eq!(only(ids(&Rules::default(), &[], 0)), Vec::<u128>::new(), "everything is kept unless told otherwise");
        assert_eq!(only(ids(&rules(old.clone(), &[]), &[], 0)), [4, 1, 2], "not the server's own index");
        assert_eq!(only(ids(&rules(old.clone(), &[("main", IndexRules::default())]), &[], 0)), [4]);
        let own = ids(&rules(IndexRules::default(), &[("_audit", old)]), &[], 0);
        assert_eq!(own, [(5, "retention:50s".to_owned())]);
        let exactly = IndexRules { retention_seconds: Some(80), ..IndexRules::default() };
        assert_eq!(only(ids(&rules(exactly, &[]), &[], 0)), [4, 1], "20 is not before 20");
    }

    #[test]
    fn the_oldest_go_until_the_size_fits_and_holds_win() {
        let small = IndexRules { max_bytes: Some(250), ..IndexRules::default() };
        assert_eq!(only(ids(&rules(small.clone(), &[]), &[], 0)), [1, 2]);
        let hold = |index: Option<&str>, earliest: i64, latest: i64| Hold {
            index: index.map(Arc::from),
            earliest: Timestamp(earliest * 1_000_000_000),
            latest: Timestamp(latest * 1_000_000_000),
            reason: String::new(),
            since: Timestamp(0),
        };
        assert_eq!(only(ids(&rules(small.clone(), &[]), &[("case", hold(Some("main"), 15, 16))], 0)), [1, 6], "2 and 3 are held");
        assert_eq!(only(ids(&rules(small.clone(), &[]), &[("case", hold(None, i64::MIN / 2_000_000_000, 300))], 0)), Vec::<u128>::new());
        assert_eq!(only(ids(&rules(small, &[]), &[("case", hold(Some("other"), 0, 300))], 0)), [1, 2]);
    }

    #[test]
    fn a_full_disk_takes_the_oldest_of_all_but_the_server_s_own() {
        assert_eq!(ids(&Rules::default(), &[], 150), [(4, "disk-usage".to_owned()), (1, "disk-usage".to_owned())]);
        assert_eq!(only(ids(&Rules::default(), &[], 10_000)), [4, 1, 2, 3, 6]);
    }
}
