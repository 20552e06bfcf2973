//! Whatever goes in comes out, and what the scan finds is what a plain look at the bytes finds.

use super::*;
use crate::memory::MemorySegment;
use crate::segment::{Segment, SegmentBuilder};
use crate::{SegmentRef, Snapshot};
use arrow::array::{Array, AsArray};
use proptest::prelude::*;
use std::collections::BTreeMap;
use taffrail_base::Ulid;
use taffrail_event::{EventBatch, Origin, Problems};
use taffrail_pattern::split::time;
use taffrail_pattern::{FieldPlan, FieldResolver, Guard, Guarded, Held, NoFields, Pattern, PlanPiece, Term, TermMatcher};

fn origin(host: &str) -> Origin {
    let sourcetype = if host.len().is_multiple_of(2) { "even" } else { "odd" };
    Origin {
        index: "main".into(),
        host: host.into(),
        source: "test".into(),
        sourcetype: sourcetype.into(),
        transport: "test".into(),
        peer: "".into(),
    }
}

fn batch(lines: &[Vec<u8>]) -> EventBatch {
    let mut batch = EventBatch::new(Timestamp(77));
    for (at, line) in lines.iter().enumerate() {
        // Of every other batch, the lines say which host they are from.
        let word = line.split(|byte| *byte == b' ').nth(1).and_then(|word| std::str::from_utf8(word).ok());
        let told = word.filter(|_| lines.len().is_multiple_of(2));
        let number = batch.origin(&origin(told.unwrap_or(["a", "bb", "ccc"][at % 3])));
        // Times repeat and go back and forth, and some are those written in the line.
        let told = line.split(|byte| *byte == b' ').next().and_then(time::epoch);
        let time = told.map_or((at as i64 * 7919 % 50) * 1_000_000_000, |(nanos, _)| nanos);
        batch.push(number, Timestamp(time), Problems((at % 5 == 0).into()), line);
    }
    batch
}

fn segment_of(batch: &EventBatch) -> Arc<Segment> {
    let mut builder = SegmentBuilder::new("main", 1_000);
    batch.iter().for_each(|event| builder.push(event));
    let (bytes, meta) = builder.finish(Ulid(7), 3).unwrap();
    Segment::from_bytes(bytes, meta).unwrap()
}

fn request(filter: Filter) -> ScanRequest {
    ScanRequest {
        filter,
        earliest: Timestamp::MIN,
        latest: Timestamp::MAX,
        sequence_from: None,
        resolver: Arc::new(NoFields),
        columns: vec![Column::Time, Column::Sequence, Column::RawBytes, Column::Host, Column::Problems],
        newest_first: true,
        limit: None,
    }
}

fn memory_snapshot(batch: &EventBatch) -> Snapshot {
    let memory = MemorySegment::new("main", 0);
    memory.extend(batch.iter());
    Snapshot { segments: memory.parts().into_iter().map(SegmentRef::Memory).collect() }
}

/// The arrival numbers that a scan gives, in its order.
fn found(snapshot: &Snapshot, request: ScanRequest) -> Vec<u64> {
    let scan = Scan::plan(snapshot, request);
    let mut numbers = Vec::new();
    for partition in 0..scan.partitions() {
        for batch in scan.run(partition) {
            let batch = batch.unwrap();
            numbers.extend(batch.column(1).as_primitive::<arrow::datatypes::UInt64Type>().values());
        }
    }
    numbers
}

