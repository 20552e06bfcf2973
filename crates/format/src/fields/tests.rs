//! Fields: what is found in events, and that a pattern's plans give the same as the event itself.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use taffrail_pattern::{Guard, Piece, SlotKind, split};

fn fields(sourcetype: &str, line: &str) -> Vec<(String, String)> {
    Formats::new().fields_of_event(sourcetype, line.as_bytes())
}

#[track_caller]
fn check(sourcetype: &str, line: &str, want: &[(&str, &str)]) {
    let found = fields(sourcetype, line);
    let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(found, want, "{line}");
}

#[test]
fn pairs() {
    check(
        "text",
        "a=1 b=two,c=x;d=y|e=z&f=\"q r\" g='s t' h=",
        &[("a", "1"), ("b", "two"), ("c", "x"), ("d", "y"), ("e", "z"), ("f", "q r"), ("g", "s t")],
    );
    check(
        "text",
        "x (uid=0) [pid=7] {n=8} user=a(uid=1001) b=c=d",
        &[("uid", "0"), ("pid", "7"), ("n", "8"), ("user", "a(uid=1001)"), ("b", "c=d")],
    );
    check("text", "--user=bob 9a=1 $v=2 x/y=3 a==b c= =d", &[("user", "bob"), ("v", "2"), ("x_y", "3")]);
    check("text", "msg=\"say \\\"hi\\\" p=1\" q=2 \"z=3\"", &[("msg", "say \"hi\" p=1"), ("q", "2")]);
    check("text", "a=1 a=2", &[("a", "1")]);
    check("text", "t=2026-11-21 21:14:03 l=x", &[("t", "2026-11-21"), ("l", "x")]);
    check("text", "don't a=1 \"open b=2", &[("a", "1"), ("b", "2")]);
}

