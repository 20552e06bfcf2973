//! Fields with several values.

use super::super::column::{self, Operand, Type};
use super::super::compile::{Frame, Node, Scope, compile, condition};
use super::super::expr::Expr;
use super::super::number::format_number;
use super::text::RegexSource;
use super::{ANY, Call, Function};
use crate::language::time::TimeSpan;
use crate::language::{QueryError, lexer};
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::borrow::Cow;
use std::sync::Arc;
use taffrail_base::limits::MULTIVALUE_VALUES_MAX;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "mvcount",
        syntax: "mvcount(values)",
        summary: "The number of values; null when there is none.",
        arity: (1, 1),
        build: |call| {
            Ok(Node::numbers(call.args()?, |values, row| {
                Some(values[0].many(row).len()).filter(|count| *count > 0).map(|count| count as f64)
            }))
        },
    },
    Function {
        name: "commands",
        syntax: "commands(search)",
        summary: "The names of the commands of a search, in order.",
        arity: (1, 1),
        build: |call| Ok(Node::lists(call.args()?, |values, row| command_names(&values[0].text(row)?))),
    },
    Function {
        name: "mvappend",
        syntax: "mvappend(value, ...)",
        summary: "All values together.",
        arity: (1, ANY),
        build: |call| Ok(Node::lists(call.args()?, |values, row| Some(values.iter().flat_map(|value| owned(value.many(row))).collect()))),
    },
    Function {
        name: "mvdedup",
        syntax: "mvdedup(values)",
        summary: "The values, each once, in order.",
        arity: (1, 1),
        build: |call| changed(call, dedup),
    },
    Function {
        name: "mvsort",
        syntax: "mvsort(values)",
        summary: "The values in the order of their characters.",
        arity: (1, 1),
        build: |call| {
            changed(call, |mut values| {
                values.sort();
                values
            })
        },
    },
    Function {
        name: "mvreverse",
        syntax: "mvreverse(values)",
        summary: "The values, last first.",
        arity: (1, 1),
        build: |call| {
            changed(call, |mut values| {
                values.reverse();
                values
            })
        },
    },
    Function {
        name: "mvindex",
        syntax: "mvindex(values, start, end)",
        summary: "The value at a place, or those from start to end; 0 is the first, -1 the last.",
        arity: (2, 3),
        build: mvindex,
    },
    Function {
        name: "mvjoin",
        syntax: "mvjoin(values, \"delimiter\")",
        summary: "The values as one text.",
        arity: (2, 2),
        build: |call| {
            Ok(Node::texts(call.args()?, |values, row| {
                let many = values[0].many(row);
                let delimiter = values[1].text(row)?;
                (!many.is_empty()).then(|| many.join(&*delimiter))
            }))
        },
    },
    Function {
        name: "mvfind",
        syntax: "mvfind(values, \"regex\")",
        summary: "The place of the first value that matches, counted from 0.",
        arity: (2, 2),
        build: |call| {
            let regex = RegexSource::of(call, 1)?;
            Ok(Node::numbers(call.args()?, move |values, row| {
                let many = values[0].many(row);
                regex.with(&values[1], row, |regex| many.iter().position(|value| regex.is_match(value)))?.map(|at| at as f64)
            }))
        },
    },
    Function {
        name: "mvrange",
        syntax: "mvrange(start, end, step)",
        summary: "The numbers from start up to but not end; the step may be a time such as 1h.",
        arity: (2, 3),
        build: mvrange,
    },
    Function {
        name: "mvzip",
        syntax: "mvzip(a, b, \"delimiter\")",
        summary: "The values of both, pair by pair; a comma between unless given.",
        arity: (2, 3),
        build: mvzip,
    },
    Function {
        name: "split",
        syntax: "split(text, \"delimiter\")",
        summary: "The parts of the text; an empty delimiter gives its characters.",
        arity: (2, 2),
        build: split,
    },
    Function {
        name: "mvfilter",
        syntax: "mvfilter(condition)",
        summary: "The values of the one field in the condition for which it is true.",
        arity: (1, 1),
        build: mvfilter,
    },
    Function {
        name: "mvmap",
        syntax: "mvmap(field, expression)",
        summary: "The expression computed for each value of the field.",
        arity: (2, 3),
        build: mvmap,
    },
];

