//! Lookups: a table from a CSV file, and the options by which rows are found in it.

use crate::language::QueryError;
use crate::language::suggest::nearest;
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatchOptions;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::Metadata;
use taffrail_base::limits::LOOKUPS_KEPT_BYTES_MAX;

/// A table of text; empty cells are missing values.
#[derive(Clone, Debug, PartialEq)]
pub struct Table(RecordBatch);

impl Table {
    /// Reads CSV with a header.
    pub fn parse(bytes: &[u8]) -> Result<Self, csv::Error> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut reader = csv::Reader::from_reader(bytes);
        let names: Vec<String> = reader.headers()?.iter().map(|name| name.trim().to_owned()).collect();
        let mut columns: Vec<StringBuilder> = names.iter().map(|_| StringBuilder::new()).collect();
        let mut record = csv::StringRecord::new();
        let mut rows = 0;
        while reader.read_record(&mut record)? {
            for (column, cell) in columns.iter_mut().zip(&record) {
                column.append_option(Some(cell).filter(|cell| !cell.is_empty()));
            }
            rows += 1;
        }
        let fields: Vec<Field> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        let columns: Vec<ArrayRef> = columns.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options);
        batch.map(Self).map_err(|error| csv::Error::from(std::io::Error::other(error)))
    }

    /// The table as rows of a pipeline.
    pub fn batch(&self) -> &RecordBatch {
        &self.0
    }

    /// Some of its rows.
    #[must_use]
    pub fn part(&self, start: usize, count: usize) -> Self {
        let start = start.min(self.rows());
        Self(self.0.slice(start, count.min(self.rows() - start)))
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// The names of its columns.
    pub fn names(&self) -> Vec<String> {
        self.0.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// A column.
    pub fn column(&self, name: &str) -> Option<&StringArray> {
        self.0.column_by_name(name)?.as_any().downcast_ref()
    }

    /// A column, or an error with the names of those that are near.
    pub fn expect_column(&self, lookup: &str, name: &str) -> Result<&StringArray, QueryError> {
        self.column(name).ok_or_else(|| {
            let names = self.names();
            let error = QueryError::new(format!("the lookup {lookup} has no column {name:?}"));
            let error = error.with_suggestions(nearest(name, names.iter().map(String::as_str)));
            if error.hint.is_some() { error } else { error.with_hint(format!("it has {}", names.join(", "))) }
        })
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.0.columns().iter().map(|column| column.get_array_memory_size()).sum()
    }
}

/// Tables that were read last, as long as their files stay as they were.
#[derive(Default)]
pub(super) struct Tables(Vec<(PathBuf, Metadata, Table)>);

impl Tables {
    /// The table of a file that is as it was.
    pub(super) fn get(&mut self, path: &Path, known: &Metadata) -> Option<Table> {
        let at = self.0.iter().position(|(kept, before, _)| kept == path && before == known)?;
        // Those that were used last stand last.
        let found = self.0.remove(at);
        let table = found.2.clone();
        self.0.push(found);
        Some(table)
    }

    /// Keeps a table, and lets go of those that were not used for longest where there are too many bytes.
    pub(super) fn keep(&mut self, path: PathBuf, known: Metadata, table: Table) {
        self.forget(&path);
        self.0.push((path, known, table));
        while self.0.iter().map(|(_, _, table)| table.bytes()).sum::<usize>() > LOOKUPS_KEPT_BYTES_MAX {
            self.0.remove(0);
        }
    }

    /// The file is about to change.
    pub(super) fn forget(&mut self, path: &Path) {
        self.0.retain(|(kept, _, _)| kept != path);
    }
}

/// How rows of a lookup are found.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LookupOptions {
    /// The file, where it does not have the name of the lookup.
    pub file: Option<String>,
    /// At most so many rows are used for one; 1000, or 1 for a lookup by time.
    pub max_matches: Option<usize>,
    /// With fewer rows than this, `default_match` fills up.
    pub min_matches: usize,
    /// The value that fills up.
    pub default_match: String,
    /// Whether case counts.
    pub case_sensitive_match: bool,
    /// `WILDCARD(column)`, `CIDR(column)`.
    pub match_type: Vec<String>,
    /// The column with the time from which on a row holds.
    pub time_field: Option<String>,
    /// How that time is written, by the letters of `strptime`; epoch seconds where it is not said.
    pub time_format: Option<String>,
    /// A row holds for at most so many seconds.
    pub max_offset_secs: Option<f64>,
    /// A row holds only after so many seconds.
    pub min_offset_secs: f64,
    /// For people.
    pub description: String,
}

