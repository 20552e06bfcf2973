//! Tests of one value: equal without case, wildcard, network, number or text order.

use super::{CompareOp, SearchValue};
use crate::eval::parse_number;
use rustc_hash::FxHashSet;
use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use taffrail_store::NumberTest;
use taffrail_store::scan::Ranges;

/// A text in which `*` stands for anything.
#[derive(Clone, Debug)]
pub struct Wildcard {
    parts: Vec<String>,
    case_sensitive: bool,
}

impl Wildcard {
    /// Prepares `pattern`.
    pub fn new(pattern: &str, case_sensitive: bool) -> Self {
        let pattern = if case_sensitive { pattern.to_owned() } else { pattern.to_lowercase() };
        Self { parts: pattern.split('*').map(str::to_owned).collect(), case_sensitive }
    }

    /// Whether the whole of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let lower;
        let mut rest = if self.case_sensitive || !text.bytes().any(|b| b.is_ascii_uppercase() || b >= 0x80) {
            text
        } else {
            lower = text.to_lowercase();
            &lower
        };
        let Some((first, others)) = self.parts.split_first() else { return text.is_empty() };
        let Some((last, middle)) = others.split_last() else { return rest == first };
        match rest.strip_prefix(first.as_str()) {
            Some(after) => rest = after,
            None => return false,
        }
        for part in middle {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: u128,
    bits: u8,
    version4: bool,
}

impl Cidr {
    /// Parses `10.0.0.0/8` or `2001:db8::/32`; nothing when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.trim().parse().ok()?;
        let bits: u8 = bits.trim().parse().ok()?;
        let (address, version4, most) = match address {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, true, 32),
            IpAddr::V6(v6) => (v6.to_bits(), false, 128),
        };
        (bits <= most).then_some(Self { address, bits, version4 })
    }

    /// The first and the last address of a network of IPv4, as numbers.
    fn version4_range(&self) -> Option<(i64, i64)> {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
        let first = (self.address >> 96) as u32 & mask;
        self.version4.then(|| (first.into(), (first | !mask).into()))
    }

    /// Whether the address in `text` lies in the network; IPv4 addresses written as IPv6 count as IPv4.
    pub fn contains(&self, text: &str) -> bool {
        let (address, version4) = match text.trim().parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(v4)) => (u128::from(v4.to_bits()) << 96, true),
            Ok(IpAddr::V6(v6)) => (v6.to_bits(), false),
            Err(_) => return false,
        };
        let shift = 128 - u32::from(self.bits);
        version4 == self.version4 && (self.address ^ address).checked_shr(shift).unwrap_or(0) == 0
    }
}

/// The numbers from `least` to `greatest` that are in none of the ranges, which are sorted.
fn others(ranges: &Ranges, least: i64, greatest: i64) -> Ranges {
    let (mut found, mut from) = (Vec::new(), Some(least));
    for (start, end) in ranges {
        let Some(first) = from else { break };
        if first < *start {
            found.push((first, start - 1));
        }
        from = if *end < first { Some(first) } else { end.checked_add(1) };
    }
    found.extend(from.filter(|first| *first <= greatest).map(|first| (first, greatest)));
    found
}

#[derive(Clone, Debug)]
enum Test {
    Any,
    Text { text: String, case_sensitive: bool, number: Option<f64> },
    Wildcard(Wildcard),
    Network(Cidr),
    Order { op: CompareOp, text: String, number: Option<f64> },
}

/// A comparison made ready for many values.
#[derive(Clone, Debug)]
pub struct ValueMatcher {
    tests: Vec<Test>,
    differs: bool,
    /// For long lists: what a search in brackets becomes.
    quick: Option<Arc<Quick>>,
}

/// Values up to which a list is compared one by one.
const LIST_SHORT: usize = 8;

/// A long list of values, those that are plain text found at once.
#[derive(Debug)]
struct Quick {
    /// In small letters.
    texts: FxHashSet<String>,
    numbers: FxHashSet<u64>,
    others: Vec<Test>,
}

impl Quick {
    fn new(tests: &[Test]) -> Self {
        let mut quick = Self { texts: FxHashSet::default(), numbers: FxHashSet::default(), others: Vec::new() };
        for test in tests {
            match test {
                Test::Text { text, case_sensitive: false, number } => {
                    quick.texts.insert(text.to_lowercase());
                    // Adding zero makes one of both zeros.
                    quick.numbers.extend(number.map(|number| (number + 0.0).to_bits()));
                }
                other => quick.others.push(other.clone()),
            }
        }
        quick
    }

