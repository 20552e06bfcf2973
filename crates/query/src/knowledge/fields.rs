//! What people say of the fields of events: format files, with the fields that are computed and looked up.
//!
//! The files are read again when one of them has changed, by the first search after that; patterns are then asked anew,
//! so that what a file says holds for old events too. A file that is wrong is left out, and every search says so.

use super::{EVENT_TYPES, Folder, Kind, Knowledge};
use crate::commands::Command;
use crate::commands::tags::Tags;
use crate::commands::typer::Typer;
use crate::eval::{EvalContext, Expr};
use crate::language::lexer::quoted;
use crate::language::{QueryError, SearchExpr, Span};
use crate::pipeline::Subsearch;
use arrow::datatypes::Schema;
use jiff::tz::TimeZone;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use taffrail_base::Metadata;
use taffrail_base::limits::{FORMAT_FILES_MAX, KNOWLEDGE_FILE_BYTES_MAX};
use taffrail_event::Timestamp;
use taffrail_format::{AutoLookup, Fault, FormatFile, Formats};

const FORMATS: Kind = Kind { folder: "formats", what: "format", extension: "toml" };

/// Format files, made ready.
#[derive(Debug, Default)]
pub struct FieldKnowledge {
    /// Those that are used.
    pub files: Vec<Arc<FormatFile>>,
    /// What is wrong with the others, in sentences.
    pub problems: Vec<String>,
    /// What adds fields to events, in this order.
    steps: Vec<AddedFields>,
    formats: OnceLock<Arc<Formats>>,
}

/// Commands that add fields to events.
#[derive(Clone, Debug)]
pub struct AddedFields {
    /// The fields.
    pub fields: Vec<String>,
    /// The commands.
    pub commands: Vec<(Arc<dyn Command>, Span)>,
    /// The lookup that they do.
    pub lookup: Option<AutoLookup>,
}

/// What the files were when they were read.
pub(super) type Seen = Vec<(PathBuf, Metadata)>;

/// Reads a format file: its rules, samples, expressions and lookups; the faults say what is wrong and where.
pub fn read_format(name: &str, text: &str) -> Result<Arc<FormatFile>, Vec<Fault>> {
    let file = FormatFile::read(name, text)?;
    steps_of(&file).map(|_| file).map_err(|fault| vec![fault])
}

impl FieldKnowledge {
    /// The formats with these files, over the built-in ones.
    pub fn formats(&self, built_in: &Arc<Formats>) -> Arc<Formats> {
        let with = || if self.files.is_empty() { built_in.clone() } else { Arc::new(built_in.with(self.files.iter().cloned())) };
        self.formats.get_or_init(with).clone()
    }

    /// What adds fields to events, in this order.
    pub fn steps(&self) -> &[AddedFields] {
        &self.steps
    }

    /// Whether a search compares a field that is computed or looked up.
    pub fn concerns(&self, search: &SearchExpr) -> bool {
        let fields = search.fields();
        self.steps.iter().any(|step| step.fields.iter().any(|field| fields.contains(field)))
    }

    /// The search without what is asked of fields that are computed or looked up: it finds all that the search finds,
    /// and more.
    #[must_use]
    pub fn without_added(&self, search: &SearchExpr) -> SearchExpr {
        if !self.concerns(search) {
            return search.clone();
        }
        match search {
            SearchExpr::And(parts) => SearchExpr::and(parts.iter().map(|part| self.without_added(part)).collect()),
            SearchExpr::Or(parts) => {
                let parts: Vec<SearchExpr> = parts.iter().map(|part| self.without_added(part)).collect();
                if parts.contains(&SearchExpr::All) { SearchExpr::All } else { SearchExpr::or(parts) }
            }
            // What is within may be true or not: neither may be asked.
            _ => SearchExpr::All,
        }
    }
}

