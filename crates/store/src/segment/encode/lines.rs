//! Values of several lines: stack traces below a line, whole files. Their lines recur, so a page holds each different
//! line once, split into patterns again, and the numbers of each value's lines.

use super::{Output, node, put_ints};
use crate::segment::lines::{LINES_MAX, LinesMeta};
use crate::segment::meta::Body;
use taffrail_base::Result;
use taffrail_pattern::lines::TextBlocks;

/// Lines of a page below which its directory cannot pay.
const LINES_MIN: usize = if cfg!(test) { 8 } else { 64 };

/// Encodes values as lines, where most of them have several.
pub fn as_lines(values: &[&[u8]], depth: usize, out: &mut Output<'_>) -> Result<Option<Body>> {
    let feeds: usize = values.iter().map(|value| memchr::memchr_iter(b'\n', value).count()).sum();
    let lines = feeds + values.len();
    if feeds < values.len() || !(LINES_MIN..=LINES_MAX as usize).contains(&lines) {
        return Ok(None);
    }
    let TextBlocks { counts, list, numbers } = TextBlocks::of(values);
    let list = node(&list, &|_| 0, None, depth + 1, out)?;
    let mut put = |numbers: &[u32]| put_ints(&numbers.iter().map(|number| i64::from(*number)).collect::<Vec<_>>(), &mut out.blocks);
    let counts = put(&counts)?;
    let numbers = numbers.map(|numbers| put(&numbers)).transpose()?;
    Ok(Some(Body::Lines(Box::new(LinesMeta { lines: lines as u32, counts, numbers, list }))))
}