/// Lines that exercise every encoding: numbers, addresses, hex, times, quotes, dictionaries, affixes, junk.
fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0u32..5, 0u32..70_000, "(root|alice|bob|x-[a-f0-9]{3})", 0u8..60).prop_map(|(kind, number, user, second)| {
            let ip = format!("10.{}.{}.{}", kind, number % 250, number / 300);
            match kind {
                0 => format!("Nov {:>2} 21:14:{second:02} web sshd[{number}]: session opened for user {user} by (uid={})", number % 28 + 1, number % 3),
                1 => format!("{ip} - - [21/Nov/2026:21:14:{second:02} +0000] \"GET /p/{number}?q={user} HTTP/1.1\" 200 {number} \"-\" \"agent {} one\"", number % 3),
                2 => format!("{{\"a\":{number},\"b\":\"{user} \\\" q\",\"id\":\"{:016x}\"}}", u64::from(number) * 77_777_777),
                3 => format!("duration: {}.{:03} ms blk_{number} dev-{:04}", number % 90, number % 1000, number % 10_000),
                _ => format!("2026-11-21T21:14:{second:02}.{:03}Z level=info user={user} msg=\"took {number} us from {ip}\"", number % 1000),
            }
            .into_bytes()
        }),
        2 => (0u32..3, 0u32..200, 0u32..70_000).prop_map(|(kind, second, number)| {
            let time = 1_700_000_000 + second;
            match kind {
                0 => format!("{time}.{:06} C{number} root 10.1.{}.7", number * 13 % 1_000_000, number % 250),
                1 => format!("{time}{:03} took {number} ms", number % 1000),
                _ => format!("{time} audit user=root until {}", time + number % 2 * 3600),
            }
            .into_bytes()
        }),
        // Events of several lines, which recur.
        2 => (0u32..9, 0u8..60, prop::collection::vec(0u32..12, 0..6)).prop_map(|(number, second, below)| {
            let first = if number > 6 { String::new() } else { format!("2026-11-21 21:14:{second:02} ERROR user root job {number} failed") };
            let below = below.into_iter().map(|line| match line {
                0 => "\n".to_owned(),
                1 => "\nCaused by: x-fff root\r".to_owned(),
                2 => format!("\n\t... {second} more"),
                line => format!("\n\tat org.example.Thing.call(Thing.java:{line}) GET 200"),
            });
            (first + &below.collect::<String>()).into_bytes()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => "[a-d \":=\\\\]{0,30}".prop_map(String::into_bytes),
    ]
}

/// A term cut out of a line, or from a few that hit often; sometimes with wildcards.
fn term(lines: &[Vec<u8>], pick: usize, from: usize, len: usize, how: u8) -> Term {
    let cut = || {
        let line = String::from_utf8_lossy(&lines[pick % lines.len()]).into_owned();
        let chars: Vec<char> = line.chars().filter(|c| *c != '*').collect();
        let start = from % (chars.len() + 1);
        chars[start..(start + len).min(chars.len())].iter().collect::<String>()
    };
    let often =
        ["root", "200", "10.1", "user=root", "for user root", "GET", "21:14", "a", "-", "opened for", "x-*", "\"GET /p", "duration: 1*ms"];
    match how % 8 {
        0 | 1 => Term::literal(cut()),
        2 => Term::wildcard(&format!("{}*", cut())),
        3 => Term::wildcard(&format!("*{}*", cut())),
        4 => Term::substring(cut(), how > 100),
        5 => Term { case_sensitive: true, ..Term::literal(cut().to_uppercase()) },
        6 => {
            let text = cut();
            let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
            Term::wildcard(&format!("{}*{}", &text[..middle], &text[middle..]))
        }
        _ => Term::wildcard(often[pick % often.len()]),
    }
}

/// An expression made of a piece of a line, some of it loosened; or one of a few that cross columns.
fn expression(lines: &[Vec<u8>], pick: usize, from: usize, len: usize, how: u8) -> regex::Regex {
    let line = String::from_utf8_lossy(&lines[pick % lines.len()]).into_owned();
    let chars: Vec<char> = line.chars().collect();
    let start = from % (chars.len() + 1);
    let piece: Vec<char> = chars[start..(start + len).min(chars.len())].to_vec();
    let loosened = |c: &char| match (c, how % 3) {
        (c, 0) if c.is_ascii_digit() => "[0-9]".to_owned(),
        (c, 1) if c.is_alphanumeric() => r"\w+".to_owned(),
        (' ', 2) => r"\s".to_owned(),
        (c, _) => regex::escape(&c.to_string()),
    };
    let often = [
        r"user=(root|alice)",
        r"for user \S+ by",
        r"^Nov .*uid=0\)$",
        r"(?i)GET /p/\d+7\?q=R",
        r"\b10\.1\.\d+\.\d+\b",
        r#"[0-9a-f]{16}""#,
        r"took [0-9]+ us from 10\.4",
        r"^\S+ - - \[.*agent 2 one.$",
        r"\x00|\n",
        r"(?s)^.{3,9}$",
        r"[^ -~]",
        r"blk_\d*9 dev-00",
    ];
    let text: String = match how % 5 {
        0 => often[pick % often.len()].to_owned(),
        1 => format!(r"\b{}\b", piece.iter().map(loosened).collect::<String>()),
        2 => format!("(?i){}", piece.iter().map(loosened).collect::<String>()),
        3 => format!("^.*{}", piece.iter().map(loosened).collect::<String>()),
        _ => piece.iter().map(loosened).collect(),
    };
    regex::Regex::new(&text).unwrap_or_else(|_| regex::Regex::new("a|b").unwrap())
}

