//! Each form, on the same few rows.

use super::*;
use ::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Float64Array, Int64Array, ListArray, StringArray, TimestampNanosecondArray};
use ::arrow::datatypes::{DataType, Field as Column, Int64Type, Schema, TimestampNanosecondType};
use ::arrow::ipc::reader::StreamReader;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;
use std::sync::Arc;

fn written(form: Form, style: Style, kind: ResultKind, fields: &[(&str, &str)], rows: &[serde_json::Value]) -> String {
    let out = Buffer::default();
    let mut writer = writer(form, style, Box::new(out.clone()));
    let fields: Vec<Field> = fields.iter().map(|(name, kind)| Field { name: (*name).into(), kind: (*kind).into() }).collect();
    let rows: Vec<Row> = rows.iter().map(|r| r.as_object().expect("an object").clone()).collect();
    writer.start(kind, &fields).expect("starts");
    writer.rows(&rows).expect("writes");
    writer.finish().expect("finishes");
    String::from_utf8(out.take().to_vec()).expect("is text")
}

const TABLE: &[(&str, &str)] = &[("user", "string"), ("count", "number")];

#[test]
fn csv_quotes_as_rfc_4180_says() {
    let rows = [json!({"user": "a,b", "count": 1}), json!({"user": "say \"hi\"\nthere"}), json!({"user": ["x", "y"], "count": 2.5})];
    assert_eq!(
        written(Form::Csv, Style::default(), ResultKind::Table, TABLE, &rows),
        "user,count\r\n\"a,b\",1\r\n\"say \"\"hi\"\"\nthere\",\r\n\"x\ny\",2.5\r\n"
    );
    assert_eq!(written(Form::Csv, Style::default(), ResultKind::Table, &[("f", "string")], &[json!({})]), "f\r\n\"\"\r\n");
}

#[test]
fn json_is_one_object_a_line() {
    let rows = [json!({"b": 1, "a": "x\ny"}), json!({})];
    assert_eq!(written(Form::Json, Style::default(), ResultKind::Table, TABLE, &rows), "{\"b\":1,\"a\":\"x\\ny\"}\n{}\n");
}

#[test]
fn tables_align_and_numbers_stand_right() {
    let rows = [json!({"user": "root", "count": 1204}), json!({"user": "bob", "count": 7})];
    assert_eq!(written(Form::Table, Style::default(), ResultKind::Table, TABLE, &rows), "user  count\nroot   1204\nbob       7\n");
}

#[test]
fn a_terminal_sees_no_escape_sequences() {
    let rows = [json!({"_time": "2026-01-01T00:00:00Z", "host": "h", "sourcetype": "s", "_raw": "x\u{1b}[2Jy"})];
    let events = [("_raw", "string")];
    let terminal = Style { terminal: true, ..Style::default() };
    assert_eq!(written(Form::Table, terminal, ResultKind::Events, &events, &rows), "2026-01-01T00:00:00Z  h  s  x␛[2Jy\n");
    assert!(written(Form::Raw, terminal, ResultKind::Events, &events, &rows).contains('\u{1b}'));
}

#[test]
fn no_cell_of_csv_is_a_formula() {
    let rows = [
        json!({"user": "=cmd|'/c calc'!A1", "count": -5}),
        json!({"user": "@x", "count": 1e+21}),
        json!({"user": "\tx"}),
        json!({"user": "\rx"}),
        json!({"user": "-1+1"}),
        json!({"user": "-12.5e3"}),
        json!({"user": "+49"}),
        json!({"user": "-"}),
        json!({"user": "-inf"}),
        json!({"user": "\u{ff1d}1"}),
        json!({"user": ["=1", "b"]}),
        json!({"user": "a=b"}),
    ];
    let table = |form| written(form, Style::default(), ResultKind::Table, TABLE, &rows);
    let defused = "user,count\r\n'=cmd|'/c calc'!A1,-5\r\n'@x,1e+21\r\n'\tx,\r\n\"'\rx\",\r\n'-1+1,\r\n-12.5e3,\r\n+49,\r\n'-,\r\n'-inf,\r\n\
                   '\u{ff1d}1,\r\n\"'=1\nb\",\r\na=b,\r\n";
    assert_eq!(table(Form::Csv), defused);
    assert!(table(Form::CsvExact).starts_with("user,count\r\n=cmd|'/c calc'!A1,-5\r\n@x,"));
    let header = written(Form::Csv, Style::default(), ResultKind::Table, &[("=1", "string")], &[]);
    assert_eq!(header, "'=1\r\n", "names come from logs too");
}

