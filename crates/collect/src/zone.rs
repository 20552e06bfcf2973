//! The zone of times that name none: as settings spell it, and which of them holds for a sender.

use crate::input::Context;
use crate::network::Network;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use taffrail_format::Zone;

/// A zone as it is written in settings: a name of the IANA database, an offset, `UTC`, or `local`. Keeps its spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneName {
    text: String,
    /// `None`: that of this machine.
    zone: Option<Zone>,
}

/// What stands for the zone of this machine.
const LOCAL: &str = "local";

impl Default for ZoneName {
    fn default() -> Self {
        Self { text: LOCAL.to_owned(), zone: None }
    }
}

impl ZoneName {
    /// The zone, where `local` is that of this machine.
    pub fn zone(&self, local: &Zone) -> Zone {
        self.zone.as_ref().unwrap_or(local).clone()
    }
}

impl FromStr for ZoneName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let zone = match text {
            LOCAL => None,
            name => Some(Zone::parse(name).ok_or_else(|| {
                let missing =
                    if Zone::has_names() { "" } else { "; this machine has no database of zones (tzdata), so names are not known" };
                format!("{name:?} is not a zone: use a name such as Europe/Berlin, an offset such as +02:00, UTC or local{missing}")
            })?),
        };
        Ok(Self { text: text.to_owned(), zone })
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ZoneName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The zones of the senders of an input.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    other: Zone,
    /// The smallest network first.
    networks: Option<Arc<[(Network, Zone)]>>,
}

impl Zones {
    /// One for all.
    pub fn all(zone: Zone) -> Self {
        Self { other: zone, networks: None }
    }

    /// The one that is set, else that of this machine.
    pub(crate) fn of(zone: Option<&ZoneName>, context: &Context) -> Self {
        Self::all(zone.map_or_else(|| context.zone.clone(), |name| name.zone(&context.zone)))
    }

    /// The same, with those of networks of senders.
    pub(crate) fn with(mut self, networks: &BTreeMap<Network, ZoneName>, context: &Context) -> Self {
        let mut all: Vec<_> = networks.iter().map(|(network, name)| (*network, name.zone(&context.zone))).collect();
        all.sort_by_key(|(network, _)| std::cmp::Reverse(network.bits()));
        self.networks = (!all.is_empty()).then(|| all.into());
        self
    }

    /// That of a sender: of the smallest network that it is in.
    pub(crate) fn zone(&self, peer: &str) -> Zone {
        let of_peer = self.networks.as_ref().and_then(|networks| {
            let peer: IpAddr = peer.parse().ok()?;
            networks.iter().find(|(network, _)| network.contains(peer))
        });
        of_peer.map_or(&self.other, |(_, zone)| zone).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_spelling_and_wrong_ones_are_told() {
        for text in ["local", "UTC", "+02:00", "-0530"] {
            assert_eq!(text.parse::<ZoneName>().expect(text).to_string(), text);
        }
        let here = Zone::Fixed(3_600);
        assert_eq!("local".parse::<ZoneName>().map(|name| name.zone(&here)), Ok(here.clone()));
        assert_eq!("UTC".parse::<ZoneName>().map(|name| name.zone(&here)), Ok(Zone::Utc));
        for text in ["", "Local", "Mars/Olympus", "+25:00", "UTC+1"] {
            assert!(text.parse::<ZoneName>().expect_err(text).contains("Europe/Berlin"), "{text}");
        }
    }

    #[test]
    fn the_smallest_network_says() {
        let network = |text: &str, seconds| (text.parse::<Network>().expect(text), Zone::Fixed(seconds));
        let mut networks = vec![network("10.0.0.0/8", 1), network("10.1.0.0/16", 2), network("10.1.2.3", 3)];
        networks.sort_by_key(|(network, _)| std::cmp::Reverse(network.bits()));
        let zones = Zones { other: Zone::Utc, networks: Some(networks.into()) };
        for (peer, zone) in
            [("10.9.9.9", Zone::Fixed(1)), ("10.1.9.9", Zone::Fixed(2)), ("10.1.2.3", Zone::Fixed(3)), ("11.1.1.1", Zone::Utc)]
        {
            assert_eq!(zones.zone(peer), zone, "{peer}");
        }
        assert_eq!([zones.zone(""), zones.zone("fe80::1")], [Zone::Utc, Zone::Utc]);
    }
}
