//! Each form, on the same few rows.

use super::*;
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(form: Form, style: Style, kind: ResultKind, fields: &[(&str, &str)], rows: &[serde_json::Value]) -> String {
    let out = Shared::default();
    let mut writer = writer(form, style, Box::new(out.clone()));
    let fields: Vec<Field> = fields.iter().map(|(name, kind)| Field { name: (*name).into(), kind: (*kind).into() }).collect();
    let rows: Vec<Row> = rows.iter().map(|r| r.as_object().expect("an object").clone()).collect();
    writer.start(kind, &fields).expect("starts");
    writer.rows(&rows).expect("writes");
    writer.finish().expect("finishes");
    String::from_utf8(out.0.lock().clone()).expect("is text")
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