#[test]
fn json() {
    check(
        "json",
        r#"{"a":1,"b":{"c":"x\ny","d":[1,{"e":2}]},"n":null,"t":true,"u":"é"}"#,
        &[("a", "1"), ("b.c", "x\ny"), ("b.d{}", r#"[1,{"e":2}]"#), ("n", "null"), ("t", "true"), ("u", "é")],
    );
    check("text", r#" {"a" : "1" } "#, &[("a", "1")]);
    check("json", r#"{"a":1,"b":"#, &[("a", "1")]);
    check("json", r#"{"a":"\u00e9\ud83d\ude00\ud800"}"#, &[("a", "é😀\u{fffd}")]);
    check(
        "syslog",
        r#"<13>Nov 21 21:14:03 h app: @cee: {"a":1}"#,
        &[
            ("priority", "13"),
            ("facility", "user"),
            ("severity", "notice"),
            ("severity_id", "5"),
            ("app", "app"),
            ("message", r#"@cee: {"a":1}"#),
            ("a", "1"),
        ],
    );
}

#[test]
fn access() {
    check(
        "access_combined",
        r#"10.0.0.1 - bob [21/Nov/2026:19:31:31 +0000] "GET /a/b?x=1&y=2 HTTP/1.1" 200 103 "-" "curl/8" rt=0.5"#,
        &[
            ("clientip", "10.0.0.1"),
            ("ident", "-"),
            ("user", "bob"),
            ("request", "GET /a/b?x=1&y=2 HTTP/1.1"),
            ("method", "GET"),
            ("uri", "/a/b?x=1&y=2"),
            ("uri_path", "/a/b"),
            ("uri_query", "x=1&y=2"),
            ("version", "1.1"),
            ("status", "200"),
            ("bytes", "103"),
            ("referer", "-"),
            ("useragent", "curl/8"),
            ("rt", "0.5"),
            ("tag", "web"),
            ("action", "allowed"),
            ("src", "10.0.0.1"),
            ("url", "/a/b?x=1&y=2"),
        ],
    );
    let vhost = fields("access_common", r#"www.x.org:443 10.0.0.1 - - [21/Nov/2026:19:31:31 +0000] "\x16\x03" 400 -"#);
    assert_eq!(vhost[0], ("vhost".to_owned(), "www.x.org:443".to_owned()));
    assert_eq!(vhost[1].1, "10.0.0.1");
    assert!(!vhost.iter().any(|(name, _)| name == "method"));
}

#[test]
fn structured_data() {
    check(
        "syslog",
        r#"<165>1 2026-11-21T21:14:03Z h app 7 ID [x@1 k="v\"w" l=""] hi z=1"#,
        &[
            ("priority", "165"),
            ("facility", "local4"),
            ("severity", "notice"),
            ("severity_id", "5"),
            ("app", "app"),
            ("pid", "7"),
            ("procid", "7"),
            ("msgid", "ID"),
            ("sd.x@1.k", "v\"w"),
            ("sd.x@1.l", ""),
            ("message", "hi z=1"),
            ("z", "1"),
        ],
    );
}

/// The pattern with those tokens as slots that `chosen` says, and their values.
fn pattern_of(line: &[u8], mut chosen: impl FnMut(usize) -> bool) -> (Pattern, Vec<Vec<u8>>) {
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(line, &mut tokens, &mut shape, 100_000));
    let (mut pieces, mut values, mut at) = (Vec::new(), Vec::new(), 0);
    for (number, token) in tokens.iter().enumerate().filter(|(number, _)| chosen(*number)) {
        let _ = number;
        pieces.push(Piece::Text(line[at..token.start as usize].to_vec()));
        pieces.push(Piece::Slot(token.kind));
        values.push(token.of(line).to_vec());
        at = token.end as usize;
    }
    pieces.push(Piece::Text(line[at..].to_vec()));
    (Pattern::new(pieces), values)
}

/// What a scan would make of a plan.
fn evaluate(plan: &FieldPlan, values: &[Vec<u8>], line: &[u8]) -> Option<String> {
    let join = |pieces: &[PlanPiece]| {
        let mut bytes = Vec::new();
        for piece in pieces {
            match piece {
                PlanPiece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
                PlanPiece::Slot(slot) => bytes.extend_from_slice(&values[*slot]),
            }
        }
        bytes
    };
    match plan {
        FieldPlan::Absent => None,
        FieldPlan::Constant(value) => Some(value.to_string()),
        FieldPlan::Pieces(pieces) => Some(String::from_utf8_lossy(&join(pieces)).into_owned()),
        FieldPlan::Computed(pieces, function) => function(&join(pieces)),
        FieldPlan::PerEvent(function, signs) => {
            let found = function(line);
            let text = String::from_utf8_lossy(line);
            assert!(found.is_none() || signs.as_ref().is_none_or(|signs| signs.iter().any(|sign| text.contains(sign))), "{text}");
            found
        }
    }
}

/// Fields of the event by the event and by the pattern, compared field by field.
fn same(sourcetype: &str, line: &str, chosen: impl FnMut(usize) -> bool) -> Result<(), TestCaseError> {
    same_with(&Formats::new(), sourcetype, line, chosen)
}

fn same_with(formats: &Formats, sourcetype: &str, line: &str, chosen: impl FnMut(usize) -> bool) -> Result<(), TestCaseError> {
    let (pattern, values) = pattern_of(line.as_bytes(), chosen);
    same_pattern(formats, sourcetype, line, &pattern, &values)
}

fn same_pattern(formats: &Formats, sourcetype: &str, line: &str, pattern: &Pattern, values: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let want = same_listed(formats, sourcetype, line, pattern, values)?;
    same_guarded(formats, sourcetype, line, pattern, values)?;
    let more = ["user", "src", "action", "tag", "reason", "a", "nothing", "status", "app", "message", "who", "EventID", "first"];
    let more = more.into_iter().filter(|name| !want.iter().any(|(known, _)| known == name));
    for name in want.iter().map(|(name, _)| name.as_str()).chain(more) {
        same_field(formats, sourcetype, line, (pattern, values), name, &want)?;
    }
    Ok(())
}

/// One field, asked for by its name.
fn same_field(
    formats: &Formats,
    sourcetype: &str,
    line: &str,
    (pattern, values): (&Pattern, &[Vec<u8>]),
    name: &str,
    want: &[(String, String)],
) -> Result<(), TestCaseError> {
    let value = |of: &[(String, String)]| of.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let mut per_event = false;
    for held in [Vec::new(), held_by(pattern, &[values])] {
        let plan = formats.resolve(sourcetype, pattern, &held, name);
        let found = evaluate(&plan, values, line.as_bytes());
        prop_assert_eq!(found, value(want), "{} by {:?} of {} in {:?}, held {:?}", name, plan, pattern, line, held);
        per_event = matches!(plan, FieldPlan::PerEvent(..));
    }
    // Of names that no event has, two stand for all.
    if !per_event || !(want.iter().any(|(known, _)| known == name) || ["user", "action"].contains(&name)) {
        return Ok(());
    }
    // What this event decides holds for others that pass.
    let others = Others::of(pattern, values);
    let Some(Guarded { plan, guards }) = formats.guarded(sourcetype, pattern, &others.held, name) else { return Ok(()) };
    others.each_passing(pattern, &guards, |values, raw| {
        let want = formats.fields_of_event(sourcetype, raw);
        let found = evaluate(&plan, values, raw);
        let shown = String::from_utf8_lossy(raw).into_owned();
        prop_assert_eq!(found, value(&want), "{} by {:?} of {} in {:?} as in {:?}", name, plan, pattern, shown, line);
        Ok(())
    })
}

/// An event, and others of its pattern.
struct Others {
    all: Vec<Vec<Vec<u8>>>,
    /// What the slots of all of them hold, the first being the sample.
    held: Vec<Held>,
}

impl Others {
    fn of(pattern: &Pattern, values: &[Vec<u8>]) -> Self {
        let all: Vec<Vec<Vec<u8>>> = std::iter::once(values.to_vec()).chain((0..3).map(|number| varied(pattern, values, number))).collect();
        let mut held = held_by(pattern, &all.iter().map(Vec::as_slice).collect::<Vec<_>>());
        held.iter_mut().zip(values).for_each(|(held, value)| held.sample = Some(value.as_slice().into()));
        Self { all, held }
    }

    /// Calls `each` with values and text of those that pass; the sample must.
    fn each_passing(
        &self,
        pattern: &Pattern,
        guards: &[Guard],
        mut each: impl FnMut(&[Vec<u8>], &[u8]) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        for (number, values) in self.all.iter().enumerate() {
            let mut raw = Vec::new();
            pattern.render(|slot| &values[slot], &mut raw);
            let passes = guards.iter().all(|guard| (guard.test)(&values[guard.slot]));
            prop_assert!(passes || number > 0, "the sample itself fails: {:?}", String::from_utf8_lossy(&raw));
            if passes {
                each(values, &raw)?;
            }
        }
        Ok(())
    }
}

/// All fields of a pattern whose names hang on what its slots hold, decided with an event's values.
fn same_guarded(formats: &Formats, sourcetype: &str, line: &str, pattern: &Pattern, values: &[Vec<u8>]) -> Result<(), TestCaseError> {
    if !formats.fields_vary(sourcetype, pattern, &held_by(pattern, &[values])) {
        return Ok(());
    }
    let others = Others::of(pattern, values);
    let Some(Guarded { plan: listed, guards }) = formats.fields_guarded(sourcetype, pattern, &others.held) else { return Ok(()) };
    others.each_passing(pattern, &guards, |values, raw| {
        let want: BTreeMap<String, String> = formats.fields_of_event(sourcetype, raw).into_iter().rev().collect();
        let found = listed.iter().filter_map(|(name, plan)| Some((name.clone(), evaluate(plan, values, raw)?)));
        let found: BTreeMap<String, String> = found.collect();
        prop_assert_eq!(found, want, "of {} in {:?} as in {:?}", pattern, String::from_utf8_lossy(raw), line);
        Ok(())
    })
}

fn kinds(pattern: &Pattern) -> impl Iterator<Item = SlotKind> {
    pattern.pieces().iter().filter_map(|piece| if let Piece::Slot(kind) = piece { Some(*kind) } else { None })
}

/// What the slots of a pattern hold in these events, as segments say it.
fn held_by(pattern: &Pattern, events: &[&[Vec<u8>]]) -> Vec<Held> {
    let of = |slot: usize| events.iter().map(|values| Held::of(&values[slot])).reduce(Held::or).unwrap_or(Held::ANYTHING);
    kinds(pattern).enumerate().map(|(slot, kind)| Held { sample: None, ..of(slot).broad(kind) }).collect()
}

/// Other values of the slots of an event: words that rules look for among them.
fn varied(pattern: &Pattern, values: &[Vec<u8>], number: usize) -> Vec<Vec<u8>> {
    const WORDS: [&str; 14] =
        ["root", "x", "443", "10.0.0.1#53", "a/b", "ssh2", "-", "Failed", "user", "eth0", "sshd", "fe", "0a1b2c", "web1.example.org"];
    const QUOTED: [&str; 5] = ["", "a b", "user=x", "GET /a HTTP/1.1", "x\\\"y"];
    const TIMES: [&str; 3] = ["Nov 21 21:14:03", "2026-11-21T21:14:03.120Z", "21:14:03"];
    let seed = values.concat().iter().fold(number as u64, |seed, byte| (seed ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let each = kinds(pattern).zip(values).enumerate().map(|(slot, (kind, value))| {
        let chance = (seed.wrapping_add(slot as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize;
        let of = |all: &[&str]| all[chance / 8 % all.len()].as_bytes().to_vec();
        match kind {
            _ if chance.is_multiple_of(3) => value.clone(),
            SlotKind::Word => of(&WORDS),
            SlotKind::Quoted => of(&QUOTED),
            SlotKind::Time => of(&TIMES),
            SlotKind::Raw => value.clone(),
        }
    });
    each.collect()
}

/// All fields, as listed; gives those of the event.
fn same_listed(
    formats: &Formats,
    sourcetype: &str,
    line: &str,
    pattern: &Pattern,
    values: &[Vec<u8>],
) -> Result<Vec<(String, String)>, TestCaseError> {
    let want = formats.fields_of_event(sourcetype, line.as_bytes());
    let listed = formats.fields(sourcetype, pattern, &[]);
    for (name, plan) in &listed {
        let found = evaluate(plan, values, line.as_bytes());
        let value = want.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        prop_assert_eq!(found, value, "{} listed as {:?} of {} in {:?}", name, plan, pattern, line);
    }
    if !formats.fields_vary(sourcetype, pattern, &[]) {
        for (name, _) in &want {
            prop_assert!(listed.iter().any(|(n, _)| n == name), "{} is not listed for {} of {:?}", name, pattern, line);
        }
    }
    Ok(want)
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9._/-]{1,6}", "[a-z]{1,4}\\\\", "-", "[0-9]{1,4}", "true|null|alice|127.0.0.1|UTC|2026"]
}

fn quoted() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9 =,;:{}'-]{0,12}", "(a|\\\\\"|\\\\\\\\|=| ){0,8}"]
}

fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Nov 21 21:14:03".to_owned()),
        Just("Nov  1 21:14:03".to_owned()),
        Just("Nov 05 21:14:03".to_owned()),
        Just("2026-11-21T21:14:03.120Z".to_owned()),
        Just("2026-11-21 21:14:03,120".to_owned()),
        Just("2026-11-21T21:14:03+01:00".to_owned()),
        Just("21:14:03".to_owned()),
    ]
}

/// Text with pairs, quotes, brackets and times in any mixture.
fn loose() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => (word(), word()).prop_map(|(k, v)| format!("{k}={v}")),
        2 => ("[a-z]{1,3}", quoted()).prop_map(|(k, v)| format!("{k}=\"{v}\"")),
        1 => ("[a-z]{1,3}", "[a-z =]{0,5}").prop_map(|(k, v)| format!("{k}='{v}'")),
        1 => ("[a-z]{1,3}", time()).prop_map(|(k, v)| format!("{k}={v}")),
        2 => word(),
        1 => time(),
        1 => quoted().prop_map(|q| format!("\"{q}\"")),
        1 => word().prop_map(|w| format!("({w}=5)")),
        1 => Just("\"".to_owned()),
        1 => Just("'".to_owned()),
        1 => Just("=".to_owned()),
    ];
    let joint = prop_oneof![4 => Just(" "), 1 => Just(", "), 1 => Just(""), 1 => Just(";"), 1 => Just(": ")];
    proptest::collection::vec((part, joint), 0..8).prop_map(|parts| parts.into_iter().map(|(p, j)| p + j).collect())
}

fn json_value(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        word(),
        quoted().prop_map(|q| format!("\"{q}\"")),
        Just("-1.5e+3".to_owned()),
        Just("[1, \"a]\", {\"x\":2}]".to_owned()),
        time().prop_map(|t| format!("\"{t}\"")),
    ];
    leaf.prop_recursive(depth, 8, 3, |inner| {
        proptest::collection::vec(("[a-c]{1,2}", inner), 0..3).prop_map(|members| {
            let members: Vec<_> = members.into_iter().map(|(k, v)| format!("\"{k}\": {v}")).collect();
            format!("{{{}}}", members.join(","))
        })
    })
    .boxed()
}

fn object() -> impl Strategy<Value = String> {
    proptest::collection::vec(("[a-c]{1,2}", json_value(2)), 1..4)
        .prop_map(|members| format!("{{{}}}", members.into_iter().map(|(k, v)| format!("\"{k}\":{v}")).collect::<Vec<_>>().join(",")))
}

fn syslog() -> impl Strategy<Value = String> {
    let body = prop_oneof![
        3 => loose(),
        1 => object(),
        2 => (word(), word(), word()).prop_map(|(u, s, p)| format!("Accepted password for {u} from {s} port {p} ssh2")),
        2 => (word(), word()).prop_map(|(u, s)| format!("Failed password for invalid user {u} from {s} port 22 ssh2")),
        1 => word().prop_map(|u| format!("pam_unix(sshd:session): session opened for user {u}(uid=0) by (uid=0)")),
    ];
    let priority = prop_oneof![Just(""), Just("<34>"), Just("<999>"), Just("<13>1 "), Just("<13> "), Just("<189>12: *"), Just("<189>12: ")];
    let tag =
        prop_oneof![Just(""), Just("sshd[12]: "), Just("app: "), Just("%SYS-5-X: "), Just(": %ASA-1: "), Just("su:'"), Just("UTC: %A: ")];
    let data = prop_oneof![Just(""), Just("- "), Just("7 ID [x@1 k=\"v\" l=\"\\\"\"] "), Just("- - - "), Just("- - [x k=v] ")];
    let host = prop_oneof![Just(String::new()), word().prop_map(|w| w + " "), Just("fe80::1 ".to_owned())];
    let time = prop_oneof![4 => time().prop_map(|t| t + " "), 1 => Just(String::new()), 1 => Just("Nov 21 21:14:03 2026 ".to_owned())];
    (priority, time, host, tag, data, body).prop_map(|(p, t, h, tag, d, b)| format!("{p}{t}{h}{tag}{d}{b}"))
}

fn access_line() -> impl Strategy<Value = String> {
    let vhost = prop_oneof![4 => Just(""), 1 => Just("www.x.org:80 "), 1 => Just("www.x.org ")];
    let rest = prop_oneof![
        Just(String::new()),
        (quoted(), quoted()).prop_map(|(r, u)| format!(" \"{r}\" \"{u}\"")),
        loose().prop_map(|l| format!(" {l}"))
    ];
    (vhost, word(), word(), word(), quoted(), word(), word(), rest).prop_map(|(v, client, ident, user, request, status, bytes, rest)| {
        format!("{v}{client} {ident} {user} [21/Nov/2026:19:31:31 +0000] \"GET {request} HTTP/1.1\" {status} {bytes}{rest}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn patterns_of_loose_text_say_what_the_event_says(line in loose(), bits in any::<u64>()) {
        same("text", &line, |n| bits >> (n % 64) & 1 == 1)?;
        same("text", &line, |_| true)?;
    }

    #[test]
    fn patterns_of_json_say_what_the_event_says(line in object(), bits in any::<u64>()) {
        same("json", &line, |n| bits >> (n % 64) & 1 == 1)?;
        same("json", &line, |_| true)?;
    }

    #[test]
    fn patterns_of_access_lines_say_what_the_event_says(line in access_line(), bits in any::<u64>()) {
        same("access_combined", &line, |n| bits >> (n % 64) & 1 == 1)?;
        same("access_combined", &line, |_| true)?;
    }

    #[test]
    fn patterns_of_any_text_say_what_the_event_says(line in "[a={}\"'\\\\ :\\[\\]<>1,.-]{0,30}", bits in any::<u64>(), kind in 0usize..3) {
        same(["syslog", "json", "access_common"][kind], &line, |n| bits >> (n % 64) & 1 == 1)?;
    }
}

proptest! {
    // Of these the rules of all programs are candidates, and each field is followed in three events.
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn patterns_of_syslog_say_what_the_event_says(line in syslog(), bits in any::<u64>()) {
        same("syslog", &line, |n| bits >> (n % 64) & 1 == 1)?;
        same("syslog", &line, |_| true)?;
    }
}

/// The plan's kind, for the patterns that are met a million times a day.
fn kind(sourcetype: &str, line: &str, constant: &[&str], field: &str) -> &'static str {
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(line.as_bytes(), &mut tokens, &mut shape, 1000));
    let (pattern, _) =
        pattern_of(line.as_bytes(), |n| !constant.contains(&String::from_utf8_lossy(tokens[n].of(line.as_bytes())).as_ref()));
    match Formats::new().resolve(sourcetype, &pattern, &[], field) {
        FieldPlan::Absent => "absent",
        FieldPlan::Constant(_) => "constant",
        FieldPlan::Pieces(_) => "pieces",
        FieldPlan::Computed(..) => "computed",
        FieldPlan::PerEvent(..) => {
            eprintln!("{field} of {pattern:?}: {:?}", decided::hiding(&Formats::new(), sourcetype, &pattern));
            "per event"
        }
    }
}

#[test]
fn the_usual_patterns_are_decided_once() {
    let line = r#"10.0.0.1 - bob [21/Nov/2026:19:31:31 +0000] "GET / HTTP/1.1" 200 103 "-" "curl/8""#;
    for field in ["clientip", "user", "status", "bytes", "useragent", "referer"] {
        assert_eq!(kind("access_combined", line, &[], field), "pieces", "{field}");
    }
    assert_eq!(kind("access_combined", line, &[], "method"), "computed");
    assert_eq!(kind("access_combined", line, &["GET / HTTP/1.1"], "method"), "constant");
    assert_eq!(kind("access_combined", line, &[], "nothing"), "absent");
    let line = "Nov 21 19:36:41 vm sshd[2998]: Accepted password for alice from 127.3.4.5 port 49051 ssh2";
    let words = ["sshd", "Accepted", "password", "for", "from", "port", "ssh2"];
    for field in ["user", "src", "src_port", "pid", "message"] {
        assert_eq!(kind("syslog", line, &words, field), "pieces", "{field}");
    }
    assert_eq!(kind("syslog", line, &words, "app"), "constant");
    assert_eq!(kind("syslog", line, &words, "nothing"), "absent");
    // With a priority before the time, as it comes over the network.
    let line = "<38>Nov 21 19:36:41 vm sshd[2998]: Accepted password for alice from 127.3.4.5 port 49051 ssh2";
    let words = ["38", "vm", "sshd", "Accepted", "password", "for", "from", "port", "ssh2"];
    for field in ["user", "src", "src_port", "pid", "message"] {
        assert_eq!(kind("syslog", line, &words, field), "pieces", "{field}");
    }
    for field in ["priority", "facility", "severity", "severity_id", "app"] {
        assert_eq!(kind("syslog", line, &words, field), "constant", "{field}");
    }
    assert_eq!(kind("syslog", line, &words, "nothing"), "absent");
    let line = r#"{"ts":"2026-11-21T21:14:03Z","level":"info","n":5,"o":{"p":"x"}}"#;
    let keys = ["ts", "level", "n", "o", "p"];
    assert_eq!(kind("json", line, &keys, "n"), "pieces");
    assert_eq!(kind("json", line, &keys, "o.p"), "computed");
    assert_eq!(kind("json", line, &keys, "nothing"), "absent");
    let line = "ts=2026-11-21T21:14:03Z level=info msg=\"a b\" n=5";
    let keys = ["ts", "level", "msg", "n"];
    assert_eq!(kind("text", line, &keys, "n"), "pieces");
    assert_eq!(kind("text", line, &keys, "ts"), "computed");
    let line = "2026-11-21 19:32:18.668 UTC [23002] LOG:  duration: 0.5 ms";
    assert_eq!(kind("text", line, &["UTC", "LOG", "duration", "ms"], "user"), "absent");
    assert_eq!(SlotKind::Word.code(), 1);
}

mod corpus;
mod decided;
mod inside;
mod logins;
mod many;
mod own;
mod packs;
mod views;