/// The tree of a filter, as a plain look at an event decides it.
fn brute(filter: &Filter, raw: &[u8], host: &str) -> bool {
    match filter {
        Filter::All => true,
        Filter::Nothing => false,
        Filter::Term(term) => TermMatcher::new(term).matches(raw),
        Filter::Regex(regex) => regex.is_match(&String::from_utf8_lossy(raw)),
        Filter::Origin(_, test) => test.passes(Some(host)),
        Filter::Field(_, test) => test.passes(None),
        Filter::And(all) => all.iter().all(|one| brute(one, raw, host)),
        Filter::Or(any) => any.iter().any(|one| brute(one, raw, host)),
        Filter::Not(one) => !brute(one, raw, host),
    }
}

/// Expressions with a group: some that are found on patterns, some that are not.
const GROUPS: [&str; 16] = [
    r"for user (?<x>\S+) by",
    r"user=(?<x>[^ ]+)",
    r"user=(?<x>[a-z0-9-]+)",
    r"user=(?<x>[a-q]+)",
    r"uid=(?<x>[0-9]+)",
    r"^(?<x>\d+\.\d+)",
    r" (?<x>\w+)",
    r"blk_(?<x>\d+)",
    r"took (?<x>[0-9]+) us",
    r"GET (?<x>[^ ]+) HTTP",
    r"sshd\[(?<x>[0-9]+)\]: session",
    r"from (?<x>[0-9.]+)",
    r"took (?<y>\d+) us from (?<x>[0-9.]+)",
    r"GET /p/(?<y>\w+)\?q=(?<x>[^ ]+) HTTP",
    r"user=(?<y>\S+) msg=\S(?<x>\w+) \d",
    r"level=(?<x>\w{4}) user=",
];

/// The same counts by a plain look at each event.
fn counts_of(batch: &EventBatch, filter: &Filter, fields: &[CountField]) -> Vec<(Vec<String>, u64)> {
    let mut counts: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for event in batch.iter().filter(|event| brute(filter, event.raw, &event.origin.host)) {
        let text = String::from_utf8_lossy(event.raw);
        let value = |field: &CountField| match field {
            CountField::Group(regex, name) => regex.captures(&text)?.name(name).map(|found| found.as_str().to_owned()),
            CountField::Column(_) => Some(event.origin.host.to_string()),
            CountField::Span(width) => Some(event.time.nanos().div_euclid(*width).to_string()),
        };
        if let Some(values) = fields.iter().map(value).collect::<Option<Vec<_>>>() {
            *counts.entry(values).or_default() += 1;
        }
    }
    counts.into_iter().collect()
}