impl Default for LookupOptions {
    fn default() -> Self {
        Self {
            file: None,
            max_matches: None,
            min_matches: 0,
            default_match: String::new(),
            case_sensitive_match: true,
            match_type: Vec::new(),
            time_field: None,
            time_format: None,
            max_offset_secs: None,
            min_offset_secs: 0.0,
            description: String::new(),
        }
    }
}

/// How a column's values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchType {
    /// They are equal.
    Exact,
    /// The table's value has `*`.
    Wildcard,
    /// The table's value is a network.
    Cidr,
}

impl LookupOptions {
    /// At most so many rows are used for one.
    pub fn most(&self) -> usize {
        self.max_matches.unwrap_or(if self.time_field.is_some() { 1 } else { 1_000 }).max(1)
    }

    /// How a column's values are compared.
    pub fn match_type(&self, column: &str) -> MatchType {
        let types = self.match_type.iter().filter_map(|text| parse_match_type(text));
        types.filter(|(_, name)| *name == column).map(|(kind, _)| kind).next().unwrap_or(MatchType::Exact)
    }

    /// Fails where the options do not fit the table.
    pub(super) fn check(&self, lookup: &str, table: &Table) -> Result<(), QueryError> {
        for text in &self.match_type {
            let Some((_, column)) = parse_match_type(text) else {
                return Err(QueryError::new(format!("the lookup {lookup} has the match type {text:?}, which is not known"))
                    .with_hint("write WILDCARD(column) or CIDR(column)"));
            };
            table.expect_column(lookup, column)?;
        }
        match &self.time_field {
            Some(column) => table.expect_column(lookup, column).map(|_| ()),
            None => Ok(()),
        }
    }
}

fn parse_match_type(text: &str) -> Option<(MatchType, &str)> {
    let (kind, rest) = text.trim().split_once('(')?;
    let column = rest.strip_suffix(')')?.trim();
    let kind = match kind.trim().to_ascii_uppercase().as_str() {
        "WILDCARD" => MatchType::Wildcard,
        "CIDR" => MatchType::Cidr,
        "EXACT" => MatchType::Exact,
        _ => return None,
    };
    Some((kind, column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_base::vfs::FileIdentity;

    #[test]
    fn tables_are_kept_as_long_as_their_files_stay() {
        let known = |modified_nanos: i64| Metadata {
            len: 3,
            is_dir: false,
            is_file: true,
            identity: FileIdentity { device: 1, inode: 1, born_nanos: 0 },
            modified_nanos,
        };
        let table = Table::parse(b"a\n1\n").unwrap();
        let mut tables = Tables::default();
        let path = Path::new("/a.csv");
        assert_eq!(tables.get(path, &known(1)), None);
        tables.keep(path.into(), known(1), table.clone());
        assert_eq!(tables.get(path, &known(1)), Some(table.clone()));
        assert_eq!(tables.get(path, &known(2)), None);
        tables.forget(path);
        assert_eq!(tables.get(path, &known(1)), None);
        // What alone is too large is not kept, and takes the others with it.
        let wide = Table::parse(format!("a\n{}\n", "x".repeat(LOOKUPS_KEPT_BYTES_MAX)).as_bytes()).unwrap();
        tables.keep(path.into(), known(1), table);
        tables.keep("/b.csv".into(), known(1), wide);
        assert!(tables.0.is_empty());
    }
}
