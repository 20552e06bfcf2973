//! The rows of a chart with their predictions, and the rows to come.

use super::{Algorithm, INFO, Predict};
use crate::columns::{Cell, Values, nanos_of_seconds, time_type, to_numbers};
use crate::commands::eval::{with_column, with_field};
use crate::commands::{Planner, blocking, column_index};
use crate::exec::{Flow, stop_of};
use crate::language::QueryError;
use crate::messages::Severity;
use crate::series::kalman::{Filtered, Model, Shape, period};
use crate::series::{Expected, normal, pair};
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, TimestampNanosecondArray, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field};
use datafusion::execution::memory_pool::MemoryConsumer;
use futures::TryStreamExt;
use jiff::tz::TimeZone;
use std::sync::Arc;
use taffrail_base::limits::PREDICT_PERIOD_MAX;

/// Runs what comes before, then predicts.
pub async fn run(settings: Predict, input: Flow, planner: Planner) -> Result<Flow, QueryError> {
    let (schema, table) = (input.schema(), input.table);
    let memory = MemoryConsumer::new(INFO.name).register(planner.context.memory_pool());
    let mut rows = Vec::new();
    let mut batches = input.stream(planner.context.clone())?;
    while let Some(batch) = batches.try_next().await? {
        // The rows, a copy of them in one piece, and the predictions.
        memory.try_grow(2 * batch.get_array_memory_size() + 64 * batch.num_rows())?;
        rows.push(batch);
    }
    let batch = concat_batches(&schema, &rows)?;
    drop(rows);
    blocking(move || {
        let _memory = memory;
        Ok(predicted(&settings, &batch, &planner).map(|flow| Flow { table, ..flow }))
    })
    .await?
}

fn predicted(settings: &Predict, batch: &RecordBatch, planner: &Planner) -> Result<Flow, QueryError> {
    let rows = batch.num_rows();
    let used = rows.saturating_sub(settings.holdback);
    let times = times(batch)?;
    // How many rows come after the last.
    let more = if rows == 0 { 0 } else { settings.future.saturating_sub(rows - used) };
    let mut out = longer(batch, &times, more, &planner.eval.tz)?;
    let series = |name: &str| -> Result<Vec<Option<f64>>, QueryError> {
        match column_index(&batch.schema(), name) {
            Some(at) => Ok(to_numbers(batch.column(at))?.iter().map(|value| value.filter(|value| value.is_finite())).collect()),
            None => Ok(vec![None; rows]),
        }
    };
    let mut found: Vec<Vec<Option<Expected>>> = Vec::new();
    match settings.algorithm {
        Algorithm::Told => {
            let other = series(settings.correlate.as_deref().unwrap_or_default())?;
            for (field, _) in &settings.fields {
                let own = series(field)?;
                let both: Vec<pair::Seen> = (0..rows).map(|row| [other[row], own[row].filter(|_| row < used)]).collect();
                let steps = pair::filter(&both, settings.future.saturating_sub(rows - used));
                found.push(steps.into_iter().map(|step| step.map(|both| both.second)).collect());
            }
        }
        Algorithm::Together => {
            let (first, second) = (series(&settings.fields[0].0)?, series(&settings.fields[1].0)?);
            let both: Vec<pair::Seen> = (0..used).map(|row| [first[row], second[row]]).collect();
            let steps = pair::filter(&both, settings.future);
            found.extend([0, 1].map(|which| steps.iter().map(|step| step.map(|both| both.before[which])).collect()));
        }
        _ => {
            for (field, _) in &settings.fields {
                let values = series(field)?;
                found.push(single(settings, field, &values[..used], planner));
                // What was stopped has predicted nothing.
                stop_of(&planner.context).check().map_err(|error| QueryError::from(&error))?;
            }
        }
    }
    for (which, mut steps) in found.into_iter().enumerate() {
        if rows > 0 && steps.iter().all(Option::is_none) {
            let text = format!("predict: {} has too few values to predict from", settings.fields[which].0);
            planner.messages.add(Severity::Warn, text);
        }
        // What lies farther than asked for is not known.
        steps.truncate(used + settings.future);
        steps.resize(rows + more, None);
        if settings.suppress.as_deref() == Some(settings.fields[which].0.as_str()) {
            continue;
        }
        out = with_predictions(settings, which, &out, &steps)?;
    }
    let schema = out.schema();
    Ok(Flow::of_batches(schema, vec![out], true))
}

/// The predictions of one series by one of the models for it.
fn single(settings: &Predict, field: &str, values: &[Option<f64>], planner: &Planner) -> Vec<Option<Expected>> {
    let stop = stop_of(&planner.context);
    let filter = |shape: Shape| Model::fit(shape, values, &stop).filter(values, settings.future, &stop);
    let nothing = || vec![None; values.len() + settings.future];
    let plain = |shape: Shape| filter(shape).map_or_else(nothing, |filtered| filtered.expected);
    if matches!(settings.algorithm, Algorithm::Level | Algorithm::Trend) {
        return plain(if settings.algorithm == Algorithm::Level { Shape::Level } else { Shape::Trend });
    }
    let points = settings.period.or_else(|| period(values, PREDICT_PERIOD_MAX));
    if let (Some(points), None) = (points, settings.period) {
        planner.messages.add(Severity::Info, format!("predict: {field} has a season of {points} rows; period= sets another"));
    }
    let season = points.and_then(|points| filter(Shape::Season(points)));
    match (season, settings.algorithm) {
        (Some(season), Algorithm::Season) => season.expected,
        (None, Algorithm::Season) => {
            let text = format!("predict: {field} has no season that shows, so it is predicted without (LL)");
            planner.messages.add(Severity::Info, text);
            plain(Shape::Level)
        }
        (None, _) => plain(Shape::Trend),
        (Some(season), _) => match filter(Shape::Trend) {
            Some(trend) => weighted(&trend, &season),
            None => season.expected,
        },
    }
}

