//! Flows of a network, as a router tells them.

use crate::random::mix;

/// Ports of services, the likelier ones more often.
const PORTS: [u16; 12] = [443, 443, 443, 443, 80, 53, 53, 22, 25, 3389, 445, 123];

/// A datagram of NetFlow 5 with one flow (Cisco, NetFlow Export Datagram Format): a header of 24 bytes and a record of 48. The same
/// `seed` and `number` make the same flow; it ended at `now`, nanoseconds since the epoch.
pub fn netflow5(seed: u64, number: u64, now: i64) -> [u8; 72] {
    let chance = mix(seed ^ mix(number));
    let bits = |from: u32, count: u32| (chance >> from) & ((1 << count) - 1);
    let (client, server) = (0x0a00_0000 | bits(0, 16) as u32, 0xc612_0000 | bits(16, 12) as u32);
    let port = PORTS[bits(28, 16) as usize % PORTS.len()];
    let protocol = if matches!(port, 53 | 123) { 17 } else { 6 };
    let packets = 1 + bits(44, 8) as u32;
    // A router that was started an hour ago; its clock counts milliseconds.
    let (uptime, took) = (3_600_000u32, bits(52, 12) as u32);
    let mut out = [0u8; 72];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &5u16.to_be_bytes());
    put(2, &1u16.to_be_bytes());
    put(4, &uptime.to_be_bytes());
    put(8, &(now.div_euclid(1_000_000_000) as u32).to_be_bytes());
    put(12, &(now.rem_euclid(1_000_000_000) as u32).to_be_bytes());
    put(16, &(number.saturating_sub(1) as u32).to_be_bytes());
    put(24, &client.to_be_bytes());
    put(28, &server.to_be_bytes());
    put(32, &0x0aff_fffeu32.to_be_bytes());
    put(36, &[0, 1, 0, 2]);
    put(40, &packets.to_be_bytes());
    put(44, &(packets * (64 + bits(8, 10) as u32)).to_be_bytes());
    put(48, &(uptime - took).to_be_bytes());
    put(52, &uptime.to_be_bytes());
    put(56, &(32_768 + bits(4, 14) as u16).to_be_bytes());
    put(58, &port.to_be_bytes());
    // A byte of nothing, the flags of TCP, the protocol, the type of service; then numbers of systems and lengths of prefixes.
    put(60, &[0, if protocol == 6 { 0x1b } else { 0 }, protocol, 0]);
    put(68, &[24, 24]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_the_same_from_the_same_seed_and_number() {
        let one = netflow5(1, 7, 1_700_000_000_500_000_000);
        assert_eq!(one, netflow5(1, 7, 1_700_000_000_500_000_000));
        assert_ne!(one[24..], netflow5(1, 8, 1_700_000_000_500_000_000)[24..]);
        assert_eq!((&one[..4], &one[8..16]), (&[0, 5, 0, 1][..], &[0x65, 0x53, 0xf1, 0x00, 0x1d, 0xcd, 0x65, 0x00][..]));
        assert_eq!(&one[16..20], 6u32.to_be_bytes());
    }
}
