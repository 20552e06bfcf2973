//! Fields that are asked for without rows, and where they are in the events of a pattern.

use super::Column;
use super::capture::{Capture, Place};
use super::filter::SegmentScan;
use super::shape::Shape;
use super::term::PreparedRegex;
use regex::Regex;
use taffrail_base::Result;
use taffrail_pattern::{FieldPlan, PlanPiece};

/// A field that counts are asked by.
#[derive(Clone, Debug)]
pub enum CountField {
    /// A column of rows; not one of times or bytes.
    Column(Column),
    /// The named group of an expression on the event as text; of its first match. Where there is none, the field that
    /// has its name.
    Group(Regex, String),
    /// The number of the span of so many nanoseconds that the event's time is in, from the epoch on.
    Span(i64),
}

/// A field, ready to be found in patterns.
pub(super) enum Wanted {
    Column(Column),
    Group(Box<Group>),
    Span(i64),
}

/// A named group of an expression.
pub(super) struct Group {
    pub capture: Option<Capture>,
    pub shape: Option<Shape>,
    pub regex: PreparedRegex,
    pub name: String,
}

impl Wanted {
    pub(super) fn of(field: &CountField) -> Self {
        match field {
            CountField::Column(column) => Self::Column(column.clone()),
            CountField::Group(regex, name) => Self::Group(Box::new(Group {
                capture: Capture::new(regex, name),
                shape: Shape::new(regex),
                regex: PreparedRegex::new(regex),
                name: name.clone(),
            })),
            CountField::Span(width) => Self::Span((*width).max(1)),
        }
    }
}

/// What a field is in the rows of a pattern.
pub(super) enum Plan<'w> {
    /// The number of a span of time of this width.
    Span(i64),
    /// Part of the origin.
    Origin(&'w Column),
    /// An extracted field.
    Field(FieldPlan),
    /// A group that each value of a slot tells.
    Slot(usize, &'w Capture, &'w Group),
    /// A group for which the event is asked, and the field that it is where the event has none.
    Event(&'w Group, FieldPlan),
}

pub(super) fn plan<'w>(scan: &SegmentScan<'_>, pattern: usize, wanted: &'w Wanted) -> Result<Plan<'w>> {
    let group = match wanted {
        Wanted::Column(Column::Field(name)) => return Ok(Plan::Field(scan.plan(pattern, name)?)),
        Wanted::Column(column) => return Ok(Plan::Origin(column)),
        Wanted::Span(width) => return Ok(Plan::Span(*width)),
        Wanted::Group(group) => group,
    };
    let meta = &scan.segment().footer().events.patterns[pattern];
    let field = || scan.plan(pattern, &group.name);
    if !group.regex.is_possible(meta, scan.blocks)? {
        return Ok(Plan::Field(field()?));
    }
    let Some(capture) = &group.capture else { return Ok(Plan::Event(group, field()?)) };
    Ok(match capture.place(meta) {
        Place::Absent => Plan::Field(field()?),
        Place::Pieces(pieces) => Plan::Field(match &pieces[..] {
            [PlanPiece::Text(text)] => FieldPlan::Constant(text.as_str().into()),
            _ => FieldPlan::Pieces(pieces),
        }),
        Place::Slot(slot) => Plan::Slot(slot, capture, group),
        Place::Unknown => Plan::Event(group, field()?),
    })
}
