//! Writes databases in the format `.mmdb`, as small as tests need them: networks, and a JSON record for each.

use serde_json::Value;
use std::net::IpAddr;

/// A database of lines `network record`.
pub fn database(lines: &[&str]) -> Vec<u8> {
    let mut nodes: Vec<[Option<Next>; 2]> = vec![[None; 2]];
    let mut data = Vec::new();
    for line in lines {
        let (network, record) = line.split_once(' ').expect("a network and a record");
        let (address, length) = network.split_once('/').expect("a network with a length");
        let length: usize = length.parse().expect("a length");
        // Addresses of the old kind stand below ::/96.
        let (bits, length) = match address.parse().expect("an address") {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)), length + 96),
            IpAddr::V6(v6) => (u128::from(v6), length),
        };
        let place = data.len();
        encode(&serde_json::from_str(record).expect("JSON"), &mut data);
        let mut node = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth)) as usize & 1;
            if depth + 1 == length {
                nodes[node][side] = Some(Next::Data(place));
                break;
            }
            node = match nodes[node][side] {
                Some(Next::Node(next)) => next,
                _ => {
                    nodes.push([None; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][side] = Some(Next::Node(next));
                    next
                }
            };
        }
    }
    let mut out = Vec::new();
    for next in nodes.iter().flatten() {
        let value = match next {
            None => nodes.len(),
            Some(Next::Node(node)) => *node,
            Some(Next::Data(place)) => nodes.len() + 16 + place,
        };
        out.extend_from_slice(&(value as u32).to_be_bytes());
    }
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    map(9, &mut out);
    let mut entry = |name: &str, value: &dyn Fn(&mut Vec<u8>)| {
        encode(&Value::from(name), &mut out);
        value(&mut out);
    };
    entry("binary_format_major_version", &|out| number(5, 2, 2, out));
    entry("binary_format_minor_version", &|out| number(5, 2, 0, out));
    entry("build_epoch", &|out| number(9, 8, 1_795_262_400, out));
    entry("database_type", &|out| encode(&Value::from("Test-City"), out));
    entry("description", &|out| map(0, out));
    entry("ip_version", &|out| number(5, 2, 6, out));
    entry("languages", &|out| control(11, 0, out));
    entry("node_count", &|out| number(6, 4, nodes.len() as u64, out));
    entry("record_size", &|out| number(5, 2, 32, out));
    out
}

#[derive(Clone, Copy)]
enum Next {
    Node(usize),
    Data(usize),
}

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, more) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    out.push(if kind < 8 { kind << 5 | short } else { short });
    if kind >= 8 {
        out.push(kind - 7);
    }
    out.extend(more);
}

fn map(size: usize, out: &mut Vec<u8>) {
    control(7, size, out);
}

fn number(kind: u8, bytes: usize, value: u64, out: &mut Vec<u8>) {
    control(kind, bytes, out);
    out.extend_from_slice(&value.to_be_bytes()[8 - bytes..]);
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            control(2, text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Number(whole) if whole.is_u64() => number(6, 4, whole.as_u64().unwrap_or_default(), out),
        Value::Number(double) => {
            control(3, 8, out);
            out.extend_from_slice(&double.as_f64().unwrap_or_default().to_be_bytes());
        }
        Value::Object(members) => {
            map(members.len(), out);
            for (name, value) in members {
                encode(&Value::from(name.as_str()), out);
                encode(value, out);
            }
        }
        Value::Array(items) => {
            control(11, items.len(), out);
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Null | Value::Bool(_) => panic!("records hold texts, numbers, maps and arrays"),
    }
}
