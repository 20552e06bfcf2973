//! Combinations of the values of several fields as codes, over all segments that a reader goes through.

use super::coded::Rows;
use super::coder::{Coder, MISSING, Pairs};
use super::wanted::Plan;
use arrow::array::StringArray;
use taffrail_base::Result;

/// The combinations of values met so far: a code for each.
pub(super) struct Groups {
    coders: Vec<Coder>,
    /// Of the codes so far and the code of the next field.
    pairs: Vec<Pairs>,
    spare: Vec<u32>,
}

impl Groups {
    /// Of the values of so many fields.
    pub fn new(fields: usize) -> Self {
        let (mut coders, mut pairs) = (Vec::new(), Vec::new());
        coders.resize_with(fields, Coder::default);
        pairs.resize_with(fields.saturating_sub(1), Pairs::default);
        Self { coders, pairs, spare: Vec::new() }
    }

    /// How many there are. Of one field, each of its values is counted.
    pub fn len(&self) -> usize {
        match (self.pairs.last(), self.coders.last()) {
            (Some(pairs), _) => pairs.known().len(),
            (None, Some(coder)) => coder.len(),
            (None, None) => 1,
        }
    }

    /// Bytes that it holds, about.
    pub fn size(&self) -> usize {
        self.coders.iter().map(Coder::size).sum::<usize>() + self.pairs.iter().map(Pairs::size).sum::<usize>()
    }

    /// The combination of each wanted row of a pattern; [`MISSING`] where one of the values is.
    pub fn of(&mut self, rows: &Rows<'_, '_>, plans: &[Plan<'_>], out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        let mut fields = plans.iter().zip(&mut self.coders);
        let Some((plan, coder)) = fields.next() else {
            out.resize(rows.len(), 0);
            return Ok(());
        };
        rows.codes(plan, coder, out)?;
        for ((plan, coder), pairs) in fields.zip(&mut self.pairs) {
            self.spare.clear();
            rows.codes(plan, coder, &mut self.spare)?;
            for (group, code) in out.iter_mut().zip(&self.spare) {
                if *group != MISSING {
                    *group = if *code == MISSING { MISSING } else { pairs.code(*group, *code) };
                }
            }
        }
        Ok(())
    }

    /// The values of a combination.
    pub fn values(&self, mut group: u32) -> Vec<String> {
        let mut values = Vec::with_capacity(self.coders.len());
        for (pairs, coder) in self.pairs.iter().zip(self.coders.iter().skip(1)).rev() {
            let (first, second) = pairs.known()[group as usize];
            values.push(coder.get(second).to_owned());
            group = first;
        }
        values.extend(self.coders.first().map(|coder| coder.get(group).to_owned()));
        values.reverse();
        values
    }

    /// The values of combinations, field by field.
    pub fn columns(&self, groups: &[u32]) -> Vec<StringArray> {
        let mut columns = Vec::with_capacity(self.coders.len());
        let mut codes = groups.to_vec();
        let texts = |coder: &Coder, codes: &[u32]| StringArray::from_iter_values(codes.iter().map(|code| coder.get(*code)));
        for (pairs, coder) in self.pairs.iter().zip(self.coders.iter().skip(1)).rev() {
            let seconds: Vec<u32> = codes.iter().map(|code| pairs.known()[*code as usize].1).collect();
            columns.push(texts(coder, &seconds));
            codes.iter_mut().for_each(|code| *code = pairs.known()[*code as usize].0);
        }
        columns.extend(self.coders.first().map(|coder| texts(coder, &codes)));
        columns.reverse();
        columns
    }

    /// Takes what another has; gives, for each combination of the other, the one here.
    pub fn join(&mut self, other: &Self) -> Vec<u32> {
        let mut fields = self.coders.iter_mut().zip(&other.coders);
        let Some((own, others)) = fields.next() else { return vec![0] };
        let mut groups = own.codes_of(others);
        for ((own, others), (pairs, theirs)) in fields.zip(self.pairs.iter_mut().zip(&other.pairs)) {
            let codes = own.codes_of(others);
            groups = theirs.known().iter().map(|(first, second)| pairs.code(groups[*first as usize], codes[*second as usize])).collect();
        }
        groups
    }
}
