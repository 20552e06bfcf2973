//! `sparkline`: what a function gives in each span of time, as a list to draw a small line of.

use super::udaf::{Accumulate, Answer, Maker};
use super::{Argument, Call, Gives, Method};
use crate::columns::{Cell, number_text};
use crate::commands::Planner;
use crate::commands::timechart::{Floor, auto_span, search_range, span_text};
use crate::language::{Args, BinSpan, QueryError, Span, TimeSpan};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The first value of the list: what follows is to be drawn.
const MARK: &str = "##__SPARKLINE__##";

/// Spans that are chosen for a line: it is as wide as a word or two.
const POINTS: usize = 100;

/// The argument of `sparkline`.
#[derive(Clone, Debug)]
pub struct Sparkline {
    /// The function of each span.
    pub inner: Box<Call>,
    span: Option<TimeSpan>,
    settled: Option<(Floor, Arc<Vec<i64>>)>,
}

impl PartialEq for Sparkline {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

/// Prints the argument without its parentheses.
impl fmt::Display for Sparkline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.text())?;
        self.span.map_or(Ok(()), |span| write!(f, ", {}", span_text(span)))
    }
}

impl Sparkline {
    /// Parses what stands after `sparkline(`, with the parenthesis that closes it.
    pub fn parse(args: &mut Args, place: Span) -> Result<Self, QueryError> {
        let inner = Call::parse_unnamed(args)?;
        let function = inner.function;
        let drawn = function.accumulator().is_some() && !function.order && !function.time && function.gives != Gives::List;
        if !drawn {
            let error = QueryError::at(place, format!("sparkline cannot draw {}", inner.typed));
            return Err(error.with_hint("it draws numbers: count, sum, avg, min, max, dc and the like"));
        }
        let span = if args.symbol(",") {
            let word = args.word("a span of time")?;
            match word.span_value("the span")? {
                BinSpan::Time(span) => Some(span),
                _ => return Err(QueryError::at(word.span, "this needs a span of time").with_hint("write for example 5m, 1h or 1d")),
            }
        } else {
            None
        };
        args.expect_symbol(")")?;
        Ok(Self { inner: Box::new(inner), span, settled: None })
    }

    /// Makes the accumulators of a group.
    pub fn maker(&self) -> Result<Maker, QueryError> {
        let wrong = || QueryError::new("sparkline works in stats and chart only").with_hint("timechart draws a function over time");
        let (floor, starts) = self.settled.clone().ok_or_else(wrong)?;
        let make = self.inner.function.accumulator().ok_or_else(wrong)?;
        let parameter = self.inner.parameter;
        Ok(Maker::new(move || {
            let inner = Maker::new(move || make(parameter));
            Box::new(Line { inner, floor: floor.clone(), starts: starts.clone(), spans: BTreeMap::new() })
        }))
    }
}

/// Whether one of the calls is a sparkline: its spans then have to be settled before rows are aggregated.
pub fn any(calls: &[Call]) -> bool {
    calls.iter().any(|call| matches!(call.method(), Method::Sparkline))
}

/// Settles the spans of all sparklines: those of the search's range.
pub async fn settle(calls: &mut [Call], planner: &Planner) -> Result<(), QueryError> {
    for call in calls {
        let Argument::Spark(line) = &mut call.argument else { continue };
        let Some((start, end)) = search_range(planner).await? else {
            let floor = Floor::new(TimeSpan::new(1, crate::language::SpanUnit::Day), planner.eval.tz.clone());
            line.settled = Some((floor, Arc::default()));
            continue;
        };
        let span = line.span.unwrap_or_else(|| auto_span(start, end, POINTS, None));
        let floor = Floor::new(span, planner.eval.tz.clone());
        let starts = floor.all(start.nanos(), end.nanos().saturating_sub(1).max(start.nanos()))?;
        line.settled = Some((floor, Arc::new(starts)));
    }
    Ok(())
}

#[derive(Debug)]
struct Line {
    inner: Maker,
    floor: Floor,
    starts: Arc<Vec<i64>>,
    spans: BTreeMap<i64, Box<dyn Accumulate>>,
}

impl Line {
    fn span(&mut self, start: i64) -> &mut Box<dyn Accumulate> {
        self.spans.entry(start).or_insert_with(|| self.inner.make())
    }
}

impl Accumulate for Line {
    fn add(&mut self, cell: Cell<'_>, time: Option<i64>) {
        if let Some(time) = time {
            let start = self.floor.of(time);
            self.span(start).add(cell, Some(time));
        }
    }

    fn state(&self) -> Vec<String> {
        let spans = self.spans.iter().map(|(start, inner)| (start, inner.state()));
        spans.flat_map(|(start, state)| [start.to_string(), state.len().to_string()].into_iter().chain(state)).collect()
    }

    fn merge(&mut self, state: &[&str]) {
        let mut rest = state;
        while let [start, count, more @ ..] = rest {
            let (Ok(start), Ok(count)) = (start.parse(), count.parse::<usize>()) else { return };
            let Some((inner, after)) = more.split_at_checked(count) else { return };
            self.span(start).merge(inner);
            rest = after;
        }
    }

    fn answer(&mut self) -> Answer {
        if self.starts.is_empty() {
            return Answer::Missing;
        }
        let mut list = vec![MARK.to_owned()];
        for start in self.starts.iter() {
            list.push(match self.spans.get_mut(start).map(|span| span.answer()) {
                Some(Answer::Number(number)) => number_text(number),
                Some(Answer::Text(text)) => text,
                // A line has no holes.
                _ => "0".to_owned(),
            });
        }
        Answer::List(list)
    }

    fn size(&self) -> usize {
        self.spans.values().map(|span| span.size() + 64).sum::<usize>() + 64
    }
}