fn check(lines: &[Vec<u8>], terms: &[(usize, usize, usize, u8)], shape: u8) -> Result<(), TestCaseError> {
    let batch = batch(lines);
    let segment = segment_of(&batch);
    let mut back = Vec::new();
    segment.for_each_raw(&mut |number, raw| back.push((number, raw.to_vec()))).unwrap();
    let expected: Vec<(u64, Vec<u8>)> = lines.iter().enumerate().map(|(at, line)| (1_000 + at as u64, line.clone())).collect();
    prop_assert_eq!(&back, &expected, "bytes and order come back");

    let snapshot = memory_snapshot(&batch);
    let mut leaves: Vec<Filter> = terms.iter().map(|(a, b, c, d)| Filter::Term(term(lines, *a, *b, *c, *d))).collect();
    leaves.extend(terms.iter().map(|(a, b, c, d)| Filter::Regex(expression(lines, *a, *b, *c, *d))));
    let first = batch.origins().first().map_or_else(|| "bb".into(), |origin| origin.host.clone());
    leaves.push(Filter::Origin(OriginField::Host, ValueTest::new(move |host| host == Some("bb") || host == Some(&first))));
    let tree = match shape % 3 {
        0 => Filter::And(leaves.iter().take(2).cloned().collect()),
        1 => Filter::Or(leaves.clone()),
        _ => Filter::And(vec![leaves[0].clone(), Filter::Not(Box::new(Filter::Or(leaves[1..].to_vec())))]),
    };
    for filter in leaves.iter().chain([&tree]) {
        let mut expected: Vec<(i64, u64)> = batch
            .iter()
            .enumerate()
            .filter(|(_, event)| brute(filter, event.raw, &event.origin.host))
            .map(|(at, event)| (event.time.nanos(), at as u64))
            .collect();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        let numbers: Vec<u64> = expected.iter().map(|(_, at)| *at).collect();
        prop_assert_eq!(&found(&snapshot, request(filter.clone())), &numbers, "{:?}", filter);
        prop_assert_eq!(Scan::plan(&snapshot, request(filter.clone())).count().unwrap(), numbers.len() as u64);
        let mut buckets = vec![0u64; 4];
        let spans = Buckets { start: Timestamp(5_000_000_000), span_nanos: 9_000_000_000, count: 4 };
        expected.iter().filter_map(|(time, _)| spans.of(*time)).for_each(|bucket| buckets[bucket] += 1);
        prop_assert_eq!(Scan::plan(&snapshot, request(filter.clone())).histogram(spans).unwrap(), buckets);
        let times: Vec<i64> = expected.iter().map(|(time, _)| *time).collect();
        for span in [1_000_000_000, 9_000_000_000, 60_000_000_000] {
            prop_assert_eq!(Scan::plan(&snapshot, request(filter.clone())).spans(span, times.len()).unwrap(), Some(spans_of(&times, span)));
        }
        let arrived: Vec<Vec<u8>> =
            batch.iter().filter(|event| brute(filter, event.raw, &event.origin.host)).map(|event| event.raw.to_vec()).collect();
        prop_assert_eq!(&raws(&snapshot, request(filter.clone())), &arrived);
        let unsorted = Scan::plan(&snapshot, ScanRequest { newest_first: false, ..request(filter.clone()) });
        let rows: Vec<_> = (0..unsorted.partitions()).flat_map(|partition| unsorted.run(partition)).map(|batch| batch.unwrap()).collect();
        let rows: Vec<Vec<u8>> =
            rows.iter().flat_map(|batch| batch.column(2).as_binary::<i32>().iter().flatten()).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(rows, arrived);
        let range = expected.last().zip(expected.first()).map(|(first, last)| (Timestamp(first.0), Timestamp(last.0)));
        prop_assert_eq!(Scan::plan(&snapshot, request(filter.clone())).time_range().unwrap(), range);
        check_counts(&batch, &snapshot, filter, shape)?;
        check_picks(&batch, &snapshot, filter, shape)?;
        let limited = ScanRequest { limit: Some(5), ..request(filter.clone()) };
        prop_assert_eq!(found(&snapshot, limited), &numbers[..numbers.len().min(5)]);
        let (earliest, latest) = (Timestamp(10_000_000_000), Timestamp(30_000_000_000));
        let bounded = ScanRequest { earliest, latest, ..request(filter.clone()) };
        let within = |(time, _): &&(i64, u64)| (10_000_000_000..30_000_000_000).contains(time);
        let numbers: Vec<u64> = expected.iter().filter(within).map(|(_, at)| *at).collect();
        prop_assert_eq!(found(&snapshot, bounded), numbers);
    }
    Ok(())
}

/// Counts and sums by groups of expressions, hosts and spans of time.
fn check_counts(batch: &EventBatch, snapshot: &Snapshot, filter: &Filter, shape: u8) -> Result<(), TestCaseError> {
    let (expression, host) = (GROUPS[shape as usize % GROUPS.len()], Column::Host);
    let fields = [CountField::Group(regex::Regex::new(expression).unwrap(), "x".into()), CountField::Column(host)];
    let fields = if shape.is_multiple_of(2) { &fields[..1] } else { &fields[..] };
    let counted = Scan::plan(snapshot, request(filter.clone())).count_by(fields).unwrap().unwrap();
    let mut counted: Vec<_> = counted.rows().collect();
    counted.sort_unstable();
    let plainly = counts_of(batch, filter, fields);
    prop_assert_eq!(&counted, &plainly, "{} {:?}", expression, filter);
    let summing = Summing { fields: fields.to_vec(), ..Summing::default() };
    if let Some(mut summed) = Scan::plan(snapshot, request(filter.clone())).sums_by(&summing, |_| None).unwrap() {
        summed.sort_unstable_by(|one, two| one.0.cmp(&two.0));
        let summed: Vec<(Vec<String>, u64)> = summed.into_iter().map(|(values, sums)| (values, sums.rows)).collect();
        prop_assert_eq!(summed, plainly, "sums by {} {:?}", expression, filter);
    }
    let fields = [CountField::Span(7_000_000_000), CountField::Column(Column::Host)];
    let counted = Scan::plan(snapshot, request(filter.clone())).count_by(&fields).unwrap().unwrap();
    let mut counted: Vec<_> = counted.rows().collect();
    counted.sort_unstable();
    prop_assert_eq!(counted, counts_of(batch, filter, &fields), "by spans {:?}", filter);
    Ok(())
}

