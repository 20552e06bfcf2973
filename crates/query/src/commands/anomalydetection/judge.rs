//! Rows judged by what is known of their fields: by all of a row's values together, or by each on its own.

use super::profile::{Field as Known, Profile};
use super::{Action, Detection, Method, SCORE_THRESHOLD, Support};
use crate::commands::eval::{with_column, with_field};
use crate::commands::words::expand;
use crate::commands::{Planner, column_index};
use crate::exec::{Flow, transform};
use crate::language::QueryError;
use crate::messages::Severity;
use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use futures::TryStreamExt;
use std::sync::Arc;

/// How far below the first quartile a row's probability lies at least, in ranges between the quartiles: what Tukey calls
/// outside, and with `cutoff` far out.
const OUTSIDE: f64 = 1.5;
const FAR_OUT: f64 = 3.0;

/// Reads the rows as often as it takes, then gives those that are wanted.
pub async fn run(settings: Detection, input: Flow, planner: Planner) -> Result<Flow, QueryError> {
    let names = match settings.fields.as_slice() {
        [] => input.names().into_iter().filter(|name| !name.starts_with('_')).collect(),
        fields => expand(fields, &input.names()),
    };
    let memory = MemoryConsumer::new(settings.name).register(planner.context.memory_pool());
    let profile = Arc::new(Profile::of(&names, &input, &planner, &memory).await?);
    let judge = match settings.method {
        Method::Histogram => {
            let threshold = match settings.threshold {
                Some(probability) => probability.ln(),
                None => quartile_threshold(&profile, &input, &planner, &memory, if settings.cutoff { FAR_OUT } else { OUTSIDE }).await?,
            };
            Judge::Together { threshold }
        }
        _ => {
            let threshold = settings.threshold.unwrap_or(SCORE_THRESHOLD);
            Judge::Each { threshold, judged: judged(&profile, threshold, &settings, &input, &planner).await? }
        }
    };
    let work = Work { name: settings.name, profile, judge, memory: Arc::new(memory) };
    if settings.action == Action::Summary { work.summary(input, &planner).await } else { Ok(work.rows(input, settings.action)) }
}

/// What makes a row an anomaly.
#[derive(Clone, Debug)]
enum Judge {
    /// The logarithm of the product of the frequencies lies below this.
    Together { threshold: f64 },
    /// A value of one of the fields judged is less probable than this.
    Each { threshold: f64, judged: Vec<bool> },
}

#[derive(Clone)]
struct Work {
    name: &'static str,
    profile: Arc<Profile>,
    judge: Judge,
    /// For what the profile holds, as long as it is held.
    memory: Arc<MemoryReservation>,
}

/// The frequencies of a row.
struct Frequencies {
    logarithm: f64,
    most: f64,
    /// The field with the rarest value, and how frequent that is.
    cause: Option<(usize, f64)>,
}

fn frequencies(profile: &Profile, values: &[crate::columns::Values], row: usize) -> Frequencies {
    let mut found = Frequencies { logarithm: 0.0, most: 0.0, cause: None };
    for (at, (field, values)) in profile.fields.iter().zip(values).enumerate() {
        let frequency = profile.frequency(field, values, row);
        found.logarithm += frequency.ln();
        found.most = found.most.max(frequency);
        if found.cause.is_none_or(|(_, rarest)| frequency < rarest) {
            found.cause = Some((at, frequency));
        }
    }
    found
}

/// The threshold from the quartiles of the logarithms of all rows.
async fn quartile_threshold(
    profile: &Profile,
    input: &Flow,
    planner: &Planner,
    memory: &MemoryReservation,
    ranges: f64,
) -> Result<f64, QueryError> {
    let bytes = size_of::<f64>() * profile.rows as usize;
    memory.try_grow(bytes)?;
    let mut all = Vec::with_capacity(profile.rows as usize);
    let mut batches = input.clone().stream(planner.context.clone())?;
    while let Some(batch) = batches.try_next().await? {
        let values = profile.fields.iter().map(|field| field.values(&batch)).collect::<Result<Vec<_>, _>>()?;
        all.extend((0..batch.num_rows()).map(|row| frequencies(profile, &values, row).logarithm));
    }
    all.sort_unstable_by(f64::total_cmp);
    let quartile = |share: f64| {
        let place = share * all.len().saturating_sub(1) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        all.get(low).zip(all.get(high)).map_or(0.0, |(low_value, high_value)| low_value + (place - low as f64) * (high_value - low_value))
    };
    let (first, third) = (quartile(0.25), quartile(0.75));
    memory.shrink(bytes);
    // Sums of the same logarithms in another order differ in the last digit: that is no anomaly.
    Ok(first - ranges * (third - first) - 1e-9)
}

