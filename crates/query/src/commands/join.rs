//! `join`: rows of another search beside those with the same values.

mod answers;

use super::append::expect_search;
use super::words::quote_field;
use super::{Command, CommandInfo, Direct, Planned, Planner, Required, column_index};
use crate::columns::time_type;
use crate::exec::Flow;
use crate::exec::combine::Prefer;
use crate::exec::join::{Join, join};
use crate::language::{Args, QueryError};
use crate::pipeline::Subsearch;
use answers::Joined;
use std::fmt;
use std::sync::Arc;

/// What `join` is.
pub const INFO: CommandInfo = CommandInfo {
    name: "join",
    aliases: &[],
    syntax: "join [type=inner|left|outer] [max=<count>] [overwrite=<bool>] [usetime=<bool>] [earlier=<bool>] [<field>...] [ <search> ] | join left=<L> right=<R> where <L>.<field>=<R>.<field>... [ <search> ]",
    summary: "Adds to each row the fields of the row of another search that has the same values: of the first such row, unless max says otherwise.",
    examples: &[
        "transfer | join user [ search login | table user, ip ]",
        "* | join type=left max=0 host [ search error | table host, _raw ]",
        "* | join left=L right=R where L.user=R.name [ | makeresults | eval name=\"root\" ]",
    ],
    parse,
};

#[derive(Debug)]
struct JoinCommand {
    kind: &'static str,
    max: usize,
    overwrite: bool,
    usetime: bool,
    earlier: bool,
    /// Fields of both sides; none for all that both have.
    keys: Vec<(String, String)>,
    aliases: Option<(String, String)>,
    search: Subsearch,
}

const KINDS: [&str; 3] = ["inner", "left", "outer"];

fn parse(args: &mut Args) -> Result<Box<dyn Command>, QueryError> {
    let (mut kind, mut max, mut overwrite, mut usetime, mut earlier) = ("inner", 1, true, false, true);
    let (mut left, mut right, mut keys) = (None, None, Vec::new());
    while !args.at_end() && !args.remaining().starts_with('[') {
        if let Some(option) = args.option(&["type", "max", "overwrite", "usetime", "earlier", "left", "right"])? {
            let value = &option.value;
            match option.name.as_str() {
                "type" => kind = value.one_of("type", &KINDS)?,
                "max" => max = value.integer("max", 0)? as usize,
                "overwrite" => overwrite = value.boolean("overwrite")?,
                "usetime" => usetime = value.boolean("usetime")?,
                "earlier" => earlier = value.boolean("earlier")?,
                "left" => left = Some(value.text.clone()),
                _ => right = Some(value.text.clone()),
            }
        } else if let (Some(left), Some(right), true) = (&left, &right, args.keyword("where")) {
            keys = conditions(args, left, right)?;
        } else {
            let field = args.field("a field name or a search in brackets")?;
            if field.is_wildcard() {
                return Err(QueryError::at(field.span, "join takes no wildcards").with_hint("name each field"));
            }
            keys.push((field.name.clone(), field.name));
            args.symbol(",");
        }
    }
    let aliases = match (left, right) {
        (Some(left), Some(right)) if !keys.is_empty() => Some((left, right)),
        (None, None) => None,
        _ => return Err(args.error("left and right need a condition").with_hint("write left=L right=R where L.field=R.field")),
    };
    let search = expect_search(args)?;
    args.finish()?;
    Ok(Box::new(JoinCommand { kind, max, overwrite, usetime, earlier, keys, aliases, search }))
}

