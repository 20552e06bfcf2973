//! Which events of a memory segment share a file. Pure.
//!
//! A few events from long ago or far ahead would give a file a time range that every search touches. They go to
//! files of their own; what arrives in its time stays in files of narrow ranges.

use taffrail_event::Timestamp;

/// How far from the median an event belongs to the bulk: a day.
const FAR_NANOS: i64 = 86_400_000_000_000;

/// Of so many events at most one may be far: with more there is no bulk to keep apart.
const FAR_SHARE: usize = 4;

/// A range of times, both ends included.
pub(super) type Range = (Timestamp, Timestamp);

/// The ranges of time that get a file each, without gaps, none of them without events. Events more than a day
/// before the median get one, those more than a day after it another, the bulk the third; when more than a
/// quarter of the events are that far, all share one.
pub(super) fn ranges(times: impl Iterator<Item = Timestamp>) -> Vec<Range> {
    let whole = vec![(Timestamp::MIN, Timestamp::MAX)];
    let mut times: Vec<i64> = times.map(Timestamp::nanos).collect();
    let (Some(least), Some(most)) = (times.iter().min().copied(), times.iter().max().copied()) else { return whole };
    if most.saturating_sub(least) <= FAR_NANOS {
        return whole;
    }
    let half = times.len() / 2;
    let median = *times.select_nth_unstable(half).1;
    let (from, to) = (median.saturating_sub(FAR_NANOS), median.saturating_add(FAR_NANOS));
    let before = times.iter().filter(|time| **time < from).count();
    let after = times.iter().filter(|time| **time > to).count();
    if before + after == 0 || (before + after) * FAR_SHARE > times.len() {
        return whole;
    }
    let mut ranges =
        vec![(if before > 0 { Timestamp(from) } else { Timestamp::MIN }, if after > 0 { Timestamp(to) } else { Timestamp::MAX })];
    if before > 0 {
        ranges.push((Timestamp::MIN, Timestamp(from - 1)));
    }
    if after > 0 {
        ranges.push((Timestamp(to + 1), Timestamp::MAX));
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = FAR_NANOS / 24;

    fn of(hours: &[i64]) -> Vec<Range> {
        ranges(hours.iter().map(|hour| Timestamp(hour * HOUR)))
    }

    #[test]
    fn few_events_of_another_age_get_files_of_their_own() {
        assert_eq!(of(&[]).len(), 1);
        assert_eq!(of(&[1, 2, 3, 20]).len(), 1, "within a day");
        assert_eq!(of(&[100, 101, 102, 103, 0]), [(Timestamp(77 * HOUR), Timestamp::MAX), (Timestamp::MIN, Timestamp(77 * HOUR - 1))]);
        assert_eq!(of(&[100, 101, 102, 103, 104, 105, 106, 0, 900]).len(), 3);
        assert_eq!(of(&[0, 50, 100, 150, 200]).len(), 1, "no bulk");
    }

    proptest! {
        #[test]
        fn every_event_is_in_exactly_one_range(
            times in prop::collection::vec(prop_oneof![any::<i64>(), 0..FAR_NANOS, Just(i64::MIN), Just(i64::MAX)], 0..60),
        ) {
            let ranges = ranges(times.iter().map(|time| Timestamp(*time)));
            for time in &times {
                prop_assert_eq!(ranges.iter().filter(|(from, to)| (*from..=*to).contains(&Timestamp(*time))).count(), 1);
            }
            for (from, to) in &ranges {
                prop_assert!(times.is_empty() || times.iter().any(|time| (*from..=*to).contains(&Timestamp(*time))));
            }
            let bulk = times.iter().filter(|time| (ranges[0].0..=ranges[0].1).contains(&Timestamp(**time))).count();
            prop_assert!(bulk * 4 >= times.len() * 3);
        }
    }
}