/// The newest event of each combination of a group and a host.
fn check_picks(batch: &EventBatch, snapshot: &Snapshot, filter: &Filter, shape: u8) -> Result<(), TestCaseError> {
    let (expression, host) = (GROUPS[shape as usize % GROUPS.len()], Column::Host);
    let regex = regex::Regex::new(expression).unwrap();
    let fields = vec![CountField::Group(regex.clone(), "x".into()), CountField::Column(host)];
    let Some(picked) = Scan::plan(snapshot, request(filter.clone())).pick(&Pick::Newest(fields), |_| None).unwrap() else { return Ok(()) };
    let mut newest: BTreeMap<(String, String), (i64, u64)> = BTreeMap::new();
    let mut events = 0;
    for (at, event) in batch.iter().enumerate().filter(|(_, event)| brute(filter, event.raw, &event.origin.host)) {
        events += 1;
        let text = String::from_utf8_lossy(event.raw);
        if let Some(found) = regex.captures(&text).and_then(|captures| captures.name("x")) {
            let known = newest.entry((found.as_str().to_owned(), event.origin.host.to_string())).or_default();
            *known = (*known).max((event.time.nanos(), at as u64));
        }
    }
    let mut newest: Vec<(i64, u64)> = newest.into_values().collect();
    newest.sort_unstable_by(|a, b| b.cmp(a));
    let newest: Vec<u64> = newest.into_iter().map(|(_, at)| at).collect();
    let numbers: Vec<u64> =
        picked.batches.iter().flat_map(|batch| batch.column(1).as_primitive::<arrow::datatypes::UInt64Type>().values().to_vec()).collect();
    prop_assert_eq!(numbers, newest, "newest by {} {:?}", expression, filter);
    prop_assert_eq!(picked.events, events);
    Ok(())
}

/// Times counted one by one.
fn spans_of(times: &[i64], span: i64) -> Spans {
    let mut counts = Spans::new();
    times.iter().for_each(|time| *counts.entry(time.div_euclid(span)).or_default() += 1);
    counts
}

