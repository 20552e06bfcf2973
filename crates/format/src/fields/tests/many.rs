//! Thousands of formats: only the rules that may match are tried.

use super::*;

/// A file of a vendor that nobody has heard of.
fn vendor(number: usize) -> Arc<FormatFile> {
    let apps = if number.is_multiple_of(3) { format!("apps = ['daemon{number}']\n") } else { String::new() };
    let text = format!(
        "summary = 'vendor {number}'\n{apps}\
         [[rule]]\nmatch = 'vendor{number} login of {{user}} from {{src}}'\ntype = 'authentication'\nset = {{ action = 'success' }}\n\
         [[rule]]\nregex = 'unit{number} refused (?<user>\\S+) at (?<src>\\S+)'\ntype = 'authentication'\nset = {{ action = 'failure' }}\n"
    );
    FormatFile::read(&format!("vendor{number}"), &text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn tried(formats: &Formats, line: &str, slot: impl Fn(&str) -> bool) -> usize {
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(line.as_bytes(), &mut tokens, &mut shape, 1_000));
    let (pattern, _) = pattern_of(line.as_bytes(), |number| slot(&String::from_utf8_lossy(tokens[number].of(line.as_bytes()))));
    let laid = Laid::new(&pattern, &[]);
    let message = crate::syslog::read(&laid);
    let of = Subject { sourcetype: "syslog", app: message.app, message: message.message };
    let candidates = formats.own.by_text(&laid, of);
    let files = formats.own.files_of(&candidates, &laid, of);
    files.iter().map(|file| formats.own.rules_of(*file, &candidates)).sum()
}

#[test]
fn of_six_thousand_formats_only_those_are_tried_that_may_match() {
    let formats = Formats::new().with((0..6_000).map(vendor));
    let variable = |word: &str| ["alice", "10.0.0.9"].contains(&word);
    let line = "Nov 21 19:36:41 vm daemon4[77]: vendor4 login of alice from 10.0.0.9";
    assert_eq!(tried(&formats, line, variable), 1);
    assert_eq!(kind_with(&formats, line, variable, "user"), "pieces");
    let line = "Nov 21 19:36:41 vm other[77]: on Monday unit17 refused alice at 10.0.0.9";
    assert_eq!(tried(&formats, line, variable), 1);
    let found = formats.fields_of_event("syslog", line.as_bytes());
    assert!(found.contains(&("user".to_owned(), "alice".to_owned())), "{found:?}");
    let line = "Nov 21 19:36:41 vm other[77]: nothing that anyone knows";
    assert_eq!(tried(&formats, line, |_| false), 0);
    // What stands in slots may be what a rule begins with; but not what is of another program.
    assert_eq!(tried(&formats, "Nov 21 19:36:41 vm daemon3[77]: vendor3 login of alice from 10.0.0.9", |word| word == "vendor3"), 4_001);
}

/// The plan's kind by these formats.
fn kind_with(formats: &Formats, line: &str, slot: impl Fn(&str) -> bool, field: &str) -> &'static str {
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(line.as_bytes(), &mut tokens, &mut shape, 1_000));
    let (pattern, _) = pattern_of(line.as_bytes(), |number| slot(&String::from_utf8_lossy(tokens[number].of(line.as_bytes()))));
    match formats.resolve("syslog", &pattern, &[], field) {
        FieldPlan::Pieces(_) => "pieces",
        FieldPlan::PerEvent(..) => "per event",
        _ => "other",
    }
}
