//! A term within one token, against the values of a page: numbers are compared as numbers, text is searched
//! all at once.

use super::nibbles::Nibbles;
use super::select::{Bits, Selection};
use crate::segment::Blocks;
use crate::segment::decode::{self, BEYOND_DICTIONARY, Spelling, Values, decimal_unit, with_ints};
use crate::segment::ints::Coded;
use crate::segment::meta::{Body, PageMeta};
use crate::segment::strings::{HexValues, Strings, UUID_PARTS};
use taffrail_base::{Error, Result};
use taffrail_pattern::split::time::{Family, Layout};
use taffrail_pattern::{Term, TermMatcher};

/// What a term can be in columns whose values are not stored as text.
#[derive(Debug, Default)]
pub struct Spellings {
    numeric: Option<Numeric>,
    nibbles: Option<Nibbles>,
    /// Whether it has letters in upper case, and lower case, as far as case counts.
    upper: bool,
    lower: bool,
}

impl Spellings {
    /// Of a term within one token.
    pub fn of(term: &Term) -> Self {
        let has = |kind: fn(&u8) -> bool| term.case_sensitive && term.parts.iter().any(|part| part.as_bytes().iter().any(kind));
        Self {
            numeric: Numeric::of(term),
            nibbles: Nibbles::of(term),
            upper: has(u8::is_ascii_uppercase),
            lower: has(u8::is_ascii_lowercase),
        }
    }

    /// Whether the term can be spelled with letters of one case alone.
    fn is_case(&self, upper: bool) -> bool {
        !if upper { self.lower } else { self.upper }
    }

    /// Whether a page can hold the term, by how its values are stored and the range of its numbers.
    pub fn may_be_in(&self, body: &Body, range: Option<(i64, i64)>) -> bool {
        self.numeric.as_ref().is_none_or(|numeric| numeric.may_be_in(body, range))
    }
}

/// A term as the numbers that it can be.
#[derive(Debug, Default)]
struct Numeric {
    /// Its digits, when it is nothing else.
    digits: Option<(i64, usize)>,
    /// Its parts as one to four numbers of an IPv4 address.
    octets: Option<Vec<u8>>,
    /// Its bytes, when it is an even number of hexadecimal digits, hyphens aside.
    hex: Option<Vec<u8>>,
    /// Where these hyphens stand.
    hyphens: Vec<usize>,
}

impl Numeric {
    /// Of a term that is one literal between breakers; none otherwise.
    fn of(term: &Term) -> Option<Self> {
        let text = term.single_literal().filter(|_| !term.open_start() && !term.open_end())?;
        let canonical = |text: &str| text.len() == 1 || !text.starts_with('0');
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let digits = (plain(text) && text.len() <= 18).then(|| text.parse().ok()).flatten().map(|value| (value, text.len()));
        let octets: Option<Vec<u8>> = text.split('.').map(|part| part.parse().ok().filter(|_| plain(part) && canonical(part))).collect();
        let octets = octets.filter(|octets| octets.len() <= 4);
        let hyphens: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
        let all: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
        let hex = (all.len().is_multiple_of(2) && all.iter().all(u8::is_ascii_hexdigit)).then(|| {
            let digit = |b: u8| (b as char).to_digit(16).unwrap_or(0) as u8;
            all.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
        });
        Some(Self { digits, octets, hex, hyphens })
    }

    /// The rows of numbers that hold the term; `None` where only their text can tell.
    fn rows(&self, spelling: Spelling, numbers: &[i64]) -> Option<Selection> {
        match (spelling, self.digits, &self.octets) {
            // The whole value is one token.
            (Spelling::Integer(width), Some((wanted, len)), _) => {
                let spelled = (wanted.checked_ilog10().unwrap_or(0) as usize + 1).max(width as usize);
                let wanted = wanted.unsigned_abs();
                // A sign is a breaker.
                Some(if spelled == len {
                    Selection::of(numbers.len(), |row| numbers[row].unsigned_abs() == wanted)
                } else {
                    Selection::None
                })
            }
            (Spelling::Decimal(scale), Some((wanted, len)), _) => {
                let unit = decimal_unit(scale);
                let whole = len == wanted.checked_ilog10().unwrap_or(0) as usize + 1;
                let fraction = len == scale as usize;
                let found = |number: i64| (whole && number / unit == wanted) || (fraction && number % unit == wanted);
                Some(Selection::of(numbers.len(), |row| found(numbers[row])))
            }
            (Spelling::Ipv4, _, Some(octets)) => {
                let wanted = octets.iter().fold(0u32, |sum, octet| sum << 8 | u32::from(*octet));
                let bits = 8 * octets.len() as u32;
                let mask = u32::MAX >> (32 - bits);
                let shifts = 5 - octets.len() as u32;
                Some(Selection::of(numbers.len(), |row| {
                    let address = numbers[row] as u32;
                    (0..shifts).any(|shift| address >> (8 * shift) & mask == wanted)
                }))
            }
            (Spelling::Time(layout), Some((_, len)), _) if !has_run(layout, len) => Some(Selection::None),
            // Another spelling than an address's cannot stand between breakers in one.
            (Spelling::Ipv4, Some(_), None) => Some(Selection::None),
            _ => None,
        }
    }

