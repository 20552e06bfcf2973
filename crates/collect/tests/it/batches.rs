//! Batches of records as producers of Kafka make them. Unit tests of the crate have it as well.

/// What a batch is made of.
pub struct Made<'a> {
    pub base: i64,
    /// Low bits: how it is packed; 0x10: a transaction; 0x20: marks.
    pub attributes: i16,
    pub producer: i64,
    pub values: &'a [&'a [u8]],
}

pub fn varint(number: i64) -> Vec<u8> {
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while left > 0x7f {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as i64), bytes.to_vec()].concat()
}

/// The records without their batch. The key of a mark is its value here.
pub fn records(made: &Made<'_>) -> Vec<u8> {
    let mut plain = Vec::new();
    for (number, value) in made.values.iter().enumerate() {
        let parts = if made.attributes & 0x20 == 0 { [sized(b"key"), sized(value)] } else { [sized(value), sized(b"\0\0\0\0\0\0")] };
        let headers = [varint(1), sized(b"name"), sized(b"header")].concat();
        plain.extend(sized(&[vec![0], varint(5), varint(number as i64), parts.concat(), headers].concat()));
    }
    plain
}

/// A batch around what it holds, packed.
pub fn around(made: &Made<'_>, packed: &[u8]) -> Vec<u8> {
    let count = i32::try_from(made.values.len()).unwrap_or(0);
    let mut inside = made.attributes.to_be_bytes().to_vec();
    inside.extend((count - 1).to_be_bytes());
    inside.extend(1_500_000_000_000i64.to_be_bytes());
    inside.extend(1_600_000_000_000i64.to_be_bytes());
    inside.extend(made.producer.to_be_bytes());
    inside.extend([0; 6]);
    inside.extend(count.to_be_bytes());
    inside.extend(packed);
    let length = i32::try_from(inside.len() + 9).unwrap_or(0);
    [&made.base.to_be_bytes()[..], &length.to_be_bytes(), &[0, 0, 0, 0, 2], &crc32c::crc32c(&inside).to_be_bytes(), &inside].concat()
}

/// A batch that is not packed.
pub fn plain(made: &Made<'_>) -> Vec<u8> {
    around(made, &records(made))
}
