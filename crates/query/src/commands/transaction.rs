//! `transaction`: events that belong together become one row.
//!
//! Three steps, each of any size: every event gets the number of its transaction (`assign`; it keeps of open
//! transactions only what decides), rows are sorted by that number, which spills to disk, and the rows of one number
//! are put together (`assemble`). Parsing is here; which event joins which transaction is decided in `open`. Where only
//! times and counts are wanted, the store may tell them without rows (`runs`).

mod assemble;
mod assign;
mod condition;
mod open;
mod runs;

use super::words::{quote, quote_field};
use super::{Command, CommandInfo, Planned, Planner, Required, column_index};
use crate::exec::Flow;
use crate::exec::order::{Key, KeyKind, sort};
use crate::language::{Args, BinSpan, QueryError, Word};
use condition::Condition;
use std::fmt;
use taffrail_base::limits::TRANSACTION_EVENTS_DEFAULT;

/// What `transaction` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "transaction",
    aliases: &[],
    syntax: "transaction [<field> [, <field>]...] [maxspan=<time>] [maxpause=<time>] [maxevents=<count>] [startswith=<condition>] [endswith=<condition>] [connected=<bool>] [unifyends=<bool>] [keeporphans=<bool>] [keepevicted=<bool>] [maxopentxn=<count>] [maxopenevents=<count>] [mvlist=<bool>|<fields>] [mvraw=<bool>] [delim=<text>] [nullstr=<text>]",
    summary: "Puts events that share values of fields, or follow each other closely, into one row with its duration and number of events.",
    examples: &[
        "* | transaction session maxpause=5m | where duration>60",
        "sourcetype=sshd | transaction user, src startswith=\"session opened\" endswith=\"session closed\" maxspan=8h",
        "* | transaction host startswith=eval(status>=500) keepevicted=true",
    ],
    parse,
};

/// `transaction` with its arguments.
#[derive(Clone, Debug)]
struct Transaction {
    fields: Vec<String>,
    max_span: Option<i64>,
    max_pause: Option<i64>,
    max_events: Option<usize>,
    starts: Option<Condition>,
    ends: Option<Condition>,
    connected: bool,
    unify_ends: bool,
    keep_orphans: bool,
    keep_evicted: bool,
    max_open: Option<usize>,
    max_open_events: Option<usize>,
    lists: Lists,
    raw_list: bool,
    delimiter: Option<String>,
    null: String,
}

/// For which fields all values are given, in the order of the events; for others each value once, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lists {
    None,
    All,
    Some(Vec<String>),
}

const OPTIONS: [&str; 14] = [
    "maxspan",
    "maxpause",
    "maxevents",
    "connected",
    "unifyends",
    "keeporphans",
    "keepevicted",
    "maxopentxn",
    "maxopenevents",
    "mvlist",
    "mvraw",
    "delim",
    "nullstr",
    "name",
];

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let mut this = Transaction {
        fields: Vec::new(),
        max_span: None,
        max_pause: None,
        max_events: Some(TRANSACTION_EVENTS_DEFAULT),
        starts: None,
        ends: None,
        connected: true,
        unify_ends: true,
        keep_orphans: false,
        keep_evicted: false,
        max_open: None,
        max_open_events: None,
        lists: Lists::None,
        raw_list: false,
        delimiter: None,
        null: "NULL".to_owned(),
    };
    while !args.at_end() {
        if args.peek_keyword("startswith") {
            this.starts = Some(Condition::parse(args, "startswith")?);
        } else if args.peek_keyword("endswith") {
            this.ends = Some(Condition::parse(args, "endswith")?);
        } else if let Some(option) = args.option(&OPTIONS)? {
            this.option(&option.name, &option.value)?;
        } else {
            let field = args.field("a field name")?;
            if field.is_wildcard() {
                return Err(QueryError::at(field.span, "transaction takes no wildcards").with_hint("name each field"));
            }
            this.fields.push(field.name);
            args.symbol(",");
        }
    }
    Ok(Box::new(this))
}

impl Transaction {
    fn option(&mut self, name: &str, value: &Word) -> Result<(), QueryError> {
        match name {
            "maxspan" => self.max_span = length(name, value)?,
            "maxpause" => self.max_pause = length(name, value)?,
            "maxevents" => self.max_events = count(name, value)?,
            "connected" => self.connected = value.boolean(name)?,
            "unifyends" => self.unify_ends = value.boolean(name)?,
            "keeporphans" => self.keep_orphans = value.boolean(name)?,
            "keepevicted" => self.keep_evicted = value.boolean(name)?,
            "maxopentxn" => self.max_open = count(name, value)?,
            "maxopenevents" => self.max_open_events = count(name, value)?,
            "mvlist" => {
                self.lists = match value.boolean(name) {
                    Ok(true) => Lists::All,
                    Ok(false) => Lists::None,
                    Err(_) => Lists::Some(value.text.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect()),
                }
            }
            "mvraw" => self.raw_list = value.boolean(name)?,
            "delim" => self.delimiter = Some(value.text.clone()),
            "nullstr" => self.null.clone_from(&value.text),
            _ => {
                let error = QueryError::at(value.span, "there are no named kinds of transactions");
                return Err(error.with_hint("give the fields and options themselves"));
            }
        }
        Ok(())
    }

