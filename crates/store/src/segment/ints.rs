//! Integers of 64 bits as bytes: constant, offsets from the least, or differences; in byte planes, so that the
//! block's compressor sees like beside like.

use super::wire::{Reader, put_signed, put_varint};
use taffrail_base::Result;

const CONSTANT: u8 = 0;
const OFFSETS: u8 = 1;
const DIFFERENCES: u8 = 2;

fn bits(value: u64) -> u64 {
    u64::from(64 - value.leading_zeros())
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Appends `values` to `out`.
pub fn encode(values: &[i64], out: &mut Vec<u8>) {
    let Some(&first) = values.first() else {
        out.push(CONSTANT);
        put_signed(out, 0);
        return;
    };
    let (mut least, mut offsets, mut differences, mut before) = (first, 0, 0, first);
    for value in values {
        least = least.min(*value);
        differences += bits(zigzag(value.wrapping_sub(before)));
        before = *value;
    }
    if differences == 0 {
        out.push(CONSTANT);
        put_signed(out, first);
        return;
    }
    for value in values {
        offsets += bits(value.wrapping_sub(least) as u64);
    }
    if differences < offsets {
        let steps: Vec<i64> = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        out.push(DIFFERENCES);
        put_signed(out, first);
        planes(&steps, steps.iter().copied().min().unwrap_or(0), out);
    } else {
        out.push(OFFSETS);
        planes(values, least, out);
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Base, unit, width, then the bytes of `(value - base) / unit`, least significant plane first.
fn planes(values: &[i64], base: i64, out: &mut Vec<u8>) {
    let mut unit = 0;
    let mut most = 0;
    for value in values {
        let offset = value.wrapping_sub(base) as u64;
        most = most.max(offset);
        if unit != 1 {
            unit = greatest_common_divisor(unit, offset);
        }
    }
    let unit = unit.max(1);
    let width = (bits(most / unit) as usize).div_ceil(8);
    put_signed(out, base);
    put_varint(out, unit);
    out.push(width as u8);
    // Dividing is slow, and nearly always by one.
    let offsets: Vec<u64> = match unit {
        1 => values.iter().map(|value| value.wrapping_sub(base) as u64).collect(),
        _ => values.iter().map(|value| value.wrapping_sub(base) as u64 / unit).collect(),
    };
    for plane in 0..width {
        out.extend(offsets.iter().map(|offset| (offset >> (8 * plane)) as u8));
    }
}

/// Reads back `count` integers that [`encode`] wrote.
pub fn decode(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>> {
    match reader.byte()? {
        CONSTANT => Ok(vec![reader.signed()?; count]),
        OFFSETS => read_planes(reader, count),
        DIFFERENCES => {
            let mut value = reader.signed()?;
            let mut values = read_planes(reader, count.saturating_sub(1))?;
            let mut before = value;
            for step in &mut values {
                value = value.wrapping_add(*step);
                *step = before;
                before = value;
            }
            values.push(value);
            Ok(values)
        }
        other => Err(reader.damaged(format!("integer mode {other}"))),
    }
}

/// Integers from one mark to the next: adding up so many takes less than finding the block they are in.
pub const MARK_EVERY: usize = 1 << 12;

/// Where integers are stored as differences: every so many-th of them, from which the ones after it can be added up.
pub fn marks(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>> {
    if count <= MARK_EVERY || reader.byte()? != DIFFERENCES {
        return Ok(Vec::new());
    }
    let first = reader.signed()?;
    Ok(Planes::read(reader, count - 1)?.sums(first))
}

/// Where integers are stored as they are: the sum of those before every so many-th of them.
pub fn sum_marks(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>> {
    if count <= MARK_EVERY || reader.byte()? != OFFSETS {
        return Ok(Vec::new());
    }
    Ok(Planes::read(reader, count)?.sums(0))
}

/// Integers that are stored as differences, asked for one by one.
struct Walk<'a, 'm> {
    steps: Planes<'a>,
    marks: &'m [i64],
    place: usize,
    value: i64,
}

impl<'a, 'm> Walk<'a, 'm> {
    fn read(reader: &mut Reader<'a>, count: usize, marks: &'m [i64]) -> Result<Self> {
        let value = reader.signed()?;
        Ok(Self { steps: Planes::read(reader, count.saturating_sub(1))?, marks, place: 0, value })
    }

    /// The integer at a place not before the last one.
    fn at(&mut self, place: usize) -> i64 {
        let mark = place / MARK_EVERY;
        if mark > self.place / MARK_EVERY
            && let Some(value) = self.marks.get(mark)
        {
            (self.place, self.value) = (mark * MARK_EVERY, *value);
        }
        self.value = self.value.wrapping_add(self.steps.sum(self.place, place));
        self.place = place;
        self.value
    }
}

/// Reads the integers `from` to `to` of `count`. Where they are stored as differences, those before them are added up,
/// from the last of their [`marks`] on.
pub fn decode_between(reader: &mut Reader<'_>, count: usize, from: usize, to: usize, marks: &[i64]) -> Result<Vec<i64>> {
    if from > to || to > count {
        return Err(reader.damaged("integers beyond the last"));
    }
    match reader.byte()? {
        CONSTANT => Ok(vec![reader.signed()?; to - from]),
        OFFSETS => Ok(Planes::read(reader, count)?.between(from, to)),
        DIFFERENCES => {
            let mut walk = Walk::read(reader, count, marks)?;
            if from == to {
                return Ok(Vec::new());
            }
            let mut value = walk.at(from);
            let mut values = Vec::with_capacity(to - from);
            for step in walk.steps.between(from, to - 1) {
                values.push(value);
                value = value.wrapping_add(step);
            }
            values.push(value);
            Ok(values)
        }
        other => Err(reader.damaged(format_args!("integer mode {other}"))),
    }
}

/// Integers that are handed out together: so many, as they are used, stay in the processor's own memory.
pub const CHUNK: usize = 1 << 11;

/// Calls back with the integers `from` to `to` of `count`, at most [`CHUNK`] at a time; they are nowhere held all at once.
pub fn each_chunk(
    reader: &mut Reader<'_>,
    count: usize,
    (from, to): (usize, usize),
    mut each: impl FnMut(&[i64]) -> Result<()>,
) -> Result<()> {
    if from > to || to > count {
        return Err(reader.damaged("integers beyond the last"));
    }
    let mut chunk = [0; CHUNK];
    let mut starts = (from..to).step_by(CHUNK).map(|start| (start, CHUNK.min(to - start)));
    match reader.byte()? {
        CONSTANT => {
            chunk.fill(reader.signed()?);
            starts.try_for_each(|(_, len)| each(&chunk[..len]))
        }
        OFFSETS => {
            let planes = Planes::read(reader, count)?;
            for (start, len) in starts {
                planes.fill(start, &mut chunk[..len]);
                each(&chunk[..len])?;
            }
            Ok(())
        }
        DIFFERENCES => {
            let first = reader.signed()?;
            let steps = Planes::read(reader, count.saturating_sub(1))?;
            let mut value = first.wrapping_add(steps.sum(0, from.min(steps.count)));
            for (start, len) in starts {
                // No step leads on from the last integer.
                let known = len.min(steps.count - start);
                steps.fill(start, &mut chunk[..known]);
                chunk[known..len].fill(0);
                for step in &mut chunk[..len] {
                    (*step, value) = (value, value.wrapping_add(*step));
                }
                each(&chunk[..len])?;
            }
            Ok(())
        }
        other => Err(reader.damaged(format_args!("integer mode {other}"))),
    }
}

/// Reads the integers at `places`, which ascend, of `count`; the others are not decoded.
pub fn decode_at(reader: &mut Reader<'_>, count: usize, places: &[usize], marks: &[i64]) -> Result<Vec<i64>> {
    if places.last().is_some_and(|last| *last >= count) {
        return Err(reader.damaged("integers beyond the last"));
    }
    match reader.byte()? {
        CONSTANT => Ok(vec![reader.signed()?; places.len()]),
        OFFSETS => {
            let planes = Planes::read(reader, count)?;
            Ok(places.iter().map(|at| planes.get(*at)).collect())
        }
        DIFFERENCES => {
            let mut walk = Walk::read(reader, count, marks)?;
            Ok(places.iter().map(|at| walk.at(*at)).collect())
        }
        other => Err(reader.damaged(format_args!("integer mode {other}"))),
    }
}

/// Reads the integer at a place of `count`, and before it the sum of those before it, modulo 2^64, added up from the
/// last of their [`sum_marks`] on.
pub fn decode_sum(reader: &mut Reader<'_>, count: usize, at: usize, marks: &[i64]) -> Result<(i64, i64)> {
    if at >= count {
        return Err(reader.damaged("an integer beyond the last"));
    }
    if reader.peek() == Some(OFFSETS) {
        reader.byte()?;
        let planes = Planes::read(reader, count)?;
        let (from, sum) = marks.get(at / MARK_EVERY).map_or((0, 0), |sum| (at / MARK_EVERY * MARK_EVERY, *sum));
        return Ok((sum.wrapping_add(planes.sum(from, at)), planes.get(at)));
    }
    let values = decode_between(reader, count, 0, at + 1, &[])?;
    Ok((values[..at].iter().fold(0, |sum: i64, value| sum.wrapping_add(*value)), values[at]))
}

/// The bytes of small integers from zero on, as they are stored: the low bytes of all, then the high ones.
pub fn small(reader: &mut Reader<'_>, count: usize) -> Result<Option<(usize, usize)>> {
    if reader.byte()? != OFFSETS {
        return Ok(None);
    }
    let planes = Planes::read(reader, count)?;
    Ok((planes.base == 0 && planes.unit == 1 && (1..=2).contains(&planes.width)).then_some((planes.width, planes.bytes.len())))
}

/// Integers as they are stored, where they are of one or two bytes each; else as they are.
pub enum Coded<'a> {
    /// The least, and how much more each is: low bytes, and high ones where there are any.
    Bytes { base: i64, low: &'a [u8], high: Option<&'a [u8]> },
    /// Each.
    Each(Vec<i64>),
}

impl Coded<'_> {
    /// Each of them.
    pub fn each(self) -> Vec<i64> {
        match self {
            Self::Bytes { base, low, high: None } => low.iter().map(|low| base.wrapping_add(i64::from(*low))).collect(),
            Self::Bytes { base, low, high: Some(high) } => {
                let both = low.iter().zip(high);
                both.map(|(low, high)| base.wrapping_add(i64::from(u16::from_le_bytes([*low, *high])))).collect()
            }
            Self::Each(values) => values,
        }
    }
}

/// Reads `count` integers that [`encode`] wrote, as they are stored where that is simple.
pub fn coded<'a>(reader: &mut Reader<'a>, count: usize) -> Result<Coded<'a>> {
    if reader.peek() != Some(OFFSETS) {
        return decode(reader, count).map(Coded::Each);
    }
    reader.byte()?;
    let planes = Planes::read(reader, count)?;
    Ok(match (planes.unit, planes.width) {
        (1, 1) => Coded::Bytes { base: planes.base, low: planes.bytes, high: None },
        (1, 2) => Coded::Bytes { base: planes.base, low: &planes.bytes[..count], high: Some(&planes.bytes[count..]) },
        _ => Coded::Each(planes.between(0, count)),
    })
}

/// Offsets as they are stored.
struct Planes<'a> {
    base: i64,
    unit: u64,
    width: usize,
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Planes<'a> {
    fn read(reader: &mut Reader<'a>, count: usize) -> Result<Self> {
        let base = reader.signed()?;
        let unit = reader.varint()?;
        let width = reader.byte()? as usize;
        if width > 8 {
            return Err(reader.damaged(format_args!("integer width {width}")));
        }
        let bytes = reader.take(count.checked_mul(width).ok_or_else(|| reader.damaged("integer count"))?)?;
        Ok(Self { base, unit, width, count, bytes })
    }

    /// The integer at a place.
    fn get(&self, at: usize) -> i64 {
        let value = (0..self.width).fold(0, |value, plane| value | u64::from(self.bytes[plane * self.count + at]) << (8 * plane));
        self.base.wrapping_add(value.wrapping_mul(self.unit) as i64)
    }

    /// The integers `from` to `to`.
    fn between(&self, from: usize, to: usize) -> Vec<i64> {
        let mut values = vec![0; to - from];
        self.fill(from, &mut values);
        values
    }

    /// Puts the integers from a place on.
    fn fill(&self, from: usize, out: &mut [i64]) {
        let to = from + out.len();
        let plane = |number: usize| &self.bytes[number * self.count..][from..to];
        match self.width {
            0 => out.fill(0),
            1 => out.iter_mut().zip(plane(0)).for_each(|(out, low)| *out = i64::from(*low)),
            _ => {
                let both = plane(0).iter().zip(plane(1));
                out.iter_mut().zip(both).for_each(|(out, (low, high))| *out = i64::from(u16::from_le_bytes([*low, *high])));
            }
        }
        for number in 2..self.width {
            out.iter_mut().zip(plane(number)).for_each(|(out, byte)| *out |= i64::from(*byte) << (8 * number));
        }
        if self.unit != 1 {
            out.iter_mut().for_each(|out| *out = out.wrapping_mul(self.unit as i64));
        }
        if self.base != 0 {
            out.iter_mut().for_each(|out| *out = out.wrapping_add(self.base));
        }
    }

    /// `first` and the sum of the integers before it, at every mark.
    fn sums(&self, first: i64) -> Vec<i64> {
        let mut value = first;
        let marks = (0..=self.count).step_by(MARK_EVERY).map(|from| {
            let mark = value;
            value = value.wrapping_add(self.sum(from, self.count.min(from + MARK_EVERY)));
            mark
        });
        marks.collect()
    }

    /// The sum of the integers `from` to `to`, modulo 2^64.
    fn sum(&self, from: usize, to: usize) -> i64 {
        let mut offsets = 0u64;
        for plane in 0..self.width {
            let sum = sum_of_bytes(&self.bytes[plane * self.count..][from..to]);
            offsets = offsets.wrapping_add(sum << (8 * plane));
        }
        self.base.wrapping_mul((to - from) as i64).wrapping_add(offsets.wrapping_mul(self.unit) as i64)
    }
}

fn sum_of_bytes(bytes: &[u8]) -> u64 {
    const LANES: usize = 32;
    // Sums of 2^8 bytes fit 16 bits, which the compiler adds many at a time.
    let chunks = bytes.chunks(LANES << 8).map(|chunk| {
        let mut sums = [0u16; LANES];
        let parts = chunk.chunks_exact(LANES);
        let rest: u64 = parts.remainder().iter().map(|byte| u64::from(*byte)).sum();
        for part in parts {
            let part: &[u8; LANES] = part.try_into().expect("as many as there are lanes");
            for lane in 0..LANES {
                sums[lane] += u16::from(part[lane]);
            }
        }
        rest + sums.iter().map(|sum| u64::from(*sum)).sum::<u64>()
    });
    chunks.sum()
}

fn read_planes(reader: &mut Reader<'_>, count: usize) -> Result<Vec<i64>> {
    Ok(Planes::read(reader, count)?.between(0, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(values: &[i64]) {
        let mut bytes = Vec::new();
        encode(values, &mut bytes);
        let mut reader = Reader::new(&bytes, "test");
        assert_eq!(decode(&mut reader, values.len()).unwrap(), values);
        assert!(reader.is_empty());
        assert_eq!(coded(&mut Reader::new(&bytes, "test"), values.len()).unwrap().each(), values);
        for (from, to) in [(0, values.len()), (values.len() / 3, values.len()), (values.len() / 2, values.len() - values.len() / 5)] {
            let mut all = Vec::new();
            let mut take = |chunk: &[i64]| {
                all.extend_from_slice(chunk);
                Ok(())
            };
            each_chunk(&mut Reader::new(&bytes, "test"), values.len(), (from, to), &mut take).unwrap();
            assert_eq!(all, values[from..to]);
        }
        let marks = marks(&mut Reader::new(&bytes, "test"), values.len()).unwrap();
        let sum_marks = sum_marks(&mut Reader::new(&bytes, "test"), values.len()).unwrap();
        let places: Vec<usize> = (0..values.len()).filter(|at| at % 3 != 1).flat_map(|at| [at, at]).collect();
        let picked: Vec<i64> = places.iter().map(|at| values[*at]).collect();
        for (marks, sum_marks) in [(&[][..], &[][..]), (&marks, &sum_marks)] {
            let reader = || Reader::new(&bytes, "test");
            assert_eq!(decode_at(&mut reader(), values.len(), &places, marks).unwrap(), picked);
            for from in (0..=values.len()).step_by(1 + values.len() / 40) {
                let to = values.len() - from / 2;
                if from <= to {
                    assert_eq!(decode_between(&mut reader(), values.len(), from, to, marks).unwrap(), values[from..to]);
                }
                assert!(decode_between(&mut reader(), values.len(), from, from, marks).unwrap().is_empty());
                if from < values.len() {
                    let before = values[..from].iter().fold(0, |sum: i64, value| sum.wrapping_add(*value));
                    assert_eq!(decode_sum(&mut reader(), values.len(), from, sum_marks).unwrap(), (before, values[from]));
                }
            }
        }
    }

    #[test]
    fn many_have_marks() {
        let values: Vec<i64> = (0..MARK_EVERY as i64 * 2 + 5).map(|at| at * 700 + at % 3 * 40).collect();
        round_trip(&values);
        let mut bytes = Vec::new();
        encode(&values, &mut bytes);
        let found = marks(&mut Reader::new(&bytes, "test"), values.len()).unwrap();
        assert_eq!(found, [values[0], values[MARK_EVERY], values[2 * MARK_EVERY]]);
        let lengths: Vec<i64> = (0..MARK_EVERY * 2).map(|at| [3, 90, 17, 60_000][at * 7 % 4]).collect();
        round_trip(&lengths);
        bytes.clear();
        encode(&lengths, &mut bytes);
        let found = sum_marks(&mut Reader::new(&bytes, "test"), lengths.len()).unwrap();
        let sum = |to: usize| lengths[..to].iter().sum::<i64>();
        assert_eq!(found, [0, sum(MARK_EVERY), sum(2 * MARK_EVERY)]);
    }

    #[test]
    fn all_bytes_are_added_up() {
        for len in [0, 1, 31, 32, 33, 8_191, 8_192, 8_193, 20_000] {
            assert_eq!(sum_of_bytes(&vec![255; len]), 255 * len as u64);
        }
    }

    #[test]
    fn extremes() {
        round_trip(&[]);
        round_trip(&[i64::MIN, i64::MAX, 0, -1]);
        round_trip(&[5; 100]);
        round_trip(&[1_000, 2_000, 3_000, 10_000]);
    }

    proptest! {
        #[test]
        fn wide(values in prop::collection::vec(any::<i64>(), 0..50)) { round_trip(&values); }
        #[test]
        fn small(values in prop::collection::vec(-300i64..300, 0..50)) { round_trip(&values); }
    }
}
