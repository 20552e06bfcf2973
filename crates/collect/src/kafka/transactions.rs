//! Transactions that were given up: the broker says which of them concern an answer, and their records are still in it.

use super::batch::{Batch, Mark};
use rustc_hash::FxHashSet;

/// The transactions of an answer that were given up: of a producer, from where one began up to its mark.
pub(super) struct Transactions {
    /// Producers and beginnings, the last first.
    coming: Vec<(i64, i64)>,
    given_up: FxHashSet<i64>,
}

impl Transactions {
    pub fn new(mut coming: Vec<(i64, i64)>) -> Self {
        coming.sort_unstable_by_key(|(_, first)| std::cmp::Reverse(*first));
        Self { coming, given_up: FxHashSet::default() }
    }

    /// Whether a batch holds nothing to be read: marks, and records of a transaction that was given up. Batches come in their order.
    pub fn leaves_out(&mut self, batch: &Batch<'_>) -> bool {
        while let Some((producer, _)) = self.coming.pop_if(|(_, first)| *first <= batch.last) {
            self.given_up.insert(producer);
        }
        if batch.is_control() {
            if batch.mark() == Mark::Aborted {
                self.given_up.remove(&batch.producer);
            }
            return true;
        }
        batch.is_transactional() && self.given_up.contains(&batch.producer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::made::{Made, plain};
    use super::super::batch::next;
    use super::*;

    /// Two producers whose transactions are mixed, one after the other given up and kept, and records of nobody in between.
    #[test]
    fn transactions_that_were_given_up() {
        const ABORT: &[&[u8]] = &[b"\0\0\0\0"];
        const COMMIT: &[&[u8]] = &[b"\0\0\0\x01"];
        let row: [(i64, i64, i16, &[&[u8]]); 11] = [
            (10, 7, 0x10, &[b"given up 10", b"given up 11"]),
            (12, 8, 0x10, &[b"kept 12"]),
            (13, -1, 0, &[b"kept 13"]),
            (14, 7, 0x10, &[b"given up 14"]),
            (15, 7, 0x30, ABORT),
            (16, 7, 0x10, &[b"kept 16"]),
            (17, 8, 0x30, COMMIT),
            (18, 8, 0x10, &[b"given up 18"]),
            (19, 7, 0x30, COMMIT),
            (20, 8, 0x30, ABORT),
            (21, 8, 0, &[b"kept 21"]),
        ];
        let bytes: Vec<u8> = row
            .iter()
            .flat_map(|(base, producer, attributes, values)| {
                plain(&Made { base: *base, attributes: *attributes, producer: *producer, values })
            })
            .collect();
        let read = |aborted: &[(i64, i64)]| {
            let (mut transactions, mut bytes, mut texts) = (Transactions::new(aborted.to_vec()), &bytes[..], Vec::new());
            while let Some(Ok((batch, end))) = next(bytes) {
                if !transactions.leaves_out(&batch) {
                    texts.extend(
                        batch
                            .unpack()
                            .records
                            .into_iter()
                            .map(|record| String::from_utf8(record.value.unwrap_or_default()).expect("is text")),
                    );
                }
                bytes = &bytes[end..];
            }
            texts
        };
        assert_eq!(read(&[(8, 18), (7, 10)]), ["kept 12", "kept 13", "kept 16", "kept 21"]);
        // One that began before what was asked for is given up from there on.
        assert_eq!(read(&[(7, 3), (8, 18)]), ["kept 12", "kept 13", "kept 16", "kept 21"]);
        assert_eq!(read(&[]).len(), 8, "marks are no records, whoever gives them");
    }
}