    fn matches(&self, value: &str) -> bool {
        self.texts.contains(&value.to_lowercase())
            || plain_number(value).is_some_and(|number| self.numbers.contains(&(number + 0.0).to_bits()))
            || self.others.iter().any(|test| test.matches(value))
    }
}

impl ValueMatcher {
    /// Prepares `op value`.
    pub fn new(op: CompareOp, value: &SearchValue) -> Self {
        match op {
            CompareOp::Equal | CompareOp::NotEqual => {
                Self { tests: vec![Test::equal(value)], differs: op == CompareOp::NotEqual, quick: None }
            }
            _ => {
                let test = Test::Order { op, text: value.text.clone(), number: parse_number(&value.text) };
                Self { tests: vec![test], differs: false, quick: None }
            }
        }
    }

    /// Prepares `IN (values)`.
    pub fn any_of(values: &[SearchValue]) -> Self {
        let tests: Vec<Test> = values.iter().map(Test::equal).collect();
        let quick = (tests.len() > LIST_SHORT).then(|| Arc::new(Quick::new(&tests)));
        Self { tests, differs: false, quick }
    }

    /// Whether a value that is there passes.
    pub fn matches(&self, value: &str) -> bool {
        let found = match &self.quick {
            Some(quick) => quick.matches(value),
            None => self.tests.iter().any(|test| test.matches(value)),
        };
        found != self.differs
    }

    /// Which numbers pass, for columns that store numbers.
    pub fn numbers(&self) -> NumberTest {
        let all = |of: fn(&Test) -> Option<Ranges>, least: i64, greatest: i64| -> Option<Ranges> {
            let mut ranges: Ranges = self.tests.iter().map(of).collect::<Option<Vec<_>>>()?.concat();
            ranges.sort_unstable();
            ranges.dedup_by(|next, before| {
                let reaches = next.0 <= before.1;
                before.1 = if reaches { before.1.max(next.1) } else { before.1 };
                reaches
            });
            Some(if self.differs { others(&ranges, least, greatest) } else { ranges })
        };
        NumberTest { integers: all(Test::integers, i64::MIN, i64::MAX), addresses: all(Test::addresses, 0, u32::MAX.into()) }
    }

    /// Whether a value passes; a missing one never does.
    pub fn matches_option(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| self.matches(value))
    }
}

impl Test {
    fn equal(value: &SearchValue) -> Self {
        if value.text == "*" {
            return Self::Any;
        }
        if value.text.contains('*') {
            return Self::Wildcard(Wildcard::new(&value.text, value.case_sensitive));
        }
        if let Some(network) = Cidr::parse(&value.text) {
            return Self::Network(network);
        }
        Self::Text { text: value.text.clone(), case_sensitive: value.case_sensitive, number: plain_number(&value.text) }
    }

    /// The whole numbers whose text passes; `None` where only the text tells.
    fn integers(&self) -> Option<Ranges> {
        Some(match self {
            Self::Any => vec![(i64::MIN, i64::MAX)],
            Self::Text { text, case_sensitive: true, .. } => {
                text.parse().ok().filter(|number: &i64| number.to_string() == *text).map(|number| (number, number)).into_iter().collect()
            }
            Self::Text { number, .. } => {
                number.filter(|number| number.fract() == 0.0).map(|number| (number as i64, number as i64)).into_iter().collect()
            }
            // No address is spelled as a number.
            Self::Network(_) => Vec::new(),
            Self::Wildcard(_) => return None,
            Self::Order { op, number, .. } => {
                // Casts end at the least and the greatest there is.
                let number = (*number).filter(|number| !number.is_nan())?;
                let (floor, ceiling) = (number.floor() as i64, number.ceil() as i64);
                match op {
                    CompareOp::Less => vec![(i64::MIN, ceiling.saturating_sub(1))],
                    CompareOp::LessEqual => vec![(i64::MIN, floor)],
                    CompareOp::Greater => vec![(floor.saturating_add(1), i64::MAX)],
                    _ => vec![(ceiling, i64::MAX)],
                }
            }
        })
    }

