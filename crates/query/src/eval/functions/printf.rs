//! Formatting with a format text, as in C.

use super::super::number::format_number;

/// Digits and blanks that one value may be padded to: a format cannot fill the memory.
const WIDTH_MAX: usize = 1_000;

#[derive(Default)]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    blank: bool,
    alternate: bool,
    thousands: bool,
    width: usize,
    precision: Option<usize>,
}

/// Fills `format` with the values that `value` gives: each as text, and as a number where it is one. A missing
/// value leaves nothing; what is no conversion stands for itself.
pub fn printf(format: &str, value: impl Fn(usize) -> Option<(String, Option<f64>)>) -> String {
    let (mut out, mut rest, mut next) = (String::new(), format, 0);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let mut take = || {
            next += 1;
            value(next - 1)
        };
        let (spec, length) = spec(rest, &mut || take().and_then(|(_, number)| number));
        let Some(letter) = rest[length..].chars().next().filter(|c| "diufFeEgGxXoscaA".contains(*c)) else {
            out.push('%');
            continue;
        };
        if let Some((text, number)) = take() {
            out.push_str(&spec.write(letter, &text, number));
        }
        rest = &rest[length + 1..];
    }
    out.push_str(rest);
    out
}

fn spec(text: &str, star: &mut dyn FnMut() -> Option<f64>) -> (Spec, usize) {
    let mut spec = Spec::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        match bytes.get(at) {
            Some(b'-') => spec.left = true,
            Some(b'0') => spec.zero = true,
            Some(b'+') => spec.plus = true,
            Some(b' ') => spec.blank = true,
            Some(b'#') => spec.alternate = true,
            Some(b'\'') => spec.thousands = true,
            _ => break,
        }
        at += 1;
    }
    let mut number = |at: &mut usize| -> usize {
        if bytes.get(*at) == Some(&b'*') {
            *at += 1;
            return star().map_or(0, |number| number.max(0.0) as usize).min(WIDTH_MAX);
        }
        let start = *at;
        while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
            *at += 1;
        }
        text[start..*at].parse::<usize>().unwrap_or(if *at > start { WIDTH_MAX } else { 0 }).min(WIDTH_MAX)
    };
    spec.width = number(&mut at);
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        spec.precision = Some(number(&mut at));
    }
    while matches!(bytes.get(at), Some(b'l' | b'h')) {
        at += 1;
    }
    (spec, at)
}

impl Spec {
    fn write(&self, letter: char, text: &str, number: Option<f64>) -> String {
        let body = match letter {
            's' => text.chars().take(self.precision.unwrap_or(usize::MAX)).collect(),
            'c' => text.chars().take(1).collect(),
            _ => return self.number(letter, number.unwrap_or(0.0)),
        };
        self.pad(body, "")
    }

    fn number(&self, letter: char, number: f64) -> String {
        let sign = match (number < 0.0, self.plus, self.blank) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let size = number.abs();
        let precision = self.precision.unwrap_or(6);
        let prefix = |text: &str| if self.alternate && size >= 1.0 { text.to_owned() } else { String::new() };
        let (prefix, digits) = match letter {
            'd' | 'i' | 'u' => (String::new(), self.at_least(format_number(size.trunc()))),
            'x' => (prefix("0x"), self.at_least(format!("{:x}", size as u64))),
            'X' => (prefix("0X"), self.at_least(format!("{:X}", size as u64))),
            'o' => (prefix("0"), self.at_least(format!("{:o}", size as u64))),
            'e' | 'E' => (String::new(), exponent(size, precision, letter)),
            'g' | 'G' => (String::new(), general(size, precision.max(1), letter)),
            _ => (String::new(), format!("{size:.precision$}")),
        };
        let digits = if self.thousands { thousands(&digits) } else { digits };
        self.pad(digits, &format!("{sign}{prefix}"))
    }

    fn at_least(&self, digits: String) -> String {
        let wanted = self.precision.unwrap_or(0);
        format!("{digits:0>wanted$}")
    }

    fn pad(&self, body: String, sign: &str) -> String {
        let missing = self.width.saturating_sub(body.chars().count() + sign.chars().count());
        match (self.left, self.zero && !body.is_empty()) {
            (true, _) => format!("{sign}{body}{}", " ".repeat(missing)),
            (_, true) => format!("{sign}{}{body}", "0".repeat(missing)),
            _ => format!("{}{sign}{body}", " ".repeat(missing)),
        }
    }
}

fn thousands(digits: &str) -> String {
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// At least two digits of exponent, with its sign.
fn exponent(size: f64, precision: usize, letter: char) -> String {
    let text = format!("{size:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}{letter}{sign}{power:0>2}")
}

fn general(size: f64, precision: usize, letter: char) -> String {
    let power = if size == 0.0 { 0 } else { size.log10().floor() as i64 };
    if power < -4 || power >= precision as i64 {
        let text = exponent(size, precision - 1, if letter == 'G' { 'E' } else { 'e' });
        let at = text.find(['e', 'E']).unwrap_or(text.len());
        return format!("{}{}", trimmed(&text[..at]), &text[at..]);
    }
    let decimals = (precision as i64 - 1 - power).max(0) as usize;
    trimmed(&format!("{size:.decimals$}")).to_owned()
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::printf;

    #[test]
    fn conversions() {
        let fill = |format: &str, values: &[&str]| printf(format, |at| values.get(at).map(|text| ((*text).to_owned(), text.parse().ok())));
        for (format, values, expected) in [
            ("%d items", &["5.9"][..], "5 items"),
            ("%.2f|%5.1f|%-6d|", &["3.14159", "2.25", "7"], "3.14|  2.2|7     |"),
            ("%05d %+d %x %X %#x %o", &["42", "5", "255", "255", "255", "8"], "00042 +5 ff FF 0xff 10"),
            ("%s-%5s-%-5s-%.2s", &["a", "b", "c", "long"], "a-    b-c    -lo"),
            ("100%% %c", &["xyz"], "100% x"),
            ("%e %g %g", &["12345.678", "0.0001", "1e10"], "1.234568e+04 0.0001 1e+10"),
            ("%*d", &["5", "42"], "   42"),
            ("%'d", &["1234567"], "1,234,567"),
            ("%d %q %", &[], " %q %"),
            ("%99999999999999999999d", &["1"], &format!("{:>1000}", 1)),
        ] {
            assert_eq!(fill(format, values), expected, "{format}");
        }
    }
}
