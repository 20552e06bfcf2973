//! The journal export format: `NAME=value` lines; values with line breaks or binary data as `NAME`, a line
//! break, a little-endian 64-bit length, the bytes, a line break; an empty line ends the entry.

use std::ops::Range;
use taffrail_base::limits::EVENT_BYTES_MAX;

/// One journal entry.
#[derive(Debug)]
pub struct Entry<'a> {
    bytes: &'a [u8],
    fields: &'a [Field],
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

/// Reads entries from a stream, whatever the sizes of the reads.
#[derive(Debug, Default)]
pub struct ExportReader {
    held: Vec<u8>,
    /// Where in `held` the next field begins.
    at: usize,
    /// Where a line end has not been found yet.
    searched: usize,
    fields: Vec<Field>,
    /// Something was no entry and is lost.
    broken: bool,
}

impl Entry<'_> {
    /// The value of a field if it is UTF-8; the first if there are several.
    pub fn text(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| &self.bytes[field.name.clone()] == name.as_bytes())?;
        std::str::from_utf8(&self.bytes[field.value.clone()]).ok()
    }

    /// Writes the entry as one JSON object without line breaks.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut first = true;
        for (at, field) in self.fields.iter().enumerate() {
            let name = &self.bytes[field.name.clone()];
            let same = |other: &&Field| &self.bytes[other.name.clone()] == name;
            if self.fields[..at].iter().any(|other| same(&other)) {
                continue; // written with the first of its name
            }
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            write_string(out, &String::from_utf8_lossy(name));
            out.push(b':');
            let all: Vec<&Field> = self.fields[at..].iter().filter(same).collect();
            match all.as_slice() {
                [one] => self.write_value(out, one),
                several => {
                    out.push(b'[');
                    for (number, field) in several.iter().enumerate() {
                        if number > 0 {
                            out.push(b',');
                        }
                        self.write_value(out, field);
                    }
                    out.push(b']');
                }
            }
        }
        out.push(b'}');
    }

    fn write_value(&self, out: &mut Vec<u8>, field: &Field) {
        let value = &self.bytes[field.value.clone()];
        match std::str::from_utf8(value) {
            Ok(text) => write_string(out, text),
            Err(_) => serde_json::to_writer(&mut *out, value).expect("writing to memory does not fail"),
        }
    }
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing to memory does not fail");
}

impl ExportReader {
    /// Takes the next bytes and gives every entry that they complete.
    pub fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(Entry<'_>)) {
        self.held.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(ended) = self.field() {
            if ended {
                if !self.fields.is_empty() {
                    emit(Entry { bytes: &self.held, fields: &self.fields });
                    self.fields.clear();
                }
                start = self.at;
            }
        }
        // What broke the format has taken with it what was held.
        if start > 0 && !self.held.is_empty() {
            self.held.drain(..start);
            self.at -= start;
            self.searched = self.searched.saturating_sub(start);
            for field in &mut self.fields {
                field.name = field.name.start - start..field.name.end - start;
                field.value = field.value.start - start..field.value.end - start;
            }
        }
        if self.held.len() > 4 * EVENT_BYTES_MAX {
            // Not the export format, or an entry that nobody can want: start anew at the next one.
            *self = Self { broken: true, ..Self::default() };
        }
    }

    /// Whether something came that is not the export format; it was let go.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The same, and forgets it.
    pub fn take_broken(&mut self) -> bool {
        std::mem::take(&mut self.broken)
    }

    /// Whether an entry has begun that has not ended.
    pub fn is_within(&self) -> bool {
        !self.held.is_empty() || !self.fields.is_empty()
    }

    /// Takes one field, or the end of the entry (`true`); `None` if more bytes are needed.
    fn field(&mut self) -> Option<bool> {
        let from = self.searched.max(self.at);
        let Some(found) = self.held[from..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.held.len();
            return None;
        };
        let end = from + found;
        let line = &self.held[self.at..end];
        if line.is_empty() {
            self.at = end + 1;
            return Some(true);
        }
        if let Some(equals) = line.iter().position(|byte| *byte == b'=') {
            self.fields.push(Field { name: self.at..self.at + equals, value: self.at + equals + 1..end });
            self.at = end + 1;
            return Some(false);
        }
        // A name alone: length and bytes follow. Look at this line again when more has come.
        self.searched = end;
        let length = self.held.get(end + 1..end + 9)?;
        let length = u64::from_le_bytes(length.try_into().expect("eight bytes were taken"));
        let start = end + 9;
        let Some(stop) = usize::try_from(length).ok().and_then(|length| start.checked_add(length)) else {
            *self = Self { broken: true, ..Self::default() };
            return None;
        };
        if self.held.len() <= stop {
            return None;
        }
        self.fields.push(Field { name: self.at..end, value: start..stop });
        self.at = stop + 1;
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1700000000000001\nMESSAGE\n".to_vec();
        bytes.extend(12u64.to_le_bytes());
        bytes.extend(b"two\n\nlines=1\n\nMESSAGE=only\nTAG=a\nTAG=b\nRAW\n");
        bytes.extend(3u64.to_le_bytes());
        bytes.extend(b"\xff\0\n\n\n");
        bytes
    }

    #[test]
    fn every_cut_gives_the_same_entries() {
        let bytes = sample();
        let expected = [
            r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1700000000000001","MESSAGE":"two\n\nlines=1"}"#,
            r#"{"MESSAGE":"only","TAG":["a","b"],"RAW":[255,0,10]}"#,
        ];
        for cut in 0..=bytes.len() {
            let mut reader = ExportReader::default();
            let mut got = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                reader.push(part, |entry| {
                    let mut json = Vec::new();
                    entry.write_json(&mut json);
                    got.push(String::from_utf8(json).unwrap());
                });
            }
            assert_eq!(got, expected, "cut at {cut}");
        }
        let mut reader = ExportReader::default();
        let mut count = 0;
        bytes.iter().for_each(|byte| reader.push(&[*byte], |_| count += 1));
        assert_eq!(count, 2);
    }
}
