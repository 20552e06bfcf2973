//! Tells files that are no text logs, so that their bytes do not fill an index: by the first bytes, by the well
//! known names of login records, or by being mostly NUL.

use std::path::Path;

/// What a binary file is, or `None` for what may be a log. `head` is the beginning of its decompressed content.
pub fn kind(path: &Path, head: &[u8]) -> Option<&'static str> {
    MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, kind)| *kind).or_else(|| {
        if is_login_record(path) {
            return Some("login records");
        }
        is_mostly_nul(head).then_some("binary")
    })
}

const MAGIC: [(&[u8], &str); 13] = [
    (b"LPKSHHRH", "systemd journal"),
    (b"SQLite format 3\0", "SQLite database"),
    (b"ElfFile\0", "Windows event log"),
    (b"\x7fELF", "program"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
    (b"%PDF-", "PDF document"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"\xd4\xc3\xb2\xa1", "packet capture"),
    (b"\x0a\x0d\x0d\x0a", "packet capture"),
    (b"\xca\xfe\xba\xbe", "program"),
];

/// `wtmp`, `btmp` and the like are C structures; their rotated forms are named `wtmp.1`, `wtmp-20260101` ...
fn is_login_record(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    ["wtmp", "btmp", "utmp", "lastlog", "faillog", "tallylog"]
        .iter()
        .any(|record| name.strip_prefix(record).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-'])))
}

fn is_mostly_nul(head: &[u8]) -> bool {
    // A writer that goes on behind a truncation leaves NULs at the beginning: those say nothing.
    let start = head.iter().position(|byte| *byte != 0).unwrap_or(0);
    let body = &head[start..];
    let count = |at: usize| body.iter().skip(at).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (count(0), count(1));
    // UTF-16 has its NULs on one side only.
    let sided = even.min(odd) * 20 < even.max(odd);
    (even + odd) * 10 > body.len() * 3 && !sided
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_told_from_records() {
        let log = Path::new("/var/log/syslog");
        assert_eq!(kind(log, b"Jan  1 00:00:00 host app: text"), None);
        assert_eq!(kind(log, b""), None);
        assert_eq!(kind(log, &[0; 100]), Some("binary"));
        assert_eq!(kind(log, b"a\0b\0c\0\n\0"), None);
        assert_eq!(kind(log, &[b"\0\0\0\0\0".as_slice(), b"Jan  1 text text text"].concat()), None);
        assert_eq!(kind(log, b"LPKSHHRH\0\0"), Some("systemd journal"));
        assert_eq!(kind(Path::new("/var/log/wtmp.1"), b"x"), Some("login records"));
        assert_eq!(kind(Path::new("/var/log/wtmpx.log"), b"x"), None);
        let mut seed = 7u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(4096)
        .collect();
        assert_eq!(kind(log, &noise), None, "random bytes are kept");
    }
}