    fn hex_rows(&self, values: &HexValues) -> Selection {
        match &self.hex {
            Some(hex) if self.hyphens.is_empty() && hex.len() == values.width => {
                Selection::of(values.len(), |row| values.get(row) == &hex[..])
            }
            _ => Selection::None,
        }
    }

    /// Of UUIDs: whole ones, or what stands between two hyphens; `None` where only their text can tell.
    fn uuid_rows(&self, values: &HexValues) -> Option<Selection> {
        let hex = self.hex.as_ref()?;
        Some(match &self.hyphens[..] {
            [] => Selection::of(values.len(), |row| UUID_PARTS.iter().any(|part| values.get(row)[part.clone()] == hex[..])),
            [8, 13, 18, 23] if hex.len() == 16 => Selection::of(values.len(), |row| values.get(row) == &hex[..]),
            _ => return None,
        })
    }

    fn may_be_in(&self, body: &Body, range: Option<(i64, i64)>) -> bool {
        let within = |number: i64| range.is_none_or(|(least, greatest)| (least..=greatest).contains(&number));
        match (body, self.digits, self.octets.as_deref()) {
            (Body::Integer { .. }, Some((wanted, _)), _) => within(wanted) || within(-wanted),
            (Body::Ipv4 { .. }, _, Some([a, b, c, d])) => within(u32::from_be_bytes([*a, *b, *c, *d]).into()),
            (Body::Hex { len, .. }, ..) => self.hyphens.is_empty() && self.hex.as_ref().is_some_and(|hex| hex.len() * 2 == *len as usize),
            (Body::Time { layout, .. }, Some((_, len)), _) => Layout::from_code(*layout).is_none_or(|layout| has_run(layout, len)),
            _ => true,
        }
    }
}

/// The runs of digits in times of a layout, apart from the fraction.
fn runs(layout: Layout) -> &'static [usize] {
    match layout.family {
        Family::Epoch if layout.point > 0 || layout.fraction == 0 => &[10],
        // With the fraction, they are one run.
        Family::Epoch => &[],
        // Days, clocks, a year or a zone.
        _ => &[1, 2, 4],
    }
}

/// The digits of a fraction, and of what it is one run with.
fn fraction(layout: Layout) -> usize {
    usize::from(layout.fraction) + if runs(layout).is_empty() { 10 } else { 0 }
}

/// Whether times of a layout have a run of so many digits.
fn has_run(layout: Layout, len: usize) -> bool {
    runs(layout).contains(&len) || fraction(layout) == len
}

/// The longest run of digits in times of a layout.
pub fn digits_of_times(layout: [u8; 6]) -> usize {
    Layout::from_code(layout).map_or(usize::MAX, |layout| runs(layout).iter().copied().max().unwrap_or(0).max(fraction(layout)))
}

/// The rows of a page whose values match.
pub fn rows(matcher: &TermMatcher, spelling: &Spellings, values: &Values) -> Selection {
    let numeric = spelling.numeric.as_ref();
    // As one text: quicker than a text for each row.
    let spelled = || {
        let mut texts = Strings::default();
        (0..values.len()).for_each(|row| texts.push_with(|out| values.write(row, out)));
        strings(matcher, &texts)
    };
    match values {
        Values::Constant(value, _) => Selection::all_if(matcher.matches(value)),
        Values::Dictionary(entries, numbers) => match strings(matcher, entries) {
            Selection::None => Selection::None,
            Selection::All => Selection::All,
            Selection::Some(hits) => Selection::of(numbers.len(), |row| hits.holds(numbers[row] as usize)),
        },
        Values::Each(values) => strings(matcher, values),
        Values::Numbers(spelling, numbers) => numeric.and_then(|numeric| numeric.rows(*spelling, numbers)).unwrap_or_else(spelled),
        Values::Hex(values) => match (numeric, &spelling.nibbles) {
            _ if !spelling.is_case(values.upper) => Selection::None,
            (Some(numeric), _) => numeric.hex_rows(values),
            (None, Some(nibbles)) => nibbles.rows(values),
            (None, None) => spelled(),
        },
        Values::Uuid(values) if !spelling.is_case(values.upper) => Selection::None,
        Values::Uuid(values) => numeric.and_then(|numeric| numeric.uuid_rows(values)).unwrap_or_else(spelled),
        Values::Affix(..) => spelled(),
    }
}

