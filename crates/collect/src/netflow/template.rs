//! Templates: which fields the flows of an exporter have, and reading flows by them.

use super::elements::{self, Kind};
use std::net::IpAddr;
use taffrail_event::Timestamp;

/// Fields of one template; more are taken for damage.
const FIELDS_MAX: u16 = 500;

/// A length that says: the length stands before the value.
const VARIABLE: u16 = u16::MAX;

/// The bit of a field's number that says: a number of an enterprise follows.
const ENTERPRISE: u16 = 0x8000;

/// The enterprise under which fields are those of the other direction.
const REVERSE: u32 = 29_305;

/// Bytes, read from the front.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing but zeros is left.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }
}

/// The fields of a kind of flows.
pub(super) struct Template {
    fields: Vec<Field>,
    options: bool,
    least: usize,
}

struct Field {
    name: Box<str>,
    kind: Kind,
    len: u16,
    /// Its number, if the registry has it.
    id: Option<u16>,
}

/// What a flow says that others need.
#[derive(Default)]
pub(super) struct Said {
    pub end: Option<Timestamp>,
    /// Milliseconds since the exporter was started.
    pub end_uptime: Option<u64>,
    /// When it was started.
    pub booted: Option<i64>,
    pub sampler: Option<u64>,
    plain: Option<u64>,
    random: Option<u64>,
    packets: Option<u64>,
    space: Option<u64>,
}

impl Said {
    /// One packet of how many is counted.
    pub fn interval(&self) -> Option<u64> {
        let spaced =
            self.packets.filter(|packets| *packets > 0).zip(self.space).map(|(packets, space)| packets.saturating_add(space) / packets);
        self.random.or(self.plain).filter(|interval| *interval > 0).or(spaced)
    }
}

impl Template {
    /// The number and fields of the next template; no fields where it is withdrawn.
    pub fn read(reader: &mut Reader<'_>, version: u16, options: bool) -> Option<(u16, Option<Self>)> {
        let id = reader.u16()?;
        let (scopes, count) = match (version, options) {
            (9, true) => {
                // Here lengths in bytes, four to a field.
                let (scopes, rest) = (reader.u16()? / 4, reader.u16()? / 4);
                (scopes, scopes.checked_add(rest)?)
            }
            (_, false) => (0, reader.u16()?),
            (_, true) => {
                let count = reader.u16()?;
                (if count == 0 { 0 } else { reader.u16()? }, count)
            }
        };
        if count == 0 {
            return Some((id, None));
        }
        if count > FIELDS_MAX || scopes > count || id < 256 {
            return None;
        }
        let mut fields: Vec<Field> = Vec::with_capacity(usize::from(count));
        for at in 0..count {
            let mut field = Field::read(reader, version, version == 9 && at < scopes)?;
            let same = fields.iter().filter(|other| other.name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_') == &*field.name);
            let same = same.count();
            if same > 0 {
                field.name = format!("{}_{}", field.name, same + 1).into();
            }
            fields.push(field);
        }
        let least = fields.iter().map(|field| if field.len == VARIABLE { 1 } else { usize::from(field.len) }).sum::<usize>();
        // A flow without a byte would never come to an end.
        (least > 0).then_some((id, Some(Self { fields, options, least })))
    }

    /// Bytes that a flow has at least; what is shorter is padding.
    pub fn least(&self) -> usize {
        self.least
    }

    /// Whether it tells of the exporter and not of flows.
    pub fn is_options(&self) -> bool {
        self.options
    }

    /// Reads one flow.
    pub fn flow(&self, reader: &mut Reader<'_>, sink: &mut Sink) -> Option<Said> {
        let mut said = Said::default();
        for field in &self.fields {
            let len = match field.len {
                VARIABLE => match reader.u8()? {
                    255 => usize::from(reader.u16()?),
                    len => usize::from(len),
                },
                len => usize::from(len),
            };
            let value = reader.take(len)?;
            field.write(value, sink);
            if let Some(id) = field.id {
                said.note(id, field.kind, value);
            }
        }
        Some(said)
    }
}

impl Said {
    fn note(&mut self, id: u16, kind: Kind, value: &[u8]) {
        let number = || unsigned(value);
        match id {
            21 => self.end_uptime = number(),
            34 => self.plain = number(),
            48 | 302 => self.sampler = number(),
            50 => self.random = number(),
            305 => self.packets = number(),
            306 => self.space = number(),
            160 => self.booted = time(kind, value).map(|time| time.0),
            151 | 153 | 155 | 157 => self.end = time(kind, value),
            258 | 322..=325 if self.end.is_none() => self.end = time(kind, value),
            _ => {}
        }
    }
}

impl Field {
    fn read(reader: &mut Reader<'_>, version: u16, scope: bool) -> Option<Self> {
        let (number, len) = (reader.u16()?, reader.u16()?);
        if scope {
            let name = elements::SCOPES.get(usize::from(number).wrapping_sub(1)).copied().unwrap_or("scope");
            return Some(Self { name: name.into(), kind: Kind::Unsigned, len, id: None });
        }
        if version == 10 && number & ENTERPRISE != 0 {
            let (number, enterprise) = (number & !ENTERPRISE, reader.u32()?);
            return Some(match elements::find(number).filter(|_| enterprise == REVERSE) {
                Some((name, kind)) => {
                    let (first, rest) = name.split_at(1);
                    Self { name: format!("reverse{}{rest}", first.to_ascii_uppercase()).into(), kind, len, id: None }
                }
                None => Self { name: format!("element_{enterprise}_{number}").into(), kind: Kind::Unknown, len, id: None },
            });
        }
        Some(match elements::find(number) {
            Some((name, kind)) => Self { name: name.into(), kind, len, id: Some(number) },
            None => Self { name: format!("element_{number}").into(), kind: Kind::Unknown, len, id: None },
        })
    }

