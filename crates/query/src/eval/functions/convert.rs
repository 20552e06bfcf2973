//! From one kind of value to another.

use super::super::column::Type;
use super::super::compile::Node;
use super::super::number::format_number;
use super::math::rounded;
use super::{ANY, Call, Function, printf};
use crate::language::QueryError;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "tonumber",
        syntax: "tonumber(text, base)",
        summary: "The number that the text is; null when it is none.",
        arity: (1, 2),
        build: tonumber,
    },
    Function {
        name: "tostring",
        syntax: "tostring(value, \"hex\" | \"commas\" | \"duration\")",
        summary: "The value as text.",
        arity: (1, 2),
        build: tostring,
    },
    Function {
        name: "printf",
        syntax: "printf(\"format\", value, ...)",
        summary: "The values as the format says: %d, %s, %.2f.",
        arity: (1, ANY),
        build: printf_,
    },
    Function {
        name: "ipmask",
        syntax: "ipmask(\"mask\", address)",
        summary: "The IPv4 address with the mask applied.",
        arity: (2, 2),
        build: ipmask,
    },
];

fn tonumber(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::numbers(call.args()?, |values, row| match values.get(1) {
        None => values[0].number(row),
        Some(base) => {
            let base = base.number(row)?;
            if !(2.0..=36.0).contains(&base) || base.fract() != 0.0 {
                return None;
            }
            let text = values[0].text(row)?;
            let digits = text.trim();
            let digits =
                if base == 16.0 { digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits) } else { digits };
            i64::from_str_radix(digits, base as u32).ok().map(|number| number as f64)
        }
    }))
}

fn tostring(call: &Call<'_>) -> Result<Node, QueryError> {
    let kinds = ["hex", "commas", "duration"];
    if let Some(kind) = call.constant_text(1).filter(|kind| !kinds.contains(kind)) {
        let near = crate::language::suggest::nearest(kind, kinds);
        return Err(call.error(1, format!("tostring knows no `{kind}`")).with_suggestions(near));
    }
    if call.len() == 1 {
        let arg = call.arg(0)?;
        return Ok(if arg.ty == Type::Text {
            arg
        } else {
            Node::texts(vec![arg], |values, row| values[0].text(row).map(|text| text.into_owned()))
        });
    }
    Ok(Node::texts(call.args()?, |values, row| {
        let text = values[0].text(row)?;
        let Some(number) = values[0].number(row) else { return Some(text.into_owned()) };
        Some(match &*values[1].text(row)? {
            "hex" if number < 0.0 => format!("-0x{:X}", -number as u64),
            "hex" => format!("0x{:X}", number as u64),
            "commas" => commas(number),
            "duration" => duration(number),
            _ => text.into_owned(),
        })
    }))
}

/// Thousands apart, at most two digits after the point.
fn commas(number: f64) -> String {
    let text = format_number(rounded(number, 2));
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, fraction)| (whole, Some(fraction)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    if digits.contains('e') {
        return text;
    }
    let mut out = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push_str(&format!(".{fraction:0<2}"));
    }
    out
}

/// `HH:MM:SS`, with `D+` before it from a day on.
fn duration(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs() as u64;
    let (days, hours, minutes, rest) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    let days = if days > 0 { format!("{days}+") } else { String::new() };
    format!("{sign}{days}{hours:02}:{minutes:02}:{rest:02}")
}

fn printf_(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::texts(call.args()?, |values, row| {
        let format = values[0].text(row)?;
        Some(printf::printf(&format, |at| {
            let value = values.get(at + 1)?;
            Some((value.text(row)?.into_owned(), value.number(row)))
        }))
    }))
}

fn ipmask(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::texts(call.args()?, |values, row| {
        let part = |at: usize| values[at].text(row)?.trim().parse::<std::net::Ipv4Addr>().ok();
        Some(std::net::Ipv4Addr::from_bits(part(0)?.to_bits() & part(1)?.to_bits()).to_string())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_and_durations() {
        for (number, expected) in [(0.0, "0"), (999.0, "999"), (1000.0, "1,000"), (-1234567.891, "-1,234,567.89"), (12345.5, "12,345.50")] {
            assert_eq!(commas(number), expected);
        }
        for (number, expected) in [(615.0, "00:10:15"), (86_400.0 + 3_661.0, "1+01:01:01"), (0.4, "00:00:00"), (-60.0, "-00:01:00")] {
            assert_eq!(duration(number), expected);
        }
    }
}