/// The rows of a page that refer to entries that match.
pub fn of_entries(hits: &Selection, page: &PageMeta, blocks: &Blocks<'_>) -> Result<Selection> {
    let Selection::Some(hits) = hits else { return Ok(hits.clone()) };
    let (Body::Dictionary { numbers, .. } | Body::Shared { numbers, .. }) = &page.body else { return Ok(Selection::None) };
    let (rows, entries) = (page.rows as usize, hits.rows());
    let beyond = || Error::corrupt(blocks.name(), BEYOND_DICTIONARY);
    with_ints(blocks, *numbers, rows, |numbers| match numbers {
        Coded::Bytes { base, low, high: None } => {
            let base = usize::try_from(base).map_err(|_| beyond())?;
            if low.iter().max().is_some_and(|most| base + usize::from(*most) >= entries) {
                return Err(beyond());
            }
            let table: [bool; 256] = std::array::from_fn(|low| base + low < entries && hits.holds(base + low));
            Ok(Selection::of(rows, |row| table[usize::from(low[row])]))
        }
        numbers => {
            let numbers = numbers.each();
            if numbers.iter().any(|number| !usize::try_from(*number).is_ok_and(|number| number < entries)) {
                return Err(beyond());
            }
            Ok(Selection::of(rows, |row| hits.holds(numbers[row] as usize)))
        }
    })?
}

/// Whether a term can stand in the text of a page that stores one, looked for without telling the values apart. `runs`
/// are those of the term's literal.
pub fn may_be_in_text(matcher: &TermMatcher, runs: &[u32], body: &Body, blocks: &Blocks<'_>) -> Result<bool> {
    let Some((before, place, after)) = decode::text(body).filter(|_| matcher.literal().is_some()) else { return Ok(true) };
    if matcher.may_cross(before, after) || matcher.matches(before) || matcher.matches(after) {
        return Ok(true);
    }
    if !runs.is_empty() && blocks.grams(place)?.is_some_and(|grams| !grams.may_hold(runs)) {
        return Ok(false);
    }
    // A dictionary's text is looked through for the entries that match, once.
    if matches!(body, Body::Dictionary { .. }) {
        return Ok(true);
    }
    let mut found = false;
    matcher.each_literal(blocks.get(place)?.range(place)?, |_, _| {
        found = true;
        usize::MAX
    });
    Ok(found)
}

/// The strings that match: all are searched as one text, and each hit is looked at where it stands.
pub fn strings(matcher: &TermMatcher, values: &Strings) -> Selection {
    if values.len() == 0 || matcher.literal().is_none() {
        return Selection::of(values.len(), |row| matcher.matches(values.get(row)));
    }
    let mut bits = None;
    matcher.each_literal(values.bytes(), |start, end| {
        let row = values.holder(start);
        if end > values.end(row) {
            return start + 1;
        }
        if matcher.matches(values.get(row)) {
            bits.get_or_insert_with(|| Bits::new(values.len())).set(row);
        }
        // Whatever else the value has, it has been decided.
        values.end(row)
    });
    bits.map_or(Selection::None, Selection::from_bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::strings::Text;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_compared_as_they_are_spelled(
            numbers in prop::collection::vec(prop_oneof![0i64..30, 0i64..70_000, 0i64..1 << 32], 1..20),
            wanted in prop_oneof!["[0-9]{1,3}", "[0-9]{1,2}\\.[0-9]{1,2}", "([0-9]{1,3}\\.){3}[0-9]{1,3}", "[0-9a-fA-F]{4}"],
            exact in any::<bool>(),
        ) {
            let term = Term { case_sensitive: exact, ..Term::literal(wanted) };
            let (matcher, numbers_of) = (TermMatcher::new(&term), Spellings::of(&term));
            for spelling in [Spelling::Integer(0), Spelling::Integer(4), Spelling::Decimal(2), Spelling::Ipv4] {
                let values = Values::Numbers(spelling, numbers.clone());
                let found = rows(&matcher, &numbers_of, &values);
                prop_assert_eq!(found, rows(&matcher, &Spellings::default(), &values), "{:?} {:?}", term, spelling);
            }
        }

        #[test]
        fn digits_of_bytes_are_compared_as_they_are_spelled(
            bytes in prop::collection::vec(prop_oneof![Just(0x11u8), Just(0x1a), Just(0xa1), Just(0xaa)], 40),
            wanted in "[1aA]{1,16}",
            shape in 0usize..4,
            exact in any::<bool>(),
            upper in any::<bool>(),
        ) {
            let values = HexValues::new(Text::Own(bytes), 8, upper, 5).unwrap();
            let text = [wanted.clone(), format!("*{wanted}*"), format!("{wanted}*"), format!("*{wanted}")][shape].clone();
            let term = Term { case_sensitive: exact, ..Term::wildcard(&text) };
            let matcher = TermMatcher::new(&term);
            let mut line = Vec::new();
            let spelled = Selection::of(5, |row| {
                line.clear();
                values.spell(row, &mut line);
                matcher.matches(&line)
            });
            prop_assert_eq!(rows(&matcher, &Spellings::of(&term), &Values::Hex(values)), spelled, "{:?} {}", term, upper);
        }
    }
}
