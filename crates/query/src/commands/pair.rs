//! Two rows of a result by their positions, for the commands that compare rows. What is compared is not known here.

use super::Planner;
use crate::exec::Flow;
use crate::language::{OptionArg, QueryError, Span};
use crate::messages::Severity;
use arrow::array::RecordBatch;
use futures::TryStreamExt;

/// The names under which positions can be given, the long ones first.
pub const OPTIONS: [&str; 4] = ["position1", "position2", "pos1", "pos2"];

/// Which two rows, counted from 1.
#[derive(Clone, Debug)]
pub struct Positions {
    places: [usize; 2],
    /// Where they stand in the query.
    spans: [Option<Span>; 2],
}

impl Default for Positions {
    fn default() -> Self {
        Self { places: [1, 2], spans: [None, None] }
    }
}

impl Positions {
    /// Takes one of [`OPTIONS`]; false when it is another.
    pub fn take(&mut self, option: &OptionArg) -> Result<bool, QueryError> {
        let which = match option.name.as_str() {
            "position1" | "pos1" => 0,
            "position2" | "pos2" => 1,
            _ => return Ok(false),
        };
        self.places[which] = option.value.integer(&option.name, 1)? as usize;
        self.spans[which] = Some(option.value.span);
        Ok(true)
    }

    /// Fails where both are the same row.
    pub fn check(&self) -> Result<(), QueryError> {
        if self.places[0] != self.places[1] {
            return Ok(());
        }
        let error =
            QueryError::new(format!("both positions are row {}", self.places[0])).with_hint("give two different rows: pos1=1 pos2=2");
        Err(match self.spans[1].or(self.spans[0]) {
            Some(span) => error.or_at(span),
            None => error,
        })
    }

    /// The position of the first (0) or the second (1).
    pub fn place(&self, which: usize) -> usize {
        self.places[which]
    }

    /// How many rows have to be read at most.
    pub fn rows_needed(&self) -> usize {
        self.places[0].max(self.places[1])
    }

    /// As options, where they are not the default.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (which, name) in ["pos1", "pos2"].into_iter().enumerate() {
            if self.places[which] != which + 1 {
                out.push_str(&format!(" {name}={}", self.places[which]));
            }
        }
        out
    }

    /// The two rows, each a batch of one row.
    pub async fn rows(&self, command: &str, input: Flow, planner: &Planner) -> Result<[RecordBatch; 2], QueryError> {
        if self.places[0] > self.places[1] {
            let text = format!("{command}: position1 is after position2, so `-` marks what only the later row has");
            planner.messages.add(Severity::Info, text);
        }
        let mut found: [Option<RecordBatch>; 2] = [None, None];
        let mut seen = 0;
        let mut batches = input.stream(planner.context.clone())?;
        while found.iter().any(Option::is_none)
            && let Some(batch) = batches.try_next().await?
        {
            for (place, row) in self.places.iter().zip(&mut found) {
                if row.is_none() && *place <= seen + batch.num_rows() {
                    *row = Some(batch.slice(place - seen - 1, 1));
                }
            }
            seen += batch.num_rows();
        }
        match found {
            [Some(first), Some(second)] => Ok([first, second]),
            [first, _] => {
                let which = usize::from(first.is_some());
                let rows = match seen {
                    0 => "there are none".to_owned(),
                    1 => "there is only 1".to_owned(),
                    _ => format!("there are only {seen}"),
                };
                let error = QueryError::new(format!("{command} compares rows {} and {}, but {rows}", self.places[0], self.places[1]));
                let error = error.with_hint("widen the search, or give other positions: pos1=1 pos2=2");
                Err(match self.spans[which] {
                    Some(span) => error.or_at(span),
                    None => error,
                })
            }
        }
    }
}