/// `L.a=R.b L.c=R.d`, with or without AND between.
fn conditions(args: &mut Args, left: &str, right: &str) -> Result<Vec<(String, String)>, QueryError> {
    let mut keys = Vec::new();
    while !args.at_end() && !args.remaining().starts_with('[') {
        args.keyword("and");
        let first = args.field("a field")?;
        args.expect_symbol("=")?;
        args.symbol("=");
        let second = args.field("a field")?;
        let of = |alias: &str, name: &str| name.strip_prefix(alias).and_then(|rest| rest.strip_prefix('.')).map(str::to_owned);
        let pair = match (of(left, &first.name), of(right, &second.name)) {
            (Some(left), Some(right)) => Some((left, right)),
            _ => of(left, &second.name).zip(of(right, &first.name)),
        };
        keys.push(pair.ok_or_else(|| {
            QueryError::at(first.span.to(second.span), format!("a condition compares a field of {left} with one of {right}"))
                .with_hint(format!("write {left}.field={right}.field"))
        })?);
    }
    Ok(keys)
}

impl fmt::Display for JoinCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "join type={} max={} overwrite={}", self.kind, self.max, self.overwrite)?;
        if self.usetime {
            write!(f, " usetime=true earlier={}", self.earlier)?;
        }
        match &self.aliases {
            Some((left, right)) => {
                write!(f, " left={left} right={right} where")?;
                for (a, b) in &self.keys {
                    write!(f, " {}={}", quote_field(&format!("{left}.{a}")), quote_field(&format!("{right}.{b}")))?;
                }
            }
            None => self.keys.iter().try_for_each(|(key, _)| write!(f, " {}", quote_field(key)))?,
        }
        write!(f, " {}", self.search)
    }
}

impl Command for JoinCommand {
    fn name(&self) -> &'static str {
        INFO.name
    }

    fn required(&self, needed: Required) -> Required {
        if self.keys.is_empty() || self.aliases.is_some() {
            return Required::all();
        }
        let needed = needed.with(self.keys.iter().map(|(left, _)| left.clone()));
        if self.usetime { needed.with(["_time"]) } else { needed }
    }

    fn needs_order(&self) -> bool {
        false
    }

    fn makes_table(&self) -> bool {
        self.search.query.is_table()
    }

    fn writes(&self) -> bool {
        self.search.query.writes()
    }

    fn plan(&self, input: Flow, planner: &Planner) -> Result<Planned, QueryError> {
        let right = planner.nested(self.search.query.clone(), Required::all());
        let mut spec = Join {
            keys: self.keys.clone(),
            outer: self.kind != "inner",
            most: Some(self.max).filter(|max| *max > 0),
            prefer: if self.overwrite { Prefer::Right } else { Prefer::Left },
            earlier: self.usetime.then_some(self.earlier),
            prefixes: self.aliases.clone(),
        };
        let (search, context) = (self.search.span, planner.context.clone());
        let (direct, offered) = (planner.direct.clone(), planner.offered.clone());
        Ok(Planned::Later(Box::pin(async move {
            let right = right.await?;
            let names = right.names();
            if spec.keys.is_empty() {
                let common = input.names().into_iter().filter(|name| !name.starts_with('_') && names.contains(name));
                spec.keys = common.map(|name| (name.clone(), name)).collect();
            }
            if spec.keys.is_empty() {
                return Err(QueryError::at(search, "the two searches have no field in common").with_hint("name the field to join by"));
            }
            let timed =
                |flow: &Flow| column_index(&flow.schema(), "_time").is_some_and(|at| *flow.schema().field(at).data_type() == time_type());
            if spec.earlier.is_some() && !(timed(&input) && timed(&right)) {
                return Err(QueryError::at(search, "usetime needs _time on both sides").with_hint("keep _time in the search in brackets"));
            }
            let table = input.table || right.table;
            let plain = !spec.outer && spec.earlier.is_none() && spec.prefixes.is_none() && spec.prefer == Prefer::Right;
            let (flow, found) = join(input, right, &spec, &context).await?;
            if let (true, Some(left), Some(right), Some(most)) = (plain, direct, found, spec.most) {
                let answers: Arc<dyn Direct> = Arc::new(Joined { left, right, keys: spec.keys, most });
                *offered.lock() = Some(answers);
            }
            Ok(Flow { table, ..flow })
        })))
    }
}
