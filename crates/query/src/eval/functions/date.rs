//! Times.

use super::super::column::{Operand, Type, numbers};
use super::super::compile::Node;
use super::{Call, Function};
use crate::language::QueryError;
use crate::language::time::{TimeFormat, relative};
use std::sync::Arc;
use taffrail_event::Timestamp;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "now",
        syntax: "now()",
        summary: "When the search started, in seconds since 1970.",
        arity: (0, 0),
        build: |call| Ok(Node::number(call.scope.context.now.nanos().div_euclid(1_000_000_000) as f64)),
    },
    Function {
        name: "time",
        syntax: "time()",
        summary: "The time at which the row is worked on, in seconds since 1970.",
        arity: (0, 0),
        build: time,
    },
    Function {
        name: "relative_time",
        syntax: "relative_time(time, \"-1d@d\")",
        summary: "The time moved and snapped.",
        arity: (2, 2),
        build: relative_time,
    },
    Function { name: "strftime", syntax: "strftime(time, \"%Y-%m-%d\")", summary: "The time as text.", arity: (2, 2), build: strftime },
    Function {
        name: "strptime",
        syntax: "strptime(text, \"%Y-%m-%d\")",
        summary: "The time that the text means, in seconds since 1970.",
        arity: (2, 2),
        build: strptime,
    },
];

fn time(call: &Call<'_>) -> Result<Node, QueryError> {
    let context = call.scope.context.clone();
    Ok(Node::new(Type::Number, move |frame| {
        let now = context.clock.as_ref().map_or(context.now, |clock| Timestamp(clock.now_nanos()));
        Operand::rows(numbers(frame.batch.num_rows(), |_| Some(now.seconds_f64())))
    }))
}

fn relative_time(call: &Call<'_>) -> Result<Node, QueryError> {
    let tz = call.scope.context.tz.clone();
    if let Some(text) = call.constant_text(1) {
        relative(text, Timestamp(0), &tz).map_err(|error| QueryError { span: Some(call.exprs[1].span), ..error })?;
    }
    Ok(Node::numbers(call.args()?, move |values, row| {
        let time = values[0].time(row)?;
        relative(&values[1].text(row)?, time, &tz).ok().map(Timestamp::seconds_f64)
    }))
}

/// The format in argument 1, prepared where it is written out.
fn format(call: &Call<'_>) -> impl Fn(&str) -> Arc<TimeFormat> + Send + Sync + 'static {
    let fixed = call.constant_text(1).map(|text| Arc::new(TimeFormat::new(text)));
    move |text: &str| fixed.clone().unwrap_or_else(|| Arc::new(TimeFormat::new(text)))
}

fn strftime(call: &Call<'_>) -> Result<Node, QueryError> {
    let (format, tz) = (format(call), call.scope.context.tz.clone());
    Ok(Node::texts(call.args()?, move |values, row| Some(format(&values[1].text(row)?).format(values[0].time(row)?, &tz))))
}

fn strptime(call: &Call<'_>) -> Result<Node, QueryError> {
    let (format, context) = (format(call), call.scope.context.clone());
    Ok(Node::numbers(call.args()?, move |values, row| {
        let time = format(&values[1].text(row)?).parse(&values[0].text(row)?, context.now, &context.tz);
        time.map(Timestamp::seconds_f64)
    }))
}