/// The matching events in the order in which they arrived.
fn raws(snapshot: &Snapshot, request: ScanRequest) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    let mut take = |bytes: &[u8], ends: &[usize]| {
        let mut from = 0;
        for end in ends {
            let len = u32::from_le_bytes(bytes[from..from + 4].try_into().unwrap()) as usize;
            assert_eq!(from + 4 + len, *end);
            events.push(bytes[from + 4..*end].to_vec());
            from = *end;
        }
        assert_eq!(from, bytes.len());
        Ok(())
    };
    Scan::plan(snapshot, request).raw(crate::segment::Frame::Length, &mut take).unwrap();
    events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]
    /// Mostly ascending times, so that most chunks of rows are in one span, and more kinds of lines than are looked for one by one.
    #[test]
    fn spans_agree_with_times(
        steps in prop::collection::vec((-3i64..9, 0usize..20, 0u32..6), 1..700),
        word in 0usize..20,
        span in 1i64..400,
    ) {
        let mut batch = EventBatch::new(Timestamp(77));
        let number = batch.origin(&origin("a"));
        let (mut time, mut times) = (-900, Vec::new());
        for (step, kind, value) in &steps {
            time += step;
            let letters: String = (0..=*kind).map(|at| char::from(b'a' + at as u8)).collect();
            batch.push(number, Timestamp(time), Problems::NONE, format!("{letters}, job{kind}: number {value} of many").as_bytes());
            times.push((time, *kind, *value));
        }
        let snapshot = Snapshot { segments: vec![SegmentRef::Open(segment_of(&batch))] };
        let number = |value: u32| Filter::Term(Term::literal(value.to_string()));
        let job = Filter::Term(Term::literal(format!("job{word}")));
        type Expected<'e> = &'e dyn Fn(usize, u32) -> bool;
        let cases: [(Filter, Expected<'_>); 5] = [
            (Filter::All, &|_, _| true),
            (number(3), &|_, value| value == 3),
            (job.clone(), &|kind, _| kind == word),
            (Filter::And(vec![job.clone(), number(3)]), &|kind, value| kind == word && value == 3),
            (Filter::Or(vec![job, number(3)]), &|kind, value| kind == word || value == 3),
        ];
        for (filter, test) in cases {
            let wanted: Vec<i64> = times.iter().filter(|(_, kind, value)| test(*kind, *value)).map(|(time, _, _)| *time).collect();
            let expected = spans_of(&wanted, span);
            let scan = Scan::plan(&snapshot, request(filter));
            prop_assert_eq!(scan.spans(span, expected.len()).unwrap(), Some(expected.clone()));
            if !expected.is_empty() {
                prop_assert_eq!(scan.spans(span, expected.len() - 1).unwrap(), None);
            }
            if let Some((first, count)) = expected.keys().next().zip(expected.keys().last()).map(|(a, b)| (*a, (*b - *a + 1) as usize)) {
                let buckets = Buckets { start: Timestamp(first * span), span_nanos: span, count };
                let whole: Vec<u64> = (first..).take(count).map(|number| expected.get(&number).copied().unwrap_or(0)).collect();
                prop_assert_eq!(scan.histogram(buckets).unwrap(), whole);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]
    #[test]
    fn the_scan_agrees_with_a_plain_look(
        lines in prop::collection::vec(line(), 1..220),
        terms in prop::collection::vec((any::<usize>(), any::<usize>(), 1usize..14, any::<u8>()), 3..8),
        shape in any::<u8>(),
    ) {
        check(&lines, &terms, shape)?;
    }
}

/// Cases of the property test: few by default, as many as `PROPTEST_CASES` says for a long run.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(96)
}

/// Late events are in segments of their own, whose arrival numbers lie among those of others.
#[test]
fn raw_events_come_as_they_arrived() {
    let lines: Vec<Vec<u8>> = (0..900).map(|i| format!("event {i} of {}", i % 7).into_bytes()).collect();
    let mut builder = SegmentBuilder::new("main", 0);
    batch(&lines).iter().for_each(|event| builder.push(event));
    let part = |keep: &dyn Fn(Timestamp) -> bool, id: u128| {
        let (bytes, meta) = crate::segment::encode_some(&[&builder], keep, Ulid(id), 3, &mut crate::segment::Learned::default()).unwrap();
        SegmentRef::Open(Segment::from_bytes(bytes, meta).unwrap())
    };
    let late = |time: Timestamp| time.nanos() % 11_000_000_000 == 0 || time.nanos() > 40_000_000_000;
    let snapshot = Snapshot { segments: vec![part(&late, 2), part(&|time| !late(time), 1)] };
    assert_eq!(raws(&snapshot, request(Filter::All)), lines);
    let wanted: Vec<Vec<u8>> = lines.iter().filter(|line| line.ends_with(b" 3")).cloned().collect();
    assert_eq!(raws(&snapshot, request(Filter::Regex(regex::Regex::new(" 3$").unwrap()))), wanted);
}

#[test]
fn columns_hold_what_they_name() {
    let lines: Vec<Vec<u8>> = (0..10).map(|i| format!("event {i} \u{e4}").into_bytes()).collect();
    let batch = batch(&lines);
    let snapshot = memory_snapshot(&batch);
    let scan = Scan::plan(&snapshot, ScanRequest { limit: Some(3), ..request(Filter::All) });
    let rows: Vec<_> = scan.run(0).map(|batch| batch.unwrap()).collect();
    assert_eq!(rows.len(), 1);
    let raws: Vec<&[u8]> = rows[0].column(2).as_binary::<i32>().iter().flatten().collect();
    let hosts: Vec<&str> = rows[0].column(3).as_string::<i32>().iter().flatten().collect();
    let numbers: Vec<u64> = rows[0].column(1).as_primitive::<arrow::datatypes::UInt64Type>().values().to_vec();
    for ((raw, host), number) in raws.iter().zip(hosts).zip(numbers) {
        assert_eq!(*raw, lines[number as usize]);
        assert_eq!(host, &*batch.event(number as usize).origin.host);
        let problems = rows[0].column(4).as_string::<i32>();
        assert_eq!(problems.null_count() + problems.iter().flatten().count(), 3);
    }
}

#[test]
fn histograms_patterns_and_ranges_agree_with_rows() {
    let lines: Vec<Vec<u8>> = (0..500).map(|i| format!("job {i} {}", if i % 4 == 0 { "failed" } else { "done" }).into_bytes()).collect();
    let snapshot = memory_snapshot(&batch(&lines));
    let buckets = Buckets { start: Timestamp(0), span_nanos: 10_000_000_000, count: 5 };
    for filter in [Filter::All, Filter::Term(Term::literal("failed")), Filter::Nothing] {
        let scan = Scan::plan(&snapshot, request(filter));
        let total = scan.count().unwrap();
        assert_eq!(scan.histogram(buckets).unwrap().iter().sum::<u64>(), total);
        let bounds: Vec<Timestamp> = (0..6).map(|at| Timestamp(at * 10_000_000_000)).collect();
        assert_eq!(scan.histogram_between(&bounds).unwrap(), scan.histogram(buckets).unwrap());
        let patterns = scan.patterns(Some(buckets)).unwrap();
        assert_eq!(patterns.iter().map(|p| p.count).sum::<u64>(), total);
        assert_eq!(patterns.iter().flat_map(|p| &p.buckets).sum::<u64>(), total);
        assert_eq!(scan.time_range().unwrap().is_some(), total > 0);
    }
}

#[test]
fn damage_is_named_wherever_it_is() {
    let lines: Vec<Vec<u8>> = (0..400).map(|i| format!("user u{} did {} at {}", i % 7, i * 31, i).into_bytes()).collect();
    let mut builder = SegmentBuilder::new("main", 0);
    batch(&lines).iter().for_each(|event| builder.push(event));
    let (bytes, meta) = builder.finish(Ulid(7), 3).unwrap();
    let mut kinds = BTreeMap::new();
    for at in 8..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let opened = Segment::from_bytes(damaged, meta.clone());
        let read = opened.and_then(|segment| {
            segment.for_each_raw(&mut |_, _| {})?;
            let snapshot = segment.clone();
            drop(snapshot);
            // The streams are checked when something asks for them.
            let blocks = crate::segment::Blocks::new(&segment);
            blocks.times()?;
            blocks.stream(segment.footer().received)?;
            blocks.stream(segment.footer().problems)?;
            segment
                .footer()
                .blocks
                .first()
                .filter(|b| b.len > 0)
                .map(|b| blocks.filters(crate::segment::meta::Place { block: 0, offset: 0, len: b.len }))
                .transpose()?;
            Ok(())
        });
        *kinds.entry(read.is_err()).or_insert(0) += 1;
        if let Err(error) = read {
            assert_eq!(error.kind(), taffrail_base::ErrorKind::Corrupt, "{error}");
        }
    }
    assert_eq!(kinds.get(&false), None, "every flipped bit is noticed");
}