impl Knowledge {
    /// What people say of the fields of events, as it is now.
    pub fn fields(&self) -> Arc<FieldKnowledge> {
        let Some(folder) = &self.0 else {
            static NONE: OnceLock<Arc<FieldKnowledge>> = OnceLock::new();
            return NONE.get_or_init(Arc::default).clone();
        };
        let mut known = folder.fields.lock();
        let (seen, names, problem) = self.seen(folder);
        if let Some((before, found)) = &*known
            && *before == seen
            && problem.is_none()
        {
            return found.clone();
        }
        let mut found = FieldKnowledge { problems: problem.into_iter().collect(), ..FieldKnowledge::default() };
        for name in names {
            match self.read_fields(&name) {
                Ok((file, steps)) => {
                    found.files.push(file);
                    found.steps.extend(steps);
                }
                Err(problem) => found.problems.push(problem),
            }
        }
        // Lookups see what is computed, whichever file says so.
        found.steps.sort_by_key(|step| step.lookup.is_some());
        let found = Arc::new(found);
        *known = Some((seen, found.clone()));
        found
    }

    /// Whether a lookup that adds fields to events can be done; reads its table.
    pub(crate) fn check_lookup(&self, lookup: &AutoLookup) -> Result<(), QueryError> {
        let (table, _) = self.lookup(&lookup.table)?;
        let mut columns = lookup.keys.iter().chain(&lookup.output);
        columns.try_for_each(|(column, _)| table.expect_column(&lookup.table, column).map(|_| ()))
    }

    /// What gives events the fields `eventtype` and `tag`, where there are event types.
    pub(crate) fn typing(&self) -> Result<Vec<AddedFields>, QueryError> {
        if self.names(EVENT_TYPES)?.is_empty() {
            return Ok(Vec::new());
        }
        let step = |field: &str, command: Arc<dyn Command>| AddedFields {
            fields: vec![field.to_owned()],
            commands: vec![(command, Span::new(0, 0))],
            lookup: None,
        };
        Ok(vec![step("eventtype", Arc::new(Typer::known(self)?)), step("tag", Arc::new(Tags::known(self)?))])
    }

    /// What the files are now, and their names in order.
    fn seen(&self, folder: &Folder) -> (Seen, Vec<String>, Option<String>) {
        let mut names = match self.names(FORMATS) {
            Ok(names) => names,
            Err(error) => return (Seen::new(), Vec::new(), Some(error.message)),
        };
        names.sort();
        let mut problem = None;
        if names.len() > FORMAT_FILES_MAX {
            problem = Some(format!("there are {} format files; the first {FORMAT_FILES_MAX} by name are used", names.len()));
            names.truncate(FORMAT_FILES_MAX);
        }
        let paths = names.iter().filter_map(|name| folder.file(FORMATS, name).ok());
        (paths.filter_map(|path| folder.vfs.metadata(&path).ok().map(|known| (path, known))).collect(), names, problem)
    }

    fn read_fields(&self, name: &str) -> Result<(Arc<FormatFile>, Vec<AddedFields>), String> {
        let left_out = |what: String| format!("the format file formats/{name}.toml is not used: {what}");
        let bytes = self.read(FORMATS, name, KNOWLEDGE_FILE_BYTES_MAX).map_err(|error| left_out(error.message))?;
        let text = String::from_utf8(bytes.unwrap_or_default()).map_err(|error| left_out(error.to_string()))?;
        let file = FormatFile::read(name, &text).map_err(|faults| {
            let first = faults.first().map(Fault::to_string).unwrap_or_default();
            left_out(if faults.len() > 1 {
                format!("{first} (and {} more; `taffrail formats check` names all)", faults.len() - 1)
            } else {
                first
            })
        })?;
        let steps = steps_of(&file).map_err(|fault| left_out(fault.to_string()))?;
        Ok((file, steps))
    }
}