/// Which fields say something on their own: they are in enough rows, and most of their values are no anomaly.
async fn judged(profile: &Profile, threshold: f64, settings: &Detection, input: &Flow, planner: &Planner) -> Result<Vec<bool>, QueryError> {
    let mut anomalous = vec![0u64; profile.fields.len()];
    let mut batches = input.clone().stream(planner.context.clone())?;
    while let Some(batch) = batches.try_next().await? {
        for (field, count) in profile.fields.iter().zip(&mut anomalous) {
            let values = field.values(&batch)?;
            *count += (0..batch.num_rows()).filter(|row| field.score(&values, *row).is_some_and(|score| score < threshold)).count() as u64;
        }
    }
    let Support { rows, share: least, anomalous: most, normal } = settings.support;
    let says = |(field, count): (&Known, u64)| {
        let share = field.present as f64 / profile.rows.max(1) as f64;
        let (present, count) = (field.present as f64, count as f64);
        present >= rows as f64 && share >= least && count <= most * present && present - count >= normal * present
    };
    let judged: Vec<bool> = profile.fields.iter().zip(anomalous).map(says).collect();
    let silent: Vec<&str> =
        profile.fields.iter().zip(&judged).filter(|(_, judged)| !**judged).map(|(field, _)| field.name.as_str()).collect();
    if !silent.is_empty() && profile.rows > 0 {
        let text = format!(
            "{}: not judged are {}: a field has to be in {rows} rows and in {} percent of all, with no more than {} percent anomalies",
            settings.name,
            silent.join(", "),
            percent(least),
            percent(most),
        );
        planner.messages.add(Severity::Info, text);
    }
    Ok(judged)
}

/// A share for people.
fn percent(share: f64) -> String {
    crate::eval::format_number((share * 1e8).round() / 1e6)
}

impl Work {
    /// The rows that are anomalies, or all of them; what makes them so in further columns.
    fn rows(self, input: Flow, action: Action) -> Flow {
        let mut schema = input.schema();
        for (name, kind) in self.columns() {
            schema = with_field(&schema, Field::new(name, kind, true));
        }
        let name = self.name;
        let work = transform(move |batch: RecordBatch| {
            let (anomalies, made) = self.judged(&batch).map_err(crate::exec::external)?;
            let mut out = batch;
            for ((name, kind), column) in self.columns().into_iter().zip(made) {
                let schema = with_field(&out.schema(), Field::new(&name, kind, true));
                out = with_column(&out, &schema, &name, column)?;
            }
            Ok(if action == Action::Filter { filter_record_batch(&out, &anomalies)? } else { out })
        });
        input.map(name, schema, work)
    }

    /// The columns that are added.
    fn columns(&self) -> Vec<(String, DataType)> {
        match &self.judge {
            Judge::Together { .. } => [
                ("log_event_prob", DataType::Float64),
                ("max_freq", DataType::Float64),
                ("probable_cause", DataType::Utf8),
                ("probable_cause_freq", DataType::Float64),
            ]
            .map(|(name, kind)| (name.to_owned(), kind))
            .to_vec(),
            Judge::Each { judged, .. } => {
                let fields = self.profile.fields.iter().zip(judged).filter(|(_, judged)| **judged);
                let name = |field: &Known| format!("Anomaly_Score_{}({})", if field.numeric { "Num" } else { "Cat" }, field.name);
                fields.map(|(field, _)| (name(field), DataType::Float64)).collect()
            }
        }
    }