/// The commands of a search; the search at its beginning counts, whether it is named or not.
fn command_names(text: &str) -> Option<Vec<String>> {
    let text = lexer::clean(text).ok()?;
    let parts = lexer::split(&text, 0, text.len()).ok()?;
    let part = |(number, span): (usize, &crate::language::Span)| {
        let inside = text[span.start..span.end].trim();
        let end = inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len());
        match (number, inside) {
            (_, "") => None,
            (0, _) => Some("search".to_owned()),
            _ => Some(inside[..end].to_lowercase()),
        }
    };
    Some(parts.spans.iter().enumerate().filter_map(part).collect())
}

fn owned(values: Vec<Cow<'_, str>>) -> Vec<String> {
    values.into_iter().map(Cow::into_owned).collect()
}

fn dedup(values: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::with_hasher(rustc_hash::FxBuildHasher);
    values.into_iter().filter(|value| seen.insert(value.clone())).collect()
}

fn changed(call: &Call<'_>, change: fn(Vec<String>) -> Vec<String>) -> Result<Node, QueryError> {
    Ok(Node::lists(call.args()?, move |values, row| Some(change(owned(values[0].many(row))))))
}

/// A place counted from the start, or from the end when negative.
fn place(at: f64, count: usize) -> Option<usize> {
    let at = at as i64;
    let at = if at < 0 { at + count as i64 } else { at };
    usize::try_from(at).ok().filter(|at| *at < count)
}

fn mvindex(call: &Call<'_>) -> Result<Node, QueryError> {
    if call.len() == 2 {
        return Ok(Node::texts(call.args()?, |values, row| {
            let many = values[0].many(row);
            let at = place(values[1].number(row)?, many.len())?;
            Some(many[at].clone().into_owned())
        }));
    }
    Ok(Node::lists(call.args()?, |values, row| {
        let many = owned(values[0].many(row));
        let (start, end) = (place(values[1].number(row)?, many.len())?, place(values[2].number(row)?, many.len())?);
        many.get(start..=end).map(<[String]>::to_vec)
    }))
}

fn mvrange(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::lists(call.args()?, |values, row| {
        let (start, end) = (values[0].number(row)?, values[1].number(row)?);
        let step = match values.get(2) {
            None => 1.0,
            Some(step) => step.number(row).or_else(|| TimeSpan::parse(&step.text(row)?).map(|span| span.seconds()))?,
        };
        let count = ((end - start) / step).ceil();
        if step == 0.0 || !count.is_finite() || count <= 0.0 || count > MULTIVALUE_VALUES_MAX as f64 {
            return None;
        }
        Some((0..count as usize).map(|at| format_number(start + step * at as f64)).collect())
    }))
}

fn mvzip(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::lists(call.args()?, |values, row| {
        let (left, right) = (values[0].many(row), values[1].many(row));
        let delimiter = match values.get(2) {
            Some(delimiter) => delimiter.text(row)?,
            None => Cow::Borrowed(","),
        };
        Some(left.iter().zip(&right).map(|(left, right)| format!("{left}{delimiter}{right}")).collect())
    }))
}

fn split(call: &Call<'_>) -> Result<Node, QueryError> {
    Ok(Node::lists(call.args()?, |values, row| {
        let (text, delimiter) = (values[0].text(row)?, values[1].text(row)?);
        Some(match delimiter.is_empty() {
            true => text.chars().map(String::from).collect(),
            false => text.split(&*delimiter).map(str::to_owned).collect(),
        })
    }))
}

/// An expression over the single values of one field, with the other fields of the row beside it.
struct PerValue {
    schema: SchemaRef,
    inner: Node,
}

