//! Whatever bytes go in can be had back from each form.

use super::*;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{BinaryArray, Int64Array, StringArray, TimestampNanosecondArray};
use arrow::datatypes::{Field, Schema};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::sync::Arc;

fn batch(events: &[&[u8]], from: i64) -> RecordBatch {
    let count = events.len();
    let text = |text: &str| Arc::new(StringArray::from(vec![text; count])) as ArrayRef;
    let time = |at: i64| {
        let times = (0..count as i64).map(|row| at + from + row);
        Arc::new(TimestampNanosecondArray::from_iter_values(times).with_timezone("UTC")) as ArrayRef
    };
    let problems = (0..count).map(|row| (row % 3 == 1).then_some("no_time,not_utf8"));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_time", time(1_700_000_000_123_456_789)),
        ("_indextime", time(-5)),
        ("index", text("main")),
        ("host", text("b\u{fc}ro")),
        ("source", text("/a \"b\"")),
        ("sourcetype", text("x")),
        ("_sequence", Arc::new(Int64Array::from_iter_values((0..count as i64).map(|row| from + row)))),
        ("_problems", Arc::new(problems.collect::<StringArray>())),
        ("_raw_bytes", Arc::new(BinaryArray::from_iter_values(events))),
        ("user", Arc::new((0..count).map(|row| (row % 2 == 0).then(|| format!("u{row}"))).collect::<StringArray>())),
    ];
    let fields: Vec<Field> = columns.iter().map(|(name, values)| Field::new(*name, values.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, values)| values).collect()).expect("fits")
}

const EVENTS: [&[u8]; 6] = [b"plain", b"", b"two\nlines", b"a\0b", b"\xff\xfe no text", "Stra\u{df}e \u{1f600}".as_bytes()];

fn encoded(format: Format, delimiter: Delimiter, fields: &[String]) -> (Vec<u8>, Counts) {
    let mut encoder = encoder(format, delimiter, fields).expect("is made");
    let mut out = encoder.batch(&batch(&EVENTS[..4], 0)).expect("is encoded");
    out.extend(encoder.batch(&batch(&EVENTS[4..], 4)).expect("is encoded"));
    out.extend(encoder.finish().expect("ends"));
    (out, encoder.counts())
}

#[test]
fn raw_events_come_back() {
    let bytes: usize = EVENTS.iter().map(|event| event.len()).sum();
    let (out, counts) = encoded(Format::Raw, Delimiter::Length, &[]);
    let (mut rest, mut back) = (&out[..], Vec::new());
    while let Some((len, behind)) = rest.split_first_chunk::<4>() {
        let (event, behind) = behind.split_at(u32::from_le_bytes(*len) as usize);
        back.push(event);
        rest = behind;
    }
    assert_eq!(back, EVENTS);
    assert_eq!(counts, Counts { events: 6, bytes: bytes as u64, ambiguous: 0 });
    let (out, counts) = encoded(Format::Raw, Delimiter::Lf, &[]);
    assert_eq!(out, EVENTS.map(|event| [event, b"\n"].concat()).concat());
    assert_eq!(counts.ambiguous, 1);
    let (out, counts) = encoded(Format::Raw, Delimiter::Nul, &[]);
    assert_eq!(out, EVENTS.map(|event| [event, b"\0"].concat()).concat());
    assert_eq!(counts.ambiguous, 1);
}

#[test]
fn json_lines_lose_nothing() {
    let fields = ["user".to_owned(), "host".to_owned(), "user".to_owned()];
    let (out, counts) = encoded(Format::Jsonl, Delimiter::Lf, &fields);
    let lines: Vec<serde_json::Value> =
        String::from_utf8(out).expect("is text").lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    assert_eq!((lines.len() as u64, counts.events), (6, 6));
    for (line, event) in lines.iter().zip(EVENTS) {
        let raw = match &line["_raw"] {
            serde_json::Value::String(text) => text.clone().into_bytes(),
            _ => BASE64.decode(line["_raw_base64"].as_str().expect("either")).expect("is base64"),
        };
        assert_eq!(raw, event);
        assert_eq!(line["host"], "b\u{fc}ro");
    }
    assert_eq!(lines[0]["_time"], "2023-11-14T22:13:20.123456789Z");
    assert_eq!(lines[1]["_problems"], serde_json::json!(["no_time", "not_utf8"]));
    assert!(lines[0].get("_problems").is_none() && lines[1].get("user").is_none());
    assert_eq!(lines[0]["user"], "u0");
}

#[test]
fn parquet_files_hold_the_same() {
    let (out, counts) = encoded(Format::Parquet, Delimiter::Lf, &["user".to_owned()]);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(out)).expect("is Parquet").build().expect("reads");
    let mut back: Vec<Vec<u8>> = Vec::new();
    for batch in reader {
        let batch = batch.expect("is whole");
        let (text, bytes) = (texts(&batch, "_raw").expect("there"), raws(&batch).expect("there"));
        for row in 0..batch.num_rows() {
            assert_eq!(text.is_null(row), bytes.is_valid(row));
            back.push(if text.is_valid(row) { text.value(row).as_bytes().to_vec() } else { bytes.value(row).to_vec() });
        }
        let nanos = column(&batch, "_time_nanos", &DataType::Int64).expect("there");
        assert_eq!(nanos.as_primitive::<Int64Type>().value(0), 1_700_000_000_123_456_789);
        assert_eq!(times(&batch, "_time").expect("there").value(0), 1_700_000_000_123_456_000);
        assert_eq!(texts(&batch, "user").expect("there").value(0), "u0");
    }
    assert_eq!(back, EVENTS);
    assert_eq!(counts.events, 6);
}

#[test]
fn frames_come_back_however_they_are_cut() {
    let long = vec![7u8; (1 << 20) + 5];
    let counts = Counts { events: 3, bytes: 9, ambiguous: 1 };
    let mut sent = frame(Piece::Bytes(b"abc".to_vec()));
    sent.extend(frame(Piece::Bytes(long.clone())));
    sent.extend(frame(Piece::End(counts)));
    for step in [1 << 22, 1_000, 7] {
        let (mut frames, mut bytes, mut ended) = (Frames::default(), Vec::new(), None);
        for part in sent.chunks(step) {
            for piece in frames.push(part) {
                match piece {
                    Piece::Bytes(more) => bytes.extend(more),
                    Piece::End(counts) => ended = Some(counts),
                }
            }
        }
        assert_eq!(bytes, [b"abc", &long[..]].concat());
        assert_eq!(ended, Some(counts));
    }
}
