//! Networks of senders, and who of them is let in.

use crate::counters::InputCounters;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// A network: `10.0.0.0/8`, `2001:db8::/32`, one address, or `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    /// `None`: any.
    address: Option<IpAddr>,
    bits: u8,
}

impl Network {
    /// How many bits all its addresses share.
    pub(crate) fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether an address is in it. An address of version 4 is the same in the clothes of version 6.
    pub fn contains(&self, address: IpAddr) -> bool {
        match self.address {
            None => true,
            Some(ours) => masked(address.to_canonical(), self.bits) == Some(ours),
        }
    }
}

/// The address with only so many bits; `None` if it has fewer.
fn masked(address: IpAddr, bits: u8) -> Option<IpAddr> {
    let off = |most: u8| most.checked_sub(bits).map(u32::from);
    Some(match address {
        IpAddr::V4(four) => u32::MAX.checked_shl(off(32)?).map_or(0u32, |mask| four.to_bits() & mask).to_be_bytes().into(),
        IpAddr::V6(six) => u128::MAX.checked_shl(off(128)?).map_or(0u128, |mask| six.to_bits() & mask).to_be_bytes().into(),
    })
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self { address: None, bits: 0 });
        }
        let wrong = || format!("{text:?} is not a network: use 10.0.0.0/8, 2001:db8::/32, an address, or any");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().map_err(|_| wrong())?.to_canonical();
        let bits = match bits {
            None if address.is_ipv4() => 32,
            None => 128,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        Ok(Self { address: Some(masked(address, bits).ok_or_else(wrong)?), bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None => f.write_str("any"),
            Some(address) => write!(f, "{address}/{}", self.bits),
        }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Addresses that were refused and are named; from then on they are only counted, so that nobody fills the log with them.
const NAMED_MAX: usize = 16;

/// Who may send to a listener.
#[derive(Clone)]
pub(crate) struct Allowed {
    /// None: who reaches it.
    networks: Arc<[Network]>,
    named: Arc<Mutex<FxHashSet<IpAddr>>>,
    counters: Arc<InputCounters>,
}

impl Allowed {
    /// Those of `networks`; without any, everybody.
    pub fn new(networks: &[Network], counters: &Arc<InputCounters>) -> Self {
        Self { networks: networks.into(), named: Arc::default(), counters: Arc::clone(counters) }
    }

    /// Whether it may. Who may not is named once among the problems; counting is up to the caller.
    pub fn admits(&self, peer: IpAddr) -> bool {
        if self.networks.is_empty() || self.networks.iter().any(|network| network.contains(peer)) {
            return true;
        }
        let mut named = self.named.lock();
        if named.len() < NAMED_MAX && named.insert(peer) {
            drop(named);
            self.counters.problem(format!("{} is refused: it is in no network of `allow`", peer.to_canonical()));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().expect(network).contains(address.parse().expect(address))
    }

    #[test]
    fn what_is_in_a_network() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.0.0.1", "9.255.255.255"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.8"),
            ("192.168.1.6/31", "::ffff:192.168.1.7", "192.168.1.8"),
            ("::ffff:192.168.1.7", "192.168.1.7", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
            ("fe80::1", "fe80::1", "fe80::2"),
        ] {
            assert!(contains(network, inside), "{network} {inside}");
            assert!(!contains(network, outside), "{network} {outside}");
        }
        assert!(contains("any", "203.0.113.9") && contains("any", "2001:db8::1"));
    }

    #[test]
    fn what_is_no_network() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "host7", "Any", " 10.0.0.1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert_eq!("10.1.2.3/8".parse::<Network>().expect("is one").to_string(), "10.0.0.0/8");
    }
}
