//! Ages and sizes as people write them: `400d`, `50GB`, `90%`. They keep their spelling.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use taffrail_store::DiskLimit;

/// A number and its unit, split.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

/// A span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    text: String,
    /// In seconds.
    pub seconds: u64,
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a span of time such as 36h, 400d, 12w or 7y");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let seconds: u64 = match unit {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            "y" => 366 * 86_400,
            _ => return Err(wrong()),
        };
        let seconds = number.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
        Ok(Self { text: text.trim().to_owned(), seconds })
    }
}

/// A number of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    text: String,
    /// In bytes.
    pub bytes: u64,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size such as 500MB, 50GB or 2TiB");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let unit: u64 = match unit {
            "B" | "" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return Err(wrong()),
        };
        let bytes = number.checked_mul(unit).ok_or_else(wrong)?;
        Ok(Self { text: text.trim().to_owned(), bytes })
    }
}

impl Size {
    /// So many bytes, spelled in GiB where they are whole ones.
    pub fn of(bytes: u64) -> Self {
        let text = if bytes.is_multiple_of(1 << 30) { format!("{}GiB", bytes >> 30) } else { bytes.to_string() };
        Self { text, bytes }
    }
}

/// How much of the disk may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskUsage {
    text: String,
    /// As the store takes it.
    pub limit: DiskLimit,
}

impl FromStr for DiskUsage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let limit = match text.trim().strip_suffix('%') {
            Some(percent) => {
                let percent = percent.trim().parse().ok().filter(|percent| (1..=99).contains(percent));
                DiskLimit::Percent(percent.ok_or_else(|| format!("{text:?} is not 1% to 99%"))?)
            }
            None => DiskLimit::Bytes(
                text.parse::<Size>().map_err(|_| format!("{text:?} is neither a share such as 90% nor a size such as 500GB"))?.bytes,
            ),
        };
        Ok(Self { text: text.trim().to_owned(), limit })
    }
}

macro_rules! spelled {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

spelled!(Age, Size, DiskUsage);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        let seconds = |text: &str| text.parse::<Age>().map(|age| age.seconds).ok();
        assert_eq!([seconds("400d"), seconds("36 h"), seconds("1w")], [Some(400 * 86_400), Some(36 * 3_600), Some(604_800)]);
        assert_eq!([seconds("400"), seconds("0d"), seconds("d"), seconds("-1d"), seconds("99999999999999999y")], [None; 5]);
        let bytes = |text: &str| text.parse::<Size>().map(|size| size.bytes).ok();
        assert_eq!([bytes("50GB"), bytes("1 GiB"), bytes("7")], [Some(50_000_000_000), Some(1 << 30), Some(7)]);
        assert_eq!([bytes("50gb"), bytes(""), bytes("1.5GB"), bytes("99999999999TB")], [None; 4]);
        let limit = |text: &str| text.parse::<DiskUsage>().map(|usage| usage.limit).ok();
        assert_eq!(limit("90%"), Some(DiskLimit::Percent(90)));
        assert_eq!(limit("500GB"), Some(DiskLimit::Bytes(500_000_000_000)));
        assert_eq!([limit("100%"), limit("0%"), limit("much")], [None; 3]);
        assert_eq!("400d".parse::<Age>().expect("is one").to_string(), "400d");
    }
}
