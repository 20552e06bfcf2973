//! Where addresses are: databases in the format `.mmdb` that the administrator puts into the folder `geo`.
//!
//! They are kept in memory as long as the files stay as they are. Two forms of records are read: that of GeoLite2 and
//! DB-IP, with names in several languages, and flat ones such as those of ip-location-db.

use super::{Folder, Kind, Knowledge};
use crate::language::QueryError;
use maxminddb::Reader;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use taffrail_base::limits::{PLACES_BYTES_MAX, PLACES_FILES_MAX};

pub(super) const PLACES: Kind = Kind { folder: "geo", what: "database of places", extension: "mmdb" };

/// Databases of places, those whose names come first asked first.
pub struct Places(Vec<Reader<Vec<u8>>>);

/// What is known of the place of an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Located {
    /// The city.
    pub city: Option<String>,
    /// The country.
    pub country: Option<String>,
    /// The first part of the country: a state, a county.
    pub region: Option<String>,
    /// The continent.
    pub continent: Option<String>,
    /// The code of the area of television of the United States.
    pub metro_code: Option<String>,
    /// The time zone.
    pub time_zone: Option<String>,
    /// Degrees north and east.
    pub position: Option<(f64, f64)>,
}

impl Places {
    /// The place of an address, names in a language where there are such; nothing for what is no public address.
    pub fn locate(&self, text: &str, language: &str) -> Option<Located> {
        let address: IpAddr = text.trim().parse().ok()?;
        let address = address.to_canonical();
        if !is_public(address) {
            return None;
        }
        let mut found: Option<Located> = None;
        for reader in &self.0 {
            // What cannot be read is as what is not there: a database is checked when it is opened.
            let record = reader.lookup(address).ok().and_then(|result| result.decode::<Value>().ok().flatten());
            if let Some(record) = record {
                let located = located(&record, language);
                found = Some(found.map_or_else(|| located.clone(), |first| first.or(located.clone())));
            }
        }
        found
    }
}

/// Whether an address is one of the public network. Others are of no place, whatever a database has of them.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || shared
                || a == 0)
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            let local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            !(v6.is_loopback() || v6.is_multicast() || v6.is_unspecified() || local)
        }
    }
}

impl Located {
    /// With what another one knows beside.
    fn or(self, other: Self) -> Self {
        Self {
            city: self.city.or(other.city),
            country: self.country.or(other.country),
            region: self.region.or(other.region),
            continent: self.continent.or(other.continent),
            metro_code: self.metro_code.or(other.metro_code),
            time_zone: self.time_zone.or(other.time_zone),
            position: self.position.or(other.position),
        }
    }
}

fn located(record: &Value, language: &str) -> Located {
    let text = |value: Option<&Value>| match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let named = |value: Option<&Value>| {
        let names = value?.get("names")?;
        text(names.get(language)).or_else(|| text(names.get("en")))
    };
    let flat = |names: &[&str]| names.iter().find_map(|name| text(record.get(name)));
    let location = record.get("location");
    let degrees = |name: &str| {
        let value = location.and_then(|location| location.get(name)).or_else(|| record.get(name))?;
        value.as_f64().or_else(|| value.as_str()?.parse().ok())
    };
    Located {
        city: named(record.get("city")).or_else(|| flat(&["city"])),
        country: named(record.get("country"))
            .or_else(|| text(record.get("country")?.get("iso_code")))
            .or_else(|| flat(&["country_name", "country", "country_code"])),
        region: named(record.get("subdivisions").and_then(|parts| parts.get(0))).or_else(|| flat(&["region", "state1", "stateprov"])),
        continent: named(record.get("continent")).or_else(|| flat(&["continent_name", "continent"])),
        metro_code: text(location.and_then(|location| location.get("metro_code"))).or_else(|| flat(&["metro_code"])),
        time_zone: text(location.and_then(|location| location.get("time_zone"))).or_else(|| flat(&["timezone", "time_zone"])),
        position: degrees("latitude").zip(degrees("longitude")),
    }
}

impl Knowledge {
    /// The databases of places.
    pub fn places(&self) -> Result<Arc<Places>, QueryError> {
        let none = || {
            QueryError::new("there is no database of places").with_hint(
                "put one in the format .mmdb, such as DB-IP City Lite or GeoLite2 City, into the folder knowledge/geo of the data",
            )
        };
        let Some(folder) = &self.0 else { return Err(none()) };
        let (seen, names) = seen(self, folder)?;
        if names.is_empty() {
            return Err(none());
        }
        let mut known = folder.places.lock();
        if let Some((before, places)) = &*known
            && *before == seen
        {
            return Ok(places.clone());
        }
        // Two at once would need twice the memory.
        *known = None;
        let mut readers = Vec::new();
        let mut left = PLACES_BYTES_MAX;
        for name in &names {
            let bytes = self.read(PLACES, name, left)?.unwrap_or_default();
            left = left.saturating_sub(bytes.len() as u64);
            let wrong =
                |error: maxminddb::MaxMindDbError| QueryError::new(format!("the database of places {name} cannot be read: {error}"));
            readers.push(Reader::from_source(bytes).map_err(wrong)?);
        }
        let places = Arc::new(Places(readers));
        *known = Some((seen, places.clone()));
        Ok(places)
    }
}

fn seen(knowledge: &Knowledge, folder: &Folder) -> Result<(super::fields::Seen, Vec<String>), QueryError> {
    let mut names = knowledge.names(PLACES)?;
    names.sort();
    if names.len() > PLACES_FILES_MAX {
        return Err(QueryError::new(format!("there are {} databases of places, at most {PLACES_FILES_MAX} are used", names.len())));
    }
    let paths = names.iter().filter_map(|name| folder.file(PLACES, name).ok());
    Ok((paths.filter_map(|path| folder.vfs.metadata(&path).ok().map(|known| (path, known))).collect(), names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_of_a_place() {
        let public = |text: &str| is_public(text.parse::<IpAddr>().unwrap().to_canonical());
        for text in
            ["10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"]
        {
            assert!(!public(text), "{text}");
        }
        for text in ["::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1"] {
            assert!(!public(text), "{text}");
        }
        for text in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:4860::8888", "::ffff:8.8.8.8"] {
            assert!(public(text), "{text}");
        }
    }
}