    fn write(&self, value: &[u8], sink: &mut Sink) {
        match self.kind {
            Kind::Unsigned => match unsigned(value) {
                Some(number) => sink.number(&self.name, number),
                None => sink.text(&self.name, &hex(value)),
            },
            // Numbers are short; what is longer is as it came.
            Kind::Unknown => match unsigned(value).filter(|_| value.len() <= 4) {
                Some(number) => sink.number(&self.name, number),
                None => sink.text(&self.name, &hex(value)),
            },
            Kind::Boolean => match value {
                [1] => sink.raw(&self.name, "true"),
                [2] => sink.raw(&self.name, "false"),
                _ => sink.text(&self.name, &hex(value)),
            },
            Kind::Address => match (<[u8; 4]>::try_from(value), <[u8; 16]>::try_from(value)) {
                (Ok(v4), _) => sink.text(&self.name, &IpAddr::from(v4).to_string()),
                (_, Ok(v6)) => sink.text(&self.name, &IpAddr::from(v6).to_string()),
                _ => sink.text(&self.name, &hex(value)),
            },
            Kind::Mac if value.len() == 6 => {
                let parts: Vec<String> = value.iter().map(|byte| format!("{byte:02x}")).collect();
                sink.text(&self.name, &parts.join(":"));
            }
            Kind::Text => match std::str::from_utf8(value) {
                Ok(text) => sink.text(&self.name, text.trim_end_matches('\0')),
                Err(_) => sink.text(&self.name, &hex(value)),
            },
            Kind::Seconds | Kind::Millis | Kind::Micros | Kind::Nanos => match time(self.kind, value) {
                Some(time) => sink.text(&self.name, &time.to_string()),
                None => sink.text(&self.name, &hex(value)),
            },
            Kind::Mac | Kind::Bytes => sink.text(&self.name, &hex(value)),
        }
    }
}

fn unsigned(value: &[u8]) -> Option<u64> {
    (1..=8).contains(&value.len()).then(|| value.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// A point in time of one of the four kinds; the finer two count as NTP does.
fn time(kind: Kind, value: &[u8]) -> Option<Timestamp> {
    const NTP_TO_UNIX: i64 = 2_208_988_800;
    let number = i64::try_from(unsigned(value)?).ok();
    let nanos = match kind {
        Kind::Seconds => number?.checked_mul(1_000_000_000)?,
        Kind::Millis => number?.checked_mul(1_000_000)?,
        Kind::Micros | Kind::Nanos if value.len() == 8 => {
            let number = unsigned(value)?;
            let (seconds, fraction) = (i64::try_from(number >> 32).ok()?, number & u64::from(u32::MAX));
            let nanos = i64::try_from((u128::from(fraction) * 1_000_000_000) >> 32).ok()?;
            (seconds - NTP_TO_UNIX).checked_mul(1_000_000_000)?.checked_add(nanos)?
        }
        _ => return None,
    };
    Some(Timestamp(nanos))
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes a flow as a JSON object.
pub(super) struct Sink(Vec<u8>);

impl Sink {
    /// With what every flow has.
    pub fn new(version: u16, domain: u32) -> Self {
        Self(format!("{{\"version\":{version},\"observationDomainId\":{domain}").into_bytes())
    }

    pub fn number(&mut self, name: &str, number: u64) {
        self.raw(name, &number.to_string());
    }

    pub fn flag(&mut self, name: &str) {
        self.raw(name, "true");
    }

    pub fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        serde_json::to_writer(&mut self.0, text).expect("writing to memory does not fail");
    }

    pub fn raw(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.extend_from_slice(value.as_bytes());
    }

    fn name(&mut self, name: &str) {
        self.0.push(b',');
        // Names are of the registry or made of numbers: nothing in them has to be escaped.
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}