/// The mean of two predictions, weighted by the inverse of their mean square errors; where only one says anything, that one.
fn weighted(a: &Filtered, b: &Filtered) -> Vec<Option<Expected>> {
    let weight = if a.error + b.error > 0.0 { b.error / (a.error + b.error) } else { 0.5 };
    let mean = |a: f64, b: f64| weight * a + (1.0 - weight) * b;
    let both = a.expected.iter().zip(&b.expected).map(|(a, b)| match (a, b) {
        (Some(a), Some(b)) => Some(Expected { mean: mean(a.mean, b.mean), variance: mean(a.variance, b.variance) }),
        (one, other) => one.or(*other),
    });
    both.collect()
}

fn times(batch: &RecordBatch) -> Result<Vec<Option<i64>>, QueryError> {
    let Some(at) = column_index(&batch.schema(), "_time") else { return Ok(vec![None; batch.num_rows()]) };
    let values = Values::of(batch.column(at))?;
    let mut times = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let mut time = None;
        values.each(row, |cell| {
            time = match cell {
                Cell::Time(nanos) => Some(nanos),
                other => other.number().and_then(nanos_of_seconds),
            };
        });
        times.push(time);
    }
    if times.iter().flatten().zip(times.iter().flatten().skip(1)).any(|(a, b)| a > b) {
        let error = QueryError::new("predict needs rows in the order of time, oldest first");
        return Err(error.with_hint("put it behind timechart, or sort first: sort 0 _time"));
    }
    Ok(times)
}

/// How many months lie between one time and the next, where it is as many everywhere and the days and hours are the same.
fn months_apart(times: &[Option<i64>], tz: &TimeZone) -> Option<i64> {
    let mut before: Option<(i64, i8, jiff::civil::Time)> = None;
    let mut step = None;
    for time in times {
        let local = jiff::Timestamp::from_nanosecond(i128::from((*time)?)).ok()?.to_zoned(tz.clone());
        let now = (i64::from(local.year()) * 12 + i64::from(local.month()), local.day(), local.time());
        if let Some(before) = before {
            let months = now.0 - before.0;
            if months < 1 || (now.1, now.2) != (before.1, before.2) || step.is_some_and(|step| step != months) {
                return None;
            }
            step = Some(months);
        }
        before = Some(now);
    }
    step
}

/// The time so many months after another.
fn months_after(time: i64, months: i64, tz: &TimeZone) -> Option<i64> {
    let local = jiff::Timestamp::from_nanosecond(i128::from(time)).ok()?.to_zoned(tz.clone());
    let later = local.checked_add(jiff::Span::new().try_months(months).ok()?).ok()?;
    i64::try_from(later.timestamp().as_nanosecond()).ok()
}

/// The rows with `more` of them behind, which have only a time: as many months from the last as all are apart, or as far
/// as the last two are.
fn longer(batch: &RecordBatch, times: &[Option<i64>], more: usize, tz: &TimeZone) -> Result<RecordBatch, QueryError> {
    let step = match times {
        [.., Some(before), Some(last)] => last - before,
        _ => 0,
    };
    let months = months_apart(times, tz);
    let next = |number: i64| {
        let last = times.last().copied().flatten()?;
        months
            .and_then(|months| months_after(last, months.saturating_mul(number), tz))
            .or(Some(last.saturating_add(step.saturating_mul(number))))
    };
    let all = times.iter().copied().chain((1..=more as i64).map(next));
    let time: ArrayRef = Arc::new(all.collect::<TimestampNanosecondArray>().with_timezone("UTC"));
    let schema = with_field(&batch.schema(), Field::new("_time", time_type(), true));
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        columns.push(match field.name().as_str() {
            "_time" => time.clone(),
            _ => arrow::compute::concat(&[column.as_ref(), new_null_array(column.data_type(), more).as_ref()])?,
        });
    }
    let nullable: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    Ok(RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(nullable)), columns)?)
}

fn with_predictions(settings: &Predict, which: usize, batch: &RecordBatch, steps: &[Option<Expected>]) -> Result<RecordBatch, QueryError> {
    let names = settings.made(which);
    let widths = settings.bounds.iter().map(|bound| {
        let width = normal::half_width(f64::from(bound.percent) / 100.0);
        if bound.upper { width } else { -width }
    });
    let widths: Vec<f64> = std::iter::once(0.0).chain(widths).collect();
    let mut out = batch.clone();
    for (name, width) in names.iter().zip(widths) {
        let value = |step: &Option<Expected>| step.map(|step| step.mean + width * step.variance.max(0.0).sqrt());
        let column: ArrayRef = Arc::new(steps.iter().map(value).collect::<Float64Array>());
        let schema = with_field(&out.schema(), Field::new(name, DataType::Float64, true));
        out = with_column(&out, &schema, name, column)?;
    }
    Ok(out)
}
