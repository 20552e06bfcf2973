//! Which format a source has, from a sample of its lines.

pub(crate) mod own;

use crate::codec::CODECS;

/// Lines of a sample that are looked at.
const LINES_MAX: usize = 32;

/// The sourcetype of a sample of bytes (whole lines, the last may be cut): that of the format which most lines
/// are of, if it is more than half of them; else `text`.
pub fn detect(sample: &[u8]) -> &'static str {
    // An event of many lines, of which only the first tells.
    if let Some(sourcetype) = crate::codec::of_beginning(sample) {
        return sourcetype;
    }
    if is_object_over_lines(sample) {
        return "json";
    }
    if let Some(named) = zeek(sample) {
        return named;
    }
    if sample.starts_with(b"#Software: Microsoft Internet Information Services") {
        return "iis";
    }
    let mut votes = [0u32; CODECS.len()];
    let mut lines = 0;
    for line in sample.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).take(LINES_MAX) {
        lines += 1;
        let scores = CODECS.map(|c| c.recognise(line));
        let best = scores.into_iter().max().unwrap_or(0);
        if let Some(winner) = scores.iter().position(|s| *s == best).filter(|_| best > 0) {
            votes[winner] += 1;
        }
    }
    let most = votes.into_iter().max().unwrap_or(0);
    match votes.iter().position(|v| *v == most) {
        Some(winner) if most * 2 > lines => CODECS[winner].sourcetype(),
        _ => "text",
    }
}

/// Whether a JSON object begins here whose members stand on lines of their own.
fn is_object_over_lines(sample: &[u8]) -> bool {
    let Some(inside) = sample.trim_ascii_start().strip_prefix(b"{") else { return false };
    let member = inside.trim_ascii_start();
    let apart = memchr::memchr(b'\n', &inside[..inside.len() - member.len()]).is_some();
    let name = member.strip_prefix(b"\"").unwrap_or_default();
    let end = name.iter().position(|byte| matches!(byte, b'"' | b'\n')).filter(|end| name[*end] == b'"');
    apart && end.is_some_and(|end| name[end + 1..].trim_ascii_start().starts_with(b":"))
}

/// Logs of Zeek in columns, which say in their head what they are.
const ZEEK: [(&str, &str); 12] = [
    ("conn", "zeek_conn"),
    ("dns", "zeek_dns"),
    ("http", "zeek_http"),
    ("ssh", "zeek_ssh"),
    ("ftp", "zeek_ftp"),
    ("smtp", "zeek_smtp"),
    ("ssl", "zeek_ssl"),
    ("files", "zeek_files"),
    ("notice", "zeek_notice"),
    ("weird", "zeek_weird"),
    ("syslog", "zeek_syslog"),
    ("dhcp", "zeek_dhcp"),
];

fn zeek(sample: &[u8]) -> Option<&'static str> {
    if !sample.starts_with(b"#separator ") {
        return None;
    }
    let path = sample.split(|byte| *byte == b'\n').take(LINES_MAX).find_map(|line| line.strip_prefix(b"#path\t"))?;
    let path = path.trim_ascii_end();
    ZEEK.iter().find(|(name, _)| name.as_bytes() == path).map(|(_, sourcetype)| *sourcetype)
}

#[cfg(test)]
mod tests;