/// The first slots of a pattern are fields by number.
struct Slots;

impl FieldResolver for Slots {
    fn resolve(&self, _: &str, _: &Pattern, _: &[Held], field: &str) -> FieldPlan {
        FieldPlan::Pieces(vec![PlanPiece::Slot(field.parse().unwrap())])
    }
}

/// Knows the last word of events, of digits only: by asking each event, or from the slot where a sample has digits.
#[derive(Default)]
struct Wary {
    asked: Arc<std::sync::atomic::AtomicUsize>,
}

impl Wary {
    fn last(raw: &[u8]) -> Option<String> {
        let word = raw.rsplit(|byte| *byte == b' ').next()?;
        word.iter().all(u8::is_ascii_digit).then(|| String::from_utf8_lossy(word).into_owned())
    }
}

impl FieldResolver for Wary {
    fn resolve(&self, _: &str, _: &Pattern, held: &[Held], _: &str) -> FieldPlan {
        assert!(held.iter().all(|held| held.sample.is_none()));
        let asked = self.asked.clone();
        let each = move |raw: &[u8]| {
            asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Self::last(raw)
        };
        FieldPlan::PerEvent(Arc::new(each), None)
    }
    fn guarded(&self, _: &str, pattern: &Pattern, held: &[Held], _: &str) -> Option<Guarded> {
        let slot = pattern.slots() - 1;
        let digits = |value: &[u8]| value.iter().all(u8::is_ascii_digit);
        let sample = held[slot].sample.as_deref()?;
        let plan = if digits(sample) { FieldPlan::Pieces(vec![PlanPiece::Slot(slot)]) } else { FieldPlan::Absent };
        let same = digits(sample);
        Some(Guarded { plan, guards: [Guard { slot, test: Arc::new(move |value| digits(value) == same) }].into() })
    }
    fn fields_vary(&self, _: &str, _: &Pattern, _: &[Held]) -> bool {
        true
    }
    fn fields_guarded(&self, sourcetype: &str, pattern: &Pattern, held: &[Held]) -> Option<Guarded<Vec<(String, FieldPlan)>>> {
        let Guarded { plan, guards } = self.guarded(sourcetype, pattern, held, "port")?;
        let found = !matches!(plan, FieldPlan::Absent);
        Some(Guarded { plan: found.then(|| ("port".to_owned(), plan)).into_iter().collect(), guards })
    }
    fn fields_of_event(&self, _: &str, raw: &[u8]) -> Vec<(String, String)> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self::last(raw).map(|value| ("port".to_owned(), value)).into_iter().collect()
    }
}

