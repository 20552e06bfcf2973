//! `streamstats`: aggregates over the rows so far, added to every row.

use super::eval::with_field;
use super::eventstats::required_of_calls;
use super::stats::{check_names, expand_calls};
use super::timechart::span_text;
use super::{Command, CommandInfo, Kind, Planned, Planner, Required, column_index};
use crate::columns::{Values, missing};
use crate::eval::{Compiled, Expr};
use crate::exec::aggregate::group_key;
use crate::exec::running::{Input, Running, State};
use crate::exec::{Flow, Make, Step, Transform, external, stop_of};
use crate::functions::{Answer, Call, moment, parse_calls, parse_groups, write_calls};
use crate::language::{Args, BinSpan, QueryError, TimeSpan};
use crate::messages::Messages;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::error::Result as ExecResult;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use taffrail_base::limits::WINDOW_ROWS_MAX;
use taffrail_base::stop::Ticks;

/// What `streamstats` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "streamstats",
    aliases: &[],
    syntax: "streamstats [current=<bool>] [window=<count>] [time_window=<time>] [global=<bool>] [reset_on_change=<bool>] [reset_before=(<condition>)] [reset_after=(<condition>)] [allnum=<bool>] <function>(<field>) [AS <name>] [, ...] [BY <field> [, <field>]...]",
    summary: "Adds to every row what stats computes over it and the rows before it: all, the last ones, or those within a span of time.",
    examples: &[
        "* | sort 0 _time | streamstats sum(bytes) AS so_far BY host",
        "* | streamstats current=false window=1 last(status) AS later",
    ],
    parse,
};

#[derive(Clone, Debug)]
struct Streamstats {
    current: bool,
    window: usize,
    time_window: Option<TimeSpan>,
    global: bool,
    reset_on_change: bool,
    reset_before: Option<Expr>,
    reset_after: Option<Expr>,
    all_numbers: bool,
    calls: Vec<Call>,
    groups: Vec<String>,
}

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut stream = Streamstats {
        current: true,
        window: 0,
        time_window: None,
        global: true,
        reset_on_change: false,
        reset_before: None,
        reset_after: None,
        all_numbers: false,
        calls: Vec::new(),
        groups: Vec::new(),
    };
    while stream.option(args)? {}
    stream.calls = parse_calls(args, false)?;
    stream.groups = parse_groups(args, &[])?;
    args.finish()?;
    check_names(&stream.calls, &stream.groups)?;
    Ok(Box::new(stream))
}

/// A condition as the value of an option: `(x>1)`, `"(x>1)"`, or as documented elsewhere, `"("x>1")"`.
fn condition(args: &mut Args, name: &str) -> Result<Option<Expr>, QueryError> {
    let mut ahead = args.clone();
    if !ahead.keyword(name) || !ahead.symbol("=") {
        return Ok(None);
    }
    let expression = if ahead.symbol("(") {
        let expression = ahead.expression()?;
        ahead.expect_symbol(")")?;
        expression
    } else if ahead.symbol("\"(\"") {
        let expression = ahead.expression()?;
        ahead.expect_symbol("\")\"")?;
        expression
    } else {
        let word = ahead.string("a condition in parentheses").map_err(|error| error.with_hint(format!("write {name}=(status>499)")))?;
        Expr::parse(&word.text).map_err(|error| QueryError { span: Some(word.span), ..error })?
    };
    *args = ahead;
    Ok(Some(expression))
}

const OPTIONS: [&str; 8] = ["current", "window", "time_window", "global", "reset_on_change", "reset_before", "reset_after", "allnum"];