/// What a file adds to events.
fn steps_of(file: &FormatFile) -> Result<Vec<AddedFields>, Fault> {
    let scope = scope_of(file);
    let mut steps = Vec::new();
    for calculated in &file.calculated {
        let fault = |message: String| Fault { line: calculated.line, message };
        if calculated.field.is_empty() || calculated.field.starts_with('_') || calculated.field.contains('*') {
            return Err(fault(format!("{:?} cannot be computed; name a field that does not begin with `_`", calculated.field)));
        }
        check(&calculated.expression).map_err(|error| fault(format!("the expression of {}: {}", calculated.field, error.message)))?;
        let field = quoted(&calculated.field, '\'');
        let text = match &scope {
            Some(scope) => format!("eval {field}=if({scope}, ({}), {field})", calculated.expression),
            None => format!("eval {field}=({})", calculated.expression),
        };
        steps.push(AddedFields { fields: vec![calculated.field.clone()], commands: commands(&text).map_err(fault)?, lookup: None });
    }
    for lookup in &file.lookups {
        let fault = |message: String| Fault { line: lookup.line, message };
        let name = |name: &str| quoted(name, '\'');
        let mut text = String::new();
        // Outside of its scope there is nothing to look up.
        let key = |field: &str| if scope.is_some() { format!("_key.{field}") } else { field.to_owned() };
        if let Some(scope) = &scope {
            for (_, field) in &lookup.keys {
                let _ = write!(text, "eval {}=if({scope}, {}, null()) | ", name(&key(field)), name(field));
            }
        }
        let _ = write!(text, "lookup {}", quoted(&lookup.table, '"'));
        for (column, field) in &lookup.keys {
            let _ = write!(text, " {} AS {}", name(column), name(&key(field)));
        }
        text.push_str(if lookup.overwrite { " OUTPUT" } else { " OUTPUTNEW" });
        for (column, field) in &lookup.output {
            let _ = write!(text, " {} AS {}", name(column), name(field));
        }
        if scope.is_some() {
            let keys: Vec<String> = lookup.keys.iter().map(|(_, field)| name(&key(field))).collect();
            let _ = write!(text, " | fields - {}", keys.join(" "));
        }
        let fields = lookup.output.iter().map(|(_, field)| field.clone()).collect();
        steps.push(AddedFields { fields, commands: commands(&text).map_err(fault)?, lookup: Some(lookup.clone()) });
    }
    Ok(steps)
}

/// Whether an expression can be computed, whatever fields there are.
fn check(expression: &str) -> Result<(), QueryError> {
    let parsed = Expr::parse(expression)?;
    // Whether a lookup is there is seen when a search needs it.
    if expression.contains("lookup") {
        return Ok(());
    }
    let context = EvalContext::new(Timestamp(0), TimeZone::UTC);
    parsed.compile_assignment("x", &Arc::new(Schema::empty()), &context).map(|_| ())
}

/// Commands with their places.
type Commands = Vec<(Arc<dyn Command>, Span)>;

fn commands(text: &str) -> Result<Commands, String> {
    Subsearch::commands(text).map(|query| query.commands).map_err(|error| error.message)
}

/// The events that a file is for, as an expression; `None`: all.
fn scope_of(file: &FormatFile) -> Option<String> {
    let parts = [("sourcetype", &file.sourcetypes), ("host", &file.hosts), ("source", &file.sources), ("app", &file.apps)];
    let one = |field: &str, wanted: &str| {
        if wanted.contains('*') {
            let parts: Vec<String> = wanted.split('*').map(regex::escape).collect();
            format!("match({field}, {})", quoted(&format!("^{}$", parts.join(".*")), '"'))
        } else {
            format!("{field}=={}", quoted(wanted, '"'))
        }
    };
    let any = |(field, wanted): &(&str, &Vec<String>)| {
        let each: Vec<String> = wanted.iter().map(|wanted| one(field, wanted)).collect();
        (!each.is_empty()).then(|| format!("({})", each.join(" OR ")))
    };
    let all: Vec<String> = parts.iter().filter_map(any).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}