/// Where all values of a segment pass, none of its events is asked; where one does not, each is.
#[test]
fn what_a_sample_decides_holds_where_all_values_pass() {
    let lines = |name: &dyn Fn(usize) -> String| -> Vec<Vec<u8>> {
        (0..400).map(|at| format!("user u{at} came from port {}", name(at)).into_bytes()).collect()
    };
    let digits = lines(&|at| (at * 7).to_string());
    let words = lines(&|at| format!("p{at}"));
    let mixed = lines(&|at| if at == 399 { "ssh".to_owned() } else { at.to_string() });
    let segments: Vec<SegmentRef> = [&digits, &words, &mixed].iter().map(|lines| SegmentRef::Open(segment_of(&batch(lines)))).collect();
    for (which, asks) in [(vec![0], false), (vec![1], false), (vec![0, 1], false), (vec![2], true), (vec![0, 1, 2], true)] {
        let resolver = Arc::new(Wary::default());
        let asked = resolver.asked.clone();
        let snapshot = Snapshot { segments: which.iter().map(|at| segments[*at].clone()).collect() };
        let counting = ScanRequest { resolver, ..request(Filter::All) };
        let counted = Scan::plan(&snapshot, counting).count_by(&[CountField::Column(Column::Field("port".into()))]).unwrap().unwrap();
        let all: Vec<&Vec<u8>> = which.iter().flat_map(|at| [&digits, &words, &mixed][*at]).collect();
        let expected: std::collections::BTreeSet<String> = all.iter().filter_map(|line| Wary::last(line)).collect();
        let with = all.iter().filter(|line| Wary::last(line).is_some()).count() as u64;
        assert_eq!(counted.events.iter().sum::<u64>(), with, "{which:?}");
        assert_eq!(counted.events.len(), expected.len(), "{which:?}");
        let before = asked.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(before > 0, asks, "{which:?}");
        // The names of fields are found the same way.
        let request = ScanRequest { resolver: Arc::new(Wary { asked: asked.clone() }), ..request(Filter::All) };
        let names = Scan::plan(&snapshot, request).field_names().unwrap();
        assert_eq!(names, [("port".to_owned(), with)].into_iter().filter(|_| with > 0).collect::<Vec<_>>(), "{which:?}");
        let asked = asked.load(std::sync::atomic::Ordering::Relaxed) - before;
        assert_eq!(asked > 0, asks, "{which:?}");
    }
}

/// Numbers and addresses of high variety are stored as numbers: no text is made of them.
#[test]
fn numbers_are_tested_as_they_are_stored() {
    let value = |at: i64| at * 7_919 % 100_003 - 9_000;
    let address = |at: i64| (at as u32).wrapping_mul(2_654_435_761);
    let line = |at: i64| format!("took {} ms for {} in all", value(at), std::net::Ipv4Addr::from_bits(address(at))).into_bytes();
    let lines: Vec<Vec<u8>> = (0..5_000).map(line).collect();
    let snapshot = Snapshot { segments: vec![SegmentRef::Open(segment_of(&batch(&lines)))] };
    let count = |slot: &str, numbers: NumberTest| {
        let test = ValueTest::new(|value| panic!("{value:?} was asked as text")).with_numbers(numbers);
        let request = ScanRequest { resolver: Arc::new(Slots), ..request(Filter::Field(slot.into(), test)) };
        Scan::plan(&snapshot, request).count().unwrap()
    };
    let integers = |ranges: &[(i64, i64)]| NumberTest { integers: Some(ranges.to_vec()), addresses: None };
    let expected = |passes: &dyn Fn(i64) -> bool| (0..5_000).filter(|at| passes(*at)).count() as u64;
    assert_eq!(count("0", integers(&[(100, 20_000)])), expected(&|at| (100..=20_000).contains(&value(at))));
    assert_eq!(count("0", integers(&[(i64::MIN, -1), (50_000, i64::MAX)])), expected(&|at| value(at) < 0 || value(at) >= 50_000));
    assert_eq!(count("0", integers(&[(i64::MIN, i64::MAX)])), 5_000);
    assert_eq!(count("0", integers(&[(200_000, 300_000)])), 0);
    let addresses = NumberTest { integers: None, addresses: Some(vec![(0x0a00_0000, 0x3fff_ffff)]) };
    assert_eq!(count("1", addresses), expected(&|at| (0x0a00_0000..=0x3fff_ffff).contains(&address(at))));
}
