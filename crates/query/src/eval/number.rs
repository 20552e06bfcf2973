//! Numbers as text, and text as numbers.

/// A number as text: whole numbers without a fraction, others with up to 15 significant digits.
pub fn format_number(number: f64) -> String {
    if !number.is_finite() {
        return String::new();
    }
    if number == number.trunc() && number.abs() < 1e18 {
        return format!("{}", number as i64);
    }
    if number.abs() >= 1e18 {
        return format!("{number:e}");
    }
    let magnitude = number.abs().log10().floor() as i32;
    let decimals = (14 - magnitude).clamp(0, 40) as usize;
    let mut text = format!("{number:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if text == "-0" { "0".to_owned() } else { text }
}

/// The number that a text stands for, as comparisons and arithmetic see it.
pub fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let first = *text.as_bytes().first()?;
    // Words are most of what is asked about; "inf" and "nan" are words too.
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.'))
        || text.bytes().any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E'))
    {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_people_write_them() {
        for (number, expected) in [
            (5.0, "5"),
            (-0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.333333333333333"),
            (2.5, "2.5"),
            (1e-7, "0.0000001"),
            (1234567890.125, "1234567890.125"),
            (9007199254740993.0, "9007199254740992"),
            (-1.5, "-1.5"),
            (f64::NAN, ""),
        ] {
            assert_eq!(format_number(number), expected);
        }
    }

    #[test]
    fn text_is_a_number_or_not() {
        for (text, expected) in [
            ("5", Some(5.0)),
            (" -1.5 ", Some(-1.5)),
            ("1e3", Some(1000.0)),
            (".5", Some(0.5)),
            ("", None),
            ("-", None),
            ("5a", None),
            ("inf", None),
            ("nan", None),
            ("0x1f", None),
            ("1.2.3", None),
            ("1e999", None),
            ("e", None),
        ] {
            assert_eq!(parse_number(text), expected, "{text}");
        }
    }
}