    /// The IPv4 addresses whose text passes, as numbers; `None` where only the text tells.
    fn addresses(&self) -> Option<Ranges> {
        let number = |address: Ipv4Addr| i64::from(address.to_bits());
        Some(match self {
            Self::Any => vec![(0, u32::MAX.into())],
            Self::Text { text, .. } => {
                let address: Option<Ipv4Addr> = text.parse().ok();
                address.map(|address| (number(address), number(address))).into_iter().collect()
            }
            Self::Network(network) => network.version4_range().into_iter().collect(),
            Self::Wildcard(_) | Self::Order { .. } => return None,
        })
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Any => !value.is_empty(),
            Self::Text { text, case_sensitive: true, .. } => text == value,
            Self::Text { text, number, .. } => same_text(text, value) || number.is_some_and(|number| plain_number(value) == Some(number)),
            Self::Wildcard(wildcard) => wildcard.matches(value),
            Self::Network(network) => network.contains(value),
            Self::Order { op, text, number } => {
                let order = match (parse_number(value), number) {
                    (Some(left), Some(right)) => left.partial_cmp(right),
                    _ => Some(value.cmp(text)),
                };
                match op {
                    CompareOp::Less => order == Some(Ordering::Less),
                    CompareOp::LessEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                    CompareOp::Greater => order == Some(Ordering::Greater),
                    _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                }
            }
        }
    }
}

fn same_text(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() { left.eq_ignore_ascii_case(right) } else { left.to_lowercase() == right.to_lowercase() }
}

/// The number that a text stands for, if it is written as a person writes one: `5` equals `5.0`, but the
/// identifiers `007` and `1e3` equal only themselves.
fn plain_number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.split('.').next().unwrap_or_default();
    let padded = whole.len() > 1 && whole.starts_with('0');
    let plain = !padded && digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain { digits_number(text) } else { None }
}

fn digits_number(text: &str) -> Option<f64> {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '-').then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(ranges: &Ranges, number: i64) -> bool {
        ranges.iter().any(|(least, greatest)| (*least..=*greatest).contains(&number))
    }

    fn operator() -> impl Strategy<Value = CompareOp> {
        use CompareOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        prop::sample::select(vec![Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual])
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![-20i64..20, -999_999_999_999_999i64..=999_999_999_999_999, Just(999_999_999_999_999)]
    }

    fn wanted() -> impl Strategy<Value = String> {
        let shapes = prop_oneof![
            (-20i64..20).prop_map(|number| number.to_string()),
            number().prop_map(|number| number.to_string()),
            (-40i64..40).prop_map(|number| format!("{}", number as f64 / 2.0)),
            (-20i64..20).prop_map(|number| format!("{number}.0")),
        ];
        let odd =
            prop::sample::select(vec!["*", "", "007", "1e3", "x", "-0", "1*", "99999999999999999999", "9007199254740993", "1e300", "."]);
        let networks = (any::<u32>(), 0u8..=32).prop_map(|(bits, len)| format!("{}/{len}", Ipv4Addr::from_bits(bits)));
        let addresses = (0u32..40).prop_map(|low| Ipv4Addr::from_bits(0x0a00_0000 | low).to_string());
        prop_oneof![4 => shapes, 2 => odd.prop_map(str::to_owned), 1 => networks, 1 => addresses, 1 => Just("10.0.0.16/28".to_owned())]
    }

    proptest! {
        #[test]
        fn numbers_pass_as_their_text_does(
            op in operator(),
            text in wanted(),
            more in wanted(),
            several in any::<bool>(),
            case_sensitive in any::<bool>(),
            numbers in prop::collection::vec(number(), 1..20),
            low in 0u32..40,
            any in any::<u32>(),
        ) {
            let value = |text: String| SearchValue { text, case_sensitive };
            let matcher =
                if several { ValueMatcher::any_of(&[value(text), value(more)]) } else { ValueMatcher::new(op, &value(text)) };
            let known = matcher.numbers();
            for ranges in [&known.integers, &known.addresses].into_iter().flatten() {
                prop_assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", ranges);
            }
            if let Some(ranges) = &known.integers {
                for number in numbers {
                    prop_assert_eq!(holds(ranges, number), matcher.matches(&number.to_string()), "{} {:?}", number, matcher);
                }
            }
            if let Some(ranges) = &known.addresses {
                for bits in [0x0a00_0000 | low, any, 0, u32::MAX] {
                    prop_assert_eq!(holds(ranges, bits.into()), matcher.matches(&Ipv4Addr::from_bits(bits).to_string()), "{:?}", matcher);
                }
            }
        }
    }
}