impl Streamstats {
    fn option(&mut self, args: &mut Args) -> Result<bool, QueryError> {
        if let Some(expression) = condition(args, "reset_before")? {
            self.reset_before = Some(expression);
            return Ok(true);
        }
        if let Some(expression) = condition(args, "reset_after")? {
            self.reset_after = Some(expression);
            return Ok(true);
        }
        let Some(option) = args.option(&OPTIONS)? else { return Ok(false) };
        let value = &option.value;
        match option.name.as_str() {
            "current" => self.current = value.boolean("current")?,
            "window" => {
                self.window = value.integer("window", 0)? as usize;
                if self.window > WINDOW_ROWS_MAX {
                    let error = QueryError::at(value.span, format!("a window has at most {WINDOW_ROWS_MAX} rows"));
                    return Err(error.with_hint("use window=0 for all rows so far, or time_window"));
                }
            }
            "time_window" => match value.span_value("time_window")? {
                BinSpan::Time(span) => self.time_window = Some(span),
                _ => return Err(QueryError::at(value.span, "this needs a span of time").with_hint("write for example 30s, 5m or 1h")),
            },
            "global" => self.global = value.boolean("global")?,
            "reset_on_change" => self.reset_on_change = value.boolean("reset_on_change")?,
            _ => self.all_numbers = value.boolean("allnum")?,
        }
        Ok(true)
    }
}

impl fmt::Display for Streamstats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("streamstats")?;
        for (name, on, default) in [
            ("current", self.current, true),
            ("global", self.global, true),
            ("reset_on_change", self.reset_on_change, false),
            ("allnum", self.all_numbers, false),
        ] {
            if on != default {
                write!(f, " {name}={on}")?;
            }
        }
        if self.window > 0 {
            write!(f, " window={}", self.window)?;
        }
        if let Some(span) = self.time_window {
            write!(f, " time_window={}", span_text(span))?;
        }
        for (name, expression) in [("reset_before", &self.reset_before), ("reset_after", &self.reset_after)] {
            if let Some(expression) = expression {
                write!(f, " {name}=({expression})")?;
            }
        }
        let mut out = String::new();
        write_calls(&mut out, &self.calls, &self.groups);
        f.write_str(&out)
    }
}

impl Command for Streamstats {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn kind(&self) -> Kind {
        Kind::Running
    }

    fn required(&self, needed: Required) -> Required {
        let made: Vec<&str> = self.calls.iter().map(|call| call.name.as_str()).collect();
        let asked = [&self.reset_before, &self.reset_after].into_iter().flatten().flat_map(Expr::required_fields);
        let asked: Vec<String> = asked.filter(|field| !made.contains(&field.as_str())).collect();
        let needed = required_of_calls(needed, &self.calls, &self.groups).with(asked);
        if self.time_window.is_some() { needed.with(["_time"]) } else { needed }
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let input = input.single();
        let schema = input.schema();
        let calls = expand_calls(&self.calls, &self.groups, &input.names())?;
        let running = calls.iter().map(|call| Running::new(call, &schema, self.all_numbers, planner)).collect::<Result<Vec<_>, _>>()?;
        let shape = running.iter().fold(schema.clone(), |schema, running| with_field(&schema, running.field().clone()));
        let time = column_index(&schema, "_time");
        if self.time_window.is_some() && time.is_none() {
            let error = QueryError::new("time_window needs _time, which a command before it has removed");
            return Err(error.with_hint("keep _time: add it to `table` or `fields`"));
        }
        let reset_before = self.reset_before.as_ref().map(|e| e.compile_predicate(&schema, &planner.eval)).transpose()?;
        let reset_after = self.reset_after.as_ref().map(|e| e.compile_predicate(&shape, &planner.eval)).transpose()?;
        let settings = Arc::new(Settings {
            stream: self.clone(),
            running,
            groups: self.groups.iter().map(|group| column_index(&schema, group)).collect(),
            time,
            nanos: self.time_window.map(|span| (span.seconds() * 1e9) as i64),
            reset_before,
            reset_after,
            shape: shape.clone(),
            messages: planner.messages.clone(),
        });
        let make: Make = Arc::new(move |context| {
            let memory = MemoryConsumer::new("streamstats").register(context.memory_pool());
            let settings = settings.clone();
            Ok(Box::new(Progress {
                settings,
                groups: FxHashMap::default(),
                order: VecDeque::new(),
                before: None,
                time: Times::default(),
                bytes: 0,
                memory,
                ticks: stop_of(context).every(ROWS_BETWEEN_STOPS),
            }))
        });
        Ok(input.map("streamstats", shape, make).into())
    }
}