    /// Which rows of a batch are anomalies, and the columns that say why.
    fn judged(&self, batch: &RecordBatch) -> Result<(BooleanArray, Vec<ArrayRef>), QueryError> {
        let rows = batch.num_rows();
        let values = self.profile.fields.iter().map(|field| field.values(batch)).collect::<Result<Vec<_>, _>>()?;
        match &self.judge {
            Judge::Together { threshold } => {
                let found: Vec<Option<Frequencies>> = (0..rows)
                    .map(|row| frequencies(&self.profile, &values, row))
                    .map(|found| (found.logarithm < *threshold).then_some(found))
                    .collect();
                let number = |value: &dyn Fn(&Frequencies) -> Option<f64>| -> ArrayRef {
                    Arc::new(found.iter().map(|found| found.as_ref().and_then(value)).collect::<Float64Array>())
                };
                let cause = |found: &Option<Frequencies>| Some(self.profile.fields[found.as_ref()?.cause?.0].name.clone());
                let columns: Vec<ArrayRef> = vec![
                    number(&|found| Some(found.logarithm)),
                    number(&|found| Some(found.most)),
                    Arc::new(found.iter().map(cause).collect::<StringArray>()),
                    number(&|found| found.cause.map(|(_, frequency)| frequency)),
                ];
                Ok((found.iter().map(|found| Some(found.is_some())).collect(), columns))
            }
            Judge::Each { threshold, judged } => {
                let mut anomalies = vec![false; rows];
                let mut columns: Vec<ArrayRef> = Vec::new();
                for ((field, values), _) in self.profile.fields.iter().zip(&values).zip(judged).filter(|(_, judged)| **judged) {
                    let score = |row: usize| field.score(values, row).filter(|score| score < threshold);
                    let scores: Vec<Option<f64>> = (0..rows).map(score).collect();
                    anomalies.iter_mut().zip(&scores).for_each(|(anomaly, score)| *anomaly |= score.is_some());
                    columns.push(Arc::new(Float64Array::from(scores)));
                }
                Ok((anomalies.into_iter().map(Some).collect(), columns))
            }
        }
    }

    /// A row for each field.
    async fn summary(self, input: Flow, planner: &Planner) -> Result<Flow, QueryError> {
        let mut anomalies = vec![0i64; self.profile.fields.len()];
        let judged = self.clone().rows(input, Action::Filter);
        let place = |name: &str| column_index(&judged.schema(), name);
        let mut causes: Vec<(usize, usize)> = Vec::new();
        for (at, field) in self.profile.fields.iter().enumerate() {
            let score = format!("Anomaly_Score_{}({})", if field.numeric { "Num" } else { "Cat" }, field.name);
            causes.extend(place(&score).map(|column| (at, column)));
        }
        let cause = place("probable_cause");
        let mut batches = judged.stream(planner.context.clone())?;
        while let Some(batch) = batches.try_next().await? {
            for (at, column) in &causes {
                anomalies[*at] += (batch.num_rows() - batch.column(*column).null_count()) as i64;
            }
            if let (Some(column), Judge::Together { .. }) = (cause, &self.judge) {
                let names = crate::columns::to_text(batch.column(column))?;
                for name in names.iter().flatten() {
                    let at = self.profile.fields.iter().position(|field| field.name == name);
                    anomalies[at.unwrap_or_default()] += 1;
                }
            }
        }
        let fields = &self.profile.fields;
        let numbers = |value: &dyn Fn(&Known) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(fields.iter().map(value))) };
        let texts = |value: &dyn Fn(&Known) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(fields.iter().map(value))) };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("field", texts(&|field| field.name.clone())),
            ("type", texts(&|field| if field.numeric { "numerical" } else { "categorical" }.to_owned())),
            ("count", numbers(&|field| field.present as i64)),
            ("distinct", numbers(&|field| field.distinct() as i64)),
            ("anomalies", Arc::new(Int64Array::from(anomalies))),
        ];
        let schema: SchemaRef = Arc::new(Schema::new(
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect::<Vec<_>>(),
        ));
        let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, column)| column).collect())?;
        drop(self.memory);
        Ok(Flow::of_batches(schema, vec![batch], true))
    }
}
