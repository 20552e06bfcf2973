//! Tests of one value: equal without case, wildcard, network, number or text order.

use super::{CompareOp, SearchValue};
use crate::eval::parse_number;
use std::cmp::Ordering;
use std::net::IpAddr;

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
}

impl ValueMatcher {
    /// Prepares `op value`.
    pub fn new(op: CompareOp, value: &SearchValue) -> Self {
        match op {
            CompareOp::Equal | CompareOp::NotEqual => Self { tests: vec![Test::equal(value)], differs: op == CompareOp::NotEqual },
            _ => {
                let test = Test::Order { op, text: value.text.clone(), number: parse_number(&value.text) };
                Self { tests: vec![test], differs: false }
            }
        }
    }

    /// Prepares `IN (values)`.
    pub fn any_of(values: &[SearchValue]) -> Self {
        Self { tests: values.iter().map(Test::equal).collect(), differs: false }
    }

    /// Whether a value that is there passes.
    pub fn matches(&self, value: &str) -> bool {
        self.tests.iter().any(|test| test.matches(value)) != self.differs
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