/// Rows after which it is asked whether to stop: each may look at a whole window.
const ROWS_BETWEEN_STOPS: u32 = 1_024;

struct Settings {
    stream: Streamstats,
    running: Vec<Running>,
    groups: Vec<Option<usize>>,
    time: Option<usize>,
    nanos: Option<i64>,
    reset_before: Option<Compiled>,
    reset_after: Option<Compiled>,
    shape: SchemaRef,
    messages: Messages,
}

/// What is known of a group.
struct Group {
    states: Vec<State>,
    /// The times of the rows of its window.
    times: VecDeque<Option<i64>>,
    bytes: usize,
}

/// The last time seen, and which way times run.
#[derive(Default)]
struct Times {
    last: Option<i64>,
    rising: Option<bool>,
}

struct Progress {
    settings: Arc<Settings>,
    groups: FxHashMap<String, Group>,
    /// The groups of the rows in a window that all share.
    order: VecDeque<String>,
    before: Option<String>,
    time: Times,
    bytes: usize,
    memory: MemoryReservation,
    ticks: Ticks,
}

impl Times {
    /// Whether the time goes on in the direction of those before.
    fn goes_on(&mut self, time: i64) -> bool {
        let step = self.last.map_or(0, |last| time.cmp(&last) as i8);
        self.last = Some(time);
        match (step, self.rising) {
            (0, _) => true,
            (step, None) => {
                self.rising = Some(step > 0);
                true
            }
            (step, Some(rising)) => rising == (step > 0),
        }
    }
}

impl Progress {
    fn windowed(&self) -> bool {
        self.settings.stream.window > 0 || self.settings.nanos.is_some()
    }

    fn shared(&self) -> bool {
        self.settings.stream.window > 0 && self.settings.stream.global && !self.settings.groups.is_empty()
    }

    fn reset(&mut self) {
        self.groups.clear();
        self.order.clear();
        self.bytes = 0;
    }

    fn forget_first(settings: &Settings, group: &mut Group) {
        group.times.pop_front();
        for (state, running) in group.states.iter_mut().zip(&settings.running) {
            state.remove(running);
        }
    }

    /// Takes rows out of the group that lie a whole span away from `time`.
    fn forget_far(settings: &Settings, group: &mut Group, time: Option<i64>) {
        let (Some(nanos), Some(time)) = (settings.nanos, time) else { return };
        while group.times.front().is_some_and(|first| first.is_some_and(|first| first.abs_diff(time) >= nanos.unsigned_abs())) {
            Self::forget_first(settings, group);
        }
    }

    fn take(&mut self, key: &str, inputs: &[Input], row: usize, time: Option<i64>) {
        let settings = self.settings.clone();
        let group = self.groups.get_mut(key).expect("the group is made before");
        for ((state, running), input) in group.states.iter_mut().zip(&settings.running).zip(inputs) {
            state.add(running, input, row);
        }
        if settings.stream.window == 0 && settings.nanos.is_none() {
            return;
        }
        group.times.push_back(time);
        if !self.shared() {
            let group = self.groups.get_mut(key).expect("the group is made before");
            if settings.stream.window > 0 && group.times.len() > settings.stream.window {
                Self::forget_first(&settings, group);
            }
            return;
        }
        self.order.push_back(key.to_owned());
        if self.order.len() > settings.stream.window
            && let Some(group) = self.order.pop_front().and_then(|oldest| self.groups.get_mut(&oldest))
        {
            Self::forget_first(&settings, group);
        }
    }

    /// The answers for a row of a group.
    fn row(&mut self, key: &str, inputs: &[Input], row: usize, time: Option<i64>) -> Vec<Answer> {
        let (settings, windowed) = (self.settings.clone(), self.windowed());
        let group = self.groups.entry(key.to_owned()).or_insert_with(|| Group {
            states: settings.running.iter().map(|running| running.state(windowed)).collect(),
            times: VecDeque::new(),
            bytes: 0,
        });
        Self::forget_far(&settings, group, time);
        if settings.stream.current {
            self.take(key, inputs, row, time);
        }
        let group = self.groups.get_mut(key).expect("it was just there");
        let answers =
            group.states.iter_mut().zip(&settings.running).map(|(state, running)| state.answer(running, &settings.messages)).collect();
        if !settings.stream.current {
            self.take(key, inputs, row, time);
        }
        let group = self.groups.get_mut(key).expect("it was just there");
        let size = group.states.iter().map(State::size).sum::<usize>() + group.times.len() * 16 + key.len() * 2 + 96;
        self.bytes = (self.bytes + size).saturating_sub(group.bytes);
        group.bytes = size;
        answers
    }