/// For each value its row, and the values themselves.
struct Flat {
    rows: Vec<u32>,
    values: Vec<String>,
}

impl PerValue {
    fn new(call: &Call<'_>, name: &str, expr: &Expr, boolean: bool) -> Result<Self, QueryError> {
        let mut fields = vec![Field::new(name, DataType::Utf8, true)];
        for other in expr.required_fields() {
            if let Ok(field) = call.scope.schema.field_with_name(&other)
                && other != name
            {
                let ty = Type::of(field.data_type()).data_type();
                fields.push(Field::new(other, ty, true));
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let scope = Scope { schema: &schema, context: call.scope.context };
        let inner = if boolean { condition(expr, &scope)? } else { compile(expr, &scope)? };
        Ok(Self { schema, inner })
    }

    fn flatten(many: &Operand, rows: usize) -> Flat {
        let reader = many.reader();
        let mut flat = Flat { rows: Vec::new(), values: Vec::new() };
        for row in 0..rows {
            for value in reader.many(row) {
                flat.rows.push(u32::try_from(row).unwrap_or(u32::MAX));
                flat.values.push(value.into_owned());
            }
        }
        flat
    }

    fn run(&self, frame: &Frame<'_>, flat: &Flat) -> Option<Operand> {
        let indices = UInt32Array::from(flat.rows.clone());
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(&flat.values))];
        for field in &self.schema.fields()[1..] {
            let column = column::normalized(frame.batch.column_by_name(field.name())?);
            columns.push(take(&column, &indices, None).ok()?);
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).ok()?;
        Some((self.inner.run)(&Frame { batch: &batch }))
    }
}

/// The lists per row from one optional value per flat value.
fn regroup(flat: &Flat, rows: usize, value: impl Fn(usize) -> Option<String>) -> Operand {
    let mut groups: Vec<Vec<String>> = vec![Vec::new(); rows];
    for (at, row) in flat.rows.iter().enumerate() {
        groups[*row as usize].extend(value(at));
    }
    Operand::rows(column::lists(rows, |row| Some(std::mem::take(&mut groups[row]))))
}

fn mvfilter(call: &Call<'_>) -> Result<Node, QueryError> {
    let fields = call.exprs[0].required_fields();
    let [name] = fields.as_slice() else {
        return Err(call.error(0, "the condition of mvfilter must name exactly one field"));
    };
    let many = compile(&Expr::new(super::super::ExprKind::Field(name.clone()), call.span), call.scope)?;
    let per_value = PerValue::new(call, name, &call.exprs[0], true)?;
    Ok(Node::new(Type::List, move |frame| {
        let rows = frame.batch.num_rows();
        let flat = PerValue::flatten(&(many.run)(frame), rows);
        let passed = per_value.run(frame, &flat);
        let reader = passed.as_ref().map(Operand::reader);
        regroup(&flat, rows, |at| reader.as_ref()?.boolean(at)?.then(|| flat.values[at].clone()))
    }))
}

fn mvmap(call: &Call<'_>) -> Result<Node, QueryError> {
    let named = call.exprs.get(2).and_then(|expr| expr.as_text().or_else(|| expr.as_field()));
    let own = call.exprs[0].required_fields();
    let name = match (named, own.as_slice()) {
        (Some(name), _) => name.to_owned(),
        (None, [name]) => name.clone(),
        _ => return Err(call.error(0, "mvmap needs one field to go through")),
    };
    let many = call.arg(0)?;
    let per_value = PerValue::new(call, &name, &call.exprs[1], false)?;
    Ok(Node::new(Type::List, move |frame| {
        let rows = frame.batch.num_rows();
        let flat = PerValue::flatten(&(many.run)(frame), rows);
        let results = per_value.run(frame, &flat);
        let reader = results.as_ref().map(Operand::reader);
        regroup(&flat, rows, |at| reader.as_ref()?.text(at).map(Cow::into_owned))
    }))
}