    /// Whether all that has to be in a transaction is known to be: a start, an end.
    fn has_conditions(&self) -> bool {
        self.starts.is_some() || self.ends.is_some()
    }

    /// The fields that it makes.
    fn made(&self) -> Vec<&'static str> {
        let mut made = vec!["duration", "eventcount", "closed_txn", "field_match_sum", "linecount"];
        if self.keep_orphans {
            made.push("_txn_orphan");
        }
        made
    }
}

/// A length of time in nanoseconds; -1 is none.
fn length(name: &str, value: &Word) -> Result<Option<i64>, QueryError> {
    if value.text.starts_with('-') {
        return Ok(None);
    }
    let seconds = match value.span_value(name)? {
        BinSpan::Time(span) => span.seconds(),
        BinSpan::Number(seconds) => seconds,
        BinSpan::Log { .. } => {
            return Err(QueryError::at(value.span, format!("{name} must be a length of time")).with_hint("write for example 30s, 5m or 1h"));
        }
    };
    Ok(Some((seconds * 1e9) as i64))
}

/// A count; -1 and 0 are none.
fn count(name: &str, value: &Word) -> Result<Option<usize>, QueryError> {
    let count = value.integer(name, -1)?;
    Ok(usize::try_from(count).ok().filter(|count| *count > 0))
}

fn length_text(nanos: i64) -> String {
    if nanos % 1_000_000_000 == 0 { format!("{}s", nanos / 1_000_000_000) } else { format!("{}us", nanos / 1_000) }
}

impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("transaction")?;
        for (at, field) in self.fields.iter().enumerate() {
            write!(f, "{} {}", if at == 0 { "" } else { "," }, quote_field(field))?;
        }
        let flag = |on: bool, default: bool| (on != default).then(|| on.to_string());
        let max_events = (self.max_events != Some(TRANSACTION_EVENTS_DEFAULT)).then(|| self.max_events.map_or(-1, |count| count as i64));
        let lists = match &self.lists {
            Lists::None => None,
            Lists::All => Some("true".to_owned()),
            Lists::Some(fields) => Some(quote(&fields.join(","))),
        };
        for (name, value) in [
            ("maxspan", self.max_span.map(length_text)),
            ("maxpause", self.max_pause.map(length_text)),
            ("maxevents", max_events.map(|count| count.to_string())),
            ("startswith", self.starts.as_ref().map(ToString::to_string)),
            ("endswith", self.ends.as_ref().map(ToString::to_string)),
            ("connected", flag(self.connected, true)),
            ("unifyends", flag(self.unify_ends, true)),
            ("keeporphans", flag(self.keep_orphans, false)),
            ("keepevicted", flag(self.keep_evicted, false)),
            ("maxopentxn", self.max_open.map(|count| count.to_string())),
            ("maxopenevents", self.max_open_events.map(|count| count.to_string())),
            ("mvlist", lists),
            ("mvraw", flag(self.raw_list, false)),
            ("delim", self.delimiter.as_deref().map(quote)),
            ("nullstr", (self.null != "NULL").then(|| quote(&self.null))),
        ] {
            if let Some(value) = value {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
}

impl Command for Transaction {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        let lines = needed.contains("linecount") || needed.contains("_raw_bytes");
        let needed = needed.without(self.made()).without(["_raw_bytes"]).with(self.fields.iter().cloned()).with(["_time"]);
        let conditions = self.starts.iter().chain(&self.ends).flat_map(Condition::fields);
        let needed = needed.with(conditions);
        if lines { needed.with(["_raw"]) } else { needed }
    }

    fn keeps_order(&self) -> bool {
        false
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        if column_index(&input.schema(), "_time").is_none() {
            let error = QueryError::new("transaction needs _time, which a command before it has removed");
            return Err(error.with_hint("keep _time: add it to `table` or `fields`"));
        }
        if let (Some((field, rules)), Some(direct)) = (runs::asked(self, &input.schema()), planner.direct.clone()) {
            let (this, planner) = (self.clone(), planner.clone());
            return Ok(Planned::Later(Box::pin(async move {
                match super::blocking(move || direct.runs(&field, rules)).await? {
                    Some(found) => runs::flow(&this, &input.schema(), found, &planner.messages),
                    None => this.of_rows(input, &planner),
                }
            })));
        }
        Ok(self.of_rows(input, planner)?.into())
    }
}

impl Transaction {
    fn of_rows(&self, input: Flow, planner: &Planner) -> Result<Flow, QueryError> {
        let numbered = assign::flow(self, input.single(), planner)?;
        let key = |field: &str, descending| Key { field: field.to_owned(), kind: KeyKind::Number, descending };
        let grouped = sort(numbered, &[key(assign::NUMBER, false), key(assign::STATUS, false)], None)?;
        let whole = assemble::flow(self, grouped);
        if !planner.ordered {
            return Ok(whole);
        }
        // Equal times stay in the order in which the transactions began to be seen: newest first.
        Ok(sort(whole, &[key("_time", true)], None)?)
    }
}