    /// Whether the row that was just computed starts all anew after it.
    fn ends(&self, after: &Compiled, batch: &RecordBatch, row: usize, answers: &[Answer]) -> ExecResult<bool> {
        let mut columns: Vec<Option<ArrayRef>> = batch.columns().iter().map(|column| Some(column.slice(row, 1))).collect();
        columns.resize(self.settings.shape.fields().len(), None);
        for (running, answer) in self.settings.running.iter().zip(answers) {
            let at = column_index(&self.settings.shape, running.field().name()).expect("the shape has what is computed");
            columns[at] = Some(running.column(vec![answer.clone()])?);
        }
        let one = RecordBatch::try_new(self.settings.shape.clone(), columns.into_iter().flatten().collect())?;
        Ok(after.evaluate_predicate(&one).value(0))
    }

    fn out_of_order(&self) -> datafusion::error::DataFusionError {
        let error = QueryError::new("time_window needs rows in the order of their times");
        external(error.with_hint("put `sort 0 _time` or `sort 0 -_time` before streamstats"))
    }
}

impl Transform for Progress {
    fn push(&mut self, batch: RecordBatch) -> ExecResult<Step> {
        let settings = self.settings.clone();
        let rows = batch.num_rows();
        let inputs = settings.running.iter().map(|running| running.input(&batch)).collect::<ExecResult<Vec<_>>>()?;
        let column = |at: &Option<usize>| at.map_or_else(|| missing(rows), |at| batch.column(at).clone());
        let groups = settings.groups.iter().map(|at| Ok(Values::of(&column(at))?)).collect::<ExecResult<Vec<_>>>()?;
        let times = settings.time.map(|at| Values::of(batch.column(at))).transpose()?;
        let before: Option<BooleanArray> = settings.reset_before.as_ref().map(|before| before.evaluate_predicate(&batch));
        let mut answers: Vec<Vec<Answer>> = settings.running.iter().map(|_| Vec::with_capacity(rows)).collect();
        for row in 0..rows {
            self.ticks.tick().map_err(external)?;
            let time = times.as_ref().and_then(|times| moment(times, row));
            // Without a time a row is in no window of time.
            let key = group_key(&groups, row).filter(|_| settings.nanos.is_none() || time.is_some());
            let changed = settings.stream.reset_on_change && self.before.is_some() && key.is_some() && key != self.before;
            if changed || before.as_ref().is_some_and(|before| before.value(row)) {
                self.reset();
            }
            if key.is_some() {
                self.before.clone_from(&key);
            }
            if let (Some(_), Some(time)) = (settings.nanos, time)
                && !self.time.goes_on(time)
            {
                return Err(self.out_of_order());
            }
            let found = match &key {
                Some(key) => self.row(key, &inputs, row, time),
                // Rows without a group pass unchanged.
                None => vec![Answer::Missing; settings.running.len()],
            };
            if let Some(after) = &settings.reset_after
                && self.ends(after, &batch, row, &found)?
            {
                self.reset();
            }
            answers.iter_mut().zip(found).for_each(|(all, answer)| all.push(answer));
        }
        self.memory.try_resize(self.bytes)?;
        let mut columns: Vec<Option<ArrayRef>> = batch.columns().iter().cloned().map(Some).collect();
        columns.resize(settings.shape.fields().len(), None);
        for (running, answers) in settings.running.iter().zip(answers) {
            let at = column_index(&settings.shape, running.field().name()).expect("the shape has what is computed");
            columns[at] = Some(running.column(answers)?);
        }
        Ok(Step::Rows(RecordBatch::try_new(settings.shape.clone(), columns.into_iter().flatten().collect())?))
    }
}