/// Batches with a column of every type, one of the machinery and one of bytes.
fn batches() -> Vec<RecordBatch> {
    let schema = Arc::new(Schema::new(vec![
        Column::new("_time", DataType::Timestamp(::arrow::datatypes::TimeUnit::Nanosecond, Some("UTC".into())), true),
        Column::new("_raw_bytes", DataType::Binary, true),
        Column::new("\u{1}hidden", DataType::Int64, true),
        Column::new("user", DataType::Utf8, true),
        Column::new("count", DataType::Int64, true),
        Column::new("mean", DataType::Float64, true),
        Column::new("tags", DataType::List(Arc::new(Column::new("item", DataType::Utf8, true))), true),
    ]));
    let batch = |from: i64| {
        let mut tags = ::arrow::array::ListBuilder::new(::arrow::array::StringBuilder::new());
        tags.append_value([Some("a"), Some("b")]);
        tags.append_null();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampNanosecondArray::from(vec![Some(1_700_000_000_123_456_789 + from), None]).with_timezone("UTC")),
            Arc::new(BinaryArray::from(vec![Some(&b"\xff\xfe"[..]), Some(b"two")])),
            Arc::new(Int64Array::from(vec![1, 2])),
            Arc::new(StringArray::from(vec![Some("=root"), None])),
            Arc::new(Int64Array::from(vec![Some(i64::MAX), None])),
            Arc::new(Float64Array::from(vec![Some(0.1), None])),
            Arc::new(tags.finish()),
        ];
        RecordBatch::try_new(schema.clone(), columns).expect("fits")
    };
    vec![batch(0), batch(1)]
}

fn bytes_of(form: Form) -> Vec<u8> {
    let out = Buffer::default();
    let mut writer = writer(form, Style::default(), Box::new(out.clone()));
    let batches = batches();
    let fields = taffrail_query::rows::fields(&batches[0].schema());
    let fields: Vec<Field> = fields.into_iter().map(|field| Field { name: field.name, kind: field.kind }).collect();
    writer.start(ResultKind::Table, &fields).and_then(|()| writer.schema(&batches[0].schema())).expect("starts");
    batches.iter().try_for_each(|batch| writer.batch(batch)).and_then(|()| writer.finish()).expect("writes");
    out.take().to_vec()
}

fn check(read: &[RecordBatch]) {
    let rows: usize = read.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 4);
    let first = &read[0];
    let names: Vec<String> = first.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["_time", "user", "count", "mean", "tags"]);
    let column = |name: &str| first.column_by_name(name).expect("is there").clone();
    assert_eq!(column("_time").as_primitive::<TimestampNanosecondType>().value(0), 1_700_000_000_123_456_789);
    assert_eq!((column("user").as_string::<i32>().value(0), column("user").is_null(1)), ("=root", true));
    assert_eq!(column("count").as_primitive::<Int64Type>().value(0), i64::MAX);
    let tags = column("tags");
    let tags = tags.as_any().downcast_ref::<ListArray>().expect("is a list");
    assert_eq!((tags.value(0).as_string::<i32>().value(1), tags.is_null(1)), ("b", true));
}

#[test]
fn arrow_reads_back() {
    let bytes = bytes_of(Form::Arrow);
    let reader = StreamReader::try_new(&bytes[..], None).expect("is Arrow");
    check(&reader.collect::<Result<Vec<_>, _>>().expect("is whole"));
}

#[test]
fn parquet_reads_back() {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes_of(Form::Parquet))).expect("is Parquet");
    check(&reader.build().expect("reads").collect::<Result<Vec<_>, _>>().expect("is whole"));
}

#[test]
fn raw_gives_the_very_bytes_where_it_has_them() {
    assert_eq!(bytes_of(Form::Raw), b"\xff\xfe\ntwo\n\xff\xfe\ntwo\n");
}
