//! Fields by their names in other vocabularies, on events and on patterns.

use super::packs::{chosen, under_test};
use super::*;
use crate::fields::views::{Meaning, views};

/// What a name says of an event, by the list of the event's fields.
fn told(fields: &[(String, String)], name: &str) -> Option<String> {
    let value = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    if let Some(own) = value(name) {
        return Some(own);
    }
    let tag = value("tag");
    let parts = views().iter().find_map(|view| view.names.get(name)).expect("a name of a view");
    let is_for = |types: &[String]| types.is_empty() || tag.as_ref().is_some_and(|tag| types.contains(tag));
    match &parts.iter().find(|part| is_for(&part.types))?.meaning {
        Meaning::Value(constant) => Some(constant.to_string()),
        Meaning::Field(of, change) => value(of).and_then(|value| change.apply(&value)),
    }
}

fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = views().iter().flat_map(|view| view.names.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Names in one event, by its pattern and by itself.
fn check_event(formats: &Formats, sourcetype: &str, line: &str, number: usize) -> Vec<String> {
    let (pattern, values) = pattern_of(line.as_bytes(), chosen(line, 0));
    let (pattern, values) = (&pattern, &values[..]);
    let fields = formats.fields_of_event(sourcetype, line.as_bytes());
    let mut faults = Vec::new();
    // A sixth of the names in each event: every one is looked up in three ways.
    for name in names().into_iter().skip(number % 6).step_by(6) {
        let want = told(&fields, name);
        let held = held_by(pattern, &[values]);
        let plans = [
            formats.resolve(sourcetype, pattern, &[], name),
            formats.resolve(sourcetype, pattern, &held, name),
            formats.resolve(sourcetype, &Pattern::raw(), &[], name),
        ];
        for plan in &plans {
            let found = evaluate(plan, values, line.as_bytes());
            if found != want {
                faults.push(format!("{name}: {found:?}, not {want:?}, by {plan:?} of {line:?}"));
            }
        }
    }
    faults
}

#[test]
fn patterns_of_the_samples_say_by_other_names_what_the_events_say() {
    let (files, formats) = under_test();
    let (mut faults, mut number) = (Vec::new(), 0);
    for (_, file) in &files {
        for sample in file.sample.iter().step_by(25) {
            let sample = sample.get_ref();
            let named = file.sourcetypes.first().map(|name| name.replace('*', "x"));
            let sourcetype = sample.sourcetype.clone().or(named).unwrap_or_else(|| "syslog".to_owned());
            number += 1;
            faults.extend(check_event(&formats, &sourcetype, &sample.line, number));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults[..faults.len().min(20)].join("\n"));
}

const SSHD: &str = "Nov 21 19:36:41 vm sshd[2998]: Failed password for alice from 10.1.2.3 port 49051 ssh2";

#[test]
fn a_login_by_other_names_is_decided_once() {
    let constant = ["sshd", "Failed", "password", "for", "from", "port", "ssh2"];
    for (name, want) in [
        ("event.outcome", "constant"),
        ("event.category", "constant"),
        ("status_id", "constant"),
        ("class_uid", "constant"),
        ("user.name", "pieces"),
        ("source.port", "pieces"),
        ("source.ip", "computed"),
        ("src_ip", "computed"),
        ("http.request.method", "absent"),
        ("auth_protocol", "constant"),
        ("user.target.name", "absent"),
    ] {
        assert_eq!(kind("syslog", SSHD, &constant, name), want, "{name}");
    }
}

fn by_name(formats: &Formats, sourcetype: &str, line: &str, name: &str) -> Option<String> {
    evaluate(&formats.resolve(sourcetype, &Pattern::raw(), &[], name), &[line.as_bytes().to_vec()], line.as_bytes())
}

#[test]
fn what_an_event_has_itself_goes_first() {
    let formats = Formats::new();
    let native = r#"{"user":"bob","source":{"ip":"10.9.9.9"},"src":"10.1.1.1","event":{"outcome":"unknown"}}"#;
    assert_eq!(by_name(&formats, "json", native, "source.ip").as_deref(), Some("10.9.9.9"));
    assert_eq!(by_name(&formats, "json", native, "event.outcome").as_deref(), Some("unknown"));
    assert_eq!(by_name(&formats, "json", native, "user.name").as_deref(), Some("bob"));
    // The addresses are told apart from names.
    for (src, ip, domain) in
        [("10.1.1.1", Some("10.1.1.1"), None), ("::1", Some("::1"), None), ("gw.example.org", None, Some("gw.example.org"))]
    {
        let line = format!("src={src}");
        assert_eq!(by_name(&formats, "text", &line, "source.ip").as_deref(), ip);
        assert_eq!(by_name(&formats, "text", &line, "src_endpoint.hostname").as_deref(), domain);
        assert_eq!(by_name(&formats, "text", &line, "source.address").as_deref(), Some(src));
    }
    // No list of fields has them.
    assert!(formats.fields_of_event("syslog", SSHD.as_bytes()).iter().all(|(name, _)| name != "user.name"));
    // An alias of a file of one's own goes before them, and they follow what it says of the model's fields.
    let file = FormatFile::read("own", "summary='x'\nsourcetypes=['shop']\n[alias]\nuser='customer'\n'source.ip'='from'\n").expect("good");
    let own = Formats::new().with([file]);
    let line = "customer=eve from=10.2.2.2 src=10.3.3.3";
    assert_eq!(by_name(&own, "shop", line, "user.name").as_deref(), Some("eve"));
    assert_eq!(by_name(&own, "shop", line, "source.ip").as_deref(), Some("10.2.2.2"));
    assert_eq!(by_name(&own, "shop", line, "src_ip").as_deref(), Some("10.3.3.3"));
    let (pattern, values) = pattern_of(line.as_bytes(), |_| true);
    for (name, want) in [("user.name", "eve"), ("source.ip", "10.2.2.2"), ("src_ip", "10.3.3.3")] {
        assert_eq!(evaluate(&own.resolve("shop", &pattern, &[], name), &values, line.as_bytes()).as_deref(), Some(want));
    }
}

/// What one event decides with its values as samples holds for those that pass the guards.
#[test]
fn samples_decide_other_names_too() {
    let line = |id: &str, user: &str| {
        format!(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-Auditing'/>\
             <EventID>{id}</EventID><Channel>Security</Channel></System><EventData><Data Name='TargetUserName'>{user}</Data>\
             <Data Name='IpAddress'>10.0.0.1</Data></EventData></Event>"
        )
    };
    let formats = Formats::new();
    let first = line("4625", "bob");
    let varies = ["4625", "bob", "10.0.0.1"];
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(first.as_bytes(), &mut tokens, &mut shape, 1000));
    let (pattern, values) = pattern_of(first.as_bytes(), |n| {
        let token = String::from_utf8_lossy(tokens[n].of(first.as_bytes())).into_owned();
        varies.iter().any(|text| token.contains(text))
    });
    let held = Others::of(&pattern, &values).held;
    for (name, want) in [("event.outcome", "failure"), ("user.name", "bob"), ("source.ip", "10.0.0.1"), ("class_uid", "3002")] {
        let Guarded { plan, .. } = formats.guarded("XmlWinEventLog", &pattern, &held, name).unwrap_or_else(|| panic!("{name} is decided"));
        assert_eq!(evaluate(&plan, &values, first.as_bytes()).as_deref(), Some(want), "{name} by {plan:?}");
    }
}
