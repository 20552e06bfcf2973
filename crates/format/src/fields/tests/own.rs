//! Format files of people, and XML: what they give, what is said of wrong ones, and that patterns agree with events.

use super::*;

fn file(name: &str, text: &str) -> Arc<FormatFile> {
    FormatFile::read(name, text).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn own(text: &str) -> Formats {
    Formats::new().with([file("own", text)])
}

#[track_caller]
fn check_with(formats: &Formats, sourcetype: &str, line: &str, want: &[(&str, &str)]) {
    let found = formats.fields_of_event(sourcetype, line.as_bytes());
    let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(found, want, "{line}");
}

const SHOP: &str = r#"
summary = "the shop's own log"
sourcetypes = ["shop*"]

[[rule]]
match = "order {order} of {customer} "

[[rule]]
match = "order {order}"

[[rule]]
regex = '(?<verb>paid|sent) (?<amount>\d+)(?<currency>[A-Z]{3})?'
set = { action = "change" }

[alias]
user = ["customer", "uid"]

[[sample]]
line = "order 17 of bob paid 30EUR ip=10.0.0.1"
fields = { order = "17", customer = "bob", user = "bob", verb = "paid", amount = "30", currency = "EUR", action = "change", ip = "10.0.0.1" }
"#;

#[test]
fn a_file_gives_fields_by_beginnings_and_expressions() {
    let formats = own(SHOP);
    check_with(
        &formats,
        "shop:eu",
        "order 9 uid=7 sent 5",
        &[("order", "9"), ("verb", "sent"), ("amount", "5"), ("action", "change"), ("uid", "7"), ("user", "7")],
    );
    check_with(&formats, "other", "order 9 of bob paid 30EUR", &[]);
    // What the event has itself goes before what another name stands for.
    check_with(&formats, "shop", "uid=7 user=bob", &[("uid", "7"), ("user", "bob")]);
}

#[test]
fn keys_have_their_own_delimiters() {
    let pairs = own("summary = 'x'\nsourcetypes = ['p']\nautomatic = false\n[[rule]]\nkeys = 'pairs'\nequals = ':'\nbetween = ';'\n");
    check_with(&pairs, "p", "user: bob ; note:\"a;b\\\"c\"; empty:; a=1:2 ;x", &[("user", "bob"), ("note", "a;b\"c"), ("a_1", "2")]);
    let columns = own(
        "summary = 'x'\nsourcetypes = ['c']\n[[rule]]\nkeys = 'columns'\ndelimiter = ','\ncomment = '#'\nnames = ['first', 'second', '', 'last']\n",
    );
    check_with(&columns, "c", r#"1,"a, ""b""",x,k=v,more"#, &[("first", "1"), ("second", "a, \"b\""), ("last", "k=v"), ("k", "v")]);
    check_with(&columns, "c", "1,,x", &[("first", "1")]);
    check_with(&columns, "c", "#first,second", &[]);
    let tabs = own("summary = 'x'\nsourcetypes = ['t']\n[[rule]]\nkeys = 'columns'\ndelimiter = \"\\t\"\nnames = ['first', 'second']\n");
    check_with(&tabs, "t", "a b\tc d\te\r", &[("first", "a b"), ("second", "c d")]);
    let json = own("summary = 'x'\nsourcetypes = ['j']\n[[rule]]\nkeys = 'json'\n");
    check_with(&json, "j", r#"INFO done {"a":{"b":1}} end"#, &[("a.b", "1")]);
    let xml = own("summary = 'x'\nsourcetypes = ['x']\n[[rule]]\nkeys = 'xml'\n");
    check_with(&xml, "x", "got <m><id>7</id></m>", &[("id", "7")]);
}

#[test]
fn a_file_can_lend_a_sourcetype_the_structure_of_another() {
    let formats =
        own("summary = 'x'\nsourcetypes = ['cisco']\nlike = 'syslog'\n[[rule]]\nregex = '%(?<mnemonic>[A-Z0-9-]+):'\nwhole = true\n");
    let found = formats.fields_of_event("cisco", b"<189>Nov 21 19:36:41 sw1 %LINK-3-UPDOWN: Interface up");
    let value = |name: &str| found.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!((value("severity"), value("mnemonic")), (Some("notice"), Some("LINK-3-UPDOWN")));
}

#[test]
fn wrong_files_are_refused_with_the_place() {
    let faults = |text: &str| FormatFile::read("own", text).map(|_| ()).unwrap_err().iter().map(Fault::to_string).collect::<Vec<_>>();
    let one = |rest: &str| faults(&format!("summary = 'x'\nsourcetypes = ['s']\n{rest}")).join("\n");
    assert_eq!(one("[[rule]]\nmatch = 'a {b'\n"), "line 3: the `{` in \"a {b\" has no `}`");
    assert_eq!(one("[[rule]]\nmatch = '{a...} b'\n"), "line 3: `{a...}` takes the rest, so nothing can stand behind it");
    assert!(one("[[rule]]\nregex = '(?<a>'\n").starts_with("line 3: regex parse error"), "{}", one("[[rule]]\nregex = '(?<a>'\n"));
    assert!(one("[[rule]]\nregex = 'a'\n").contains("no named group"));
    assert_eq!(
        one("[[rule]]\nmatch = 'a'\nregex = '(?<b>c)'\n"),
        "line 3: a rule has one of `match`, `regex`, `when` and `keys`; `keys` may go with the first two"
    );
    assert!(one("[[rule]]\nkeys = 'csv'\n").contains("write pairs, labels, json, xml or columns"));
    assert!(one("[[rule]]\nkeys = 'columns'\n").contains("needs `names`"));
    assert!(one("[[rule]]\nkeys = 'columns'\nnames = ['a']\ndelimiter = '||'\n").contains("not one character"));
    assert!(one("[[rule]]\nkeys = 'pairs'\nequals = '='\nbetween = '='\n").contains("none in common"));
    assert!(one("[[rule]]\nmatch = 'a {b}'\ntype = 'login'\n").contains("is not of the normal model; there are authentication"));
    let wrong = one("[[rule]]\nmatch = 'a {b}'\ntype = 'authentication'\nset = { action = 'denied' }\n");
    assert_eq!(wrong, "line 3: action = \"denied\" is not of the normal model; in authentication it is one of success, failure");
    assert!(one("[[rule]]\nmatch = 'a {b}'\ncopy = { c = 'b' }\n").contains("go with `when`"));
    assert!(one("[[rule]]\nwhen = { a = 'b' }\nkeys = 'json'\n").contains("a rule has one of"));
    assert!(one("[[rule]]\nmatch = 'a {b}'\nclean = { b = 'wash' }\n").contains("there are account, address"));
    assert!(one("like = 'xml'\n").starts_with("line 3: like"), "{}", one("like = 'xml'\n"));
    assert!(one("colour = 1\n").starts_with("line 3: unknown field `colour`"), "{}", one("colour = 1\n"));
    let samples = one(
        "[[rule]]\nmatch = 'a {b}'\n[[sample]]\nline = 'a 1'\nfields = { b = '2', c = '3' }\n[[sample]]\nline = 'a 1'\nfields = { b = '' }\n",
    );
    assert_eq!(
        samples,
        "line 5: the sample has b=\"1\", not \"2\"\nline 5: the sample has no c, it should be \"3\"\nline 8: the sample has b=\"1\", and should not have it"
    );
}

#[test]
fn rules_go_by_fields_and_say_what_the_event_is() {
    let formats =
        own("summary = 'x'\nsourcetypes = ['w']\n[[rule]]\nwhen = { kind = ['in', 'enter'], code = '0' }\ntype = 'authentication'\n\
         set = { action = 'success', app = 'door' }\ncopy = { user = ['who', 'badge'], src = 'gate' }\nclean = { src = 'address' }\n\
         [[rule]]\nwhen = { kind = 'in', code = '*' }\ntype = 'authentication'\nset = { action = 'failure' }\ncopy = { user = 'who' }\n\
         map = { reason = { of = 'code', values = { 1 = 'bad_password', 2 = 'locked', '*' = 'other' } } }\n\
         [[rule]]\nwhen = { kind = 'out', code = '' }\ntype = 'session'\nset = { action = 'closed' }\n");
    let field = |line: &str, name: &str| {
        let found = formats.fields_of_event("w", line.as_bytes());
        found.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    };
    let some = |value: &str| Some(value.to_owned());
    let line = "kind=in code=0 who=- badge=77 gate=::ffff:10.0.0.9 action=opened";
    assert_eq!(field(line, "tag"), some("authentication"));
    assert_eq!(field(line, "action"), some("success"), "the model goes before what the event calls so");
    assert_eq!((field(line, "user"), field(line, "src"), field(line, "app")), (some("77"), some("10.0.0.9"), some("door")));
    let line = "kind=in code=2 who=bob";
    assert_eq!((field(line, "action"), field(line, "reason"), field(line, "user")), (some("failure"), some("locked"), some("bob")));
    assert_eq!(field("kind=in code=9 who=bob", "reason"), some("other"));
    assert_eq!((field("kind=out who=bob", "tag"), field("kind=out code=1", "tag")), (some("session"), None));
    assert_eq!(field("kind=over code=0", "tag"), None);
    for line in ["kind=in code=0 who=- badge=77 gate=::ffff:10.0.0.9 action=opened", "kind=in code=2 who=bob", "kind=out who=bob user=x"] {
        for bits in 0..64_u32 {
            same_with(&formats, "w", line, |number| bits >> (number % 6) & 1 == 1).expect("the pattern says the same");
        }
    }
}

#[test]
fn keys_are_read_of_what_a_rule_takes() {
    let formats = own(
        "summary = 'x'\nsourcetypes = ['k']\nautomatic = false\n[[rule]]\nmatch = 'row {kind}: {...}'\nkeys = 'columns'\nnames = ['one', 'two']\n\
         [[rule]]\nregex = 'set\\((?<_>[^)]*)\\)'\nkeys = 'labels'\n",
    );
    check_with(&formats, "k", "row a: 1,two words", &[("kind", "a"), ("one", "1"), ("two", "two words")]);
    check_with(&formats, "k", "set(msg=a b\\=c dst=10.0.0.1 empty= last=x y)", &[("msg", "a b=c"), ("dst", "10.0.0.1"), ("last", "x y")]);
}

#[test]
fn xml_of_windows() {
    let event = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
        <Provider Name='Microsoft-Windows-Security-Auditing' Guid='{54849625}'/><EventID>4625</EventID><Level>0</Level>\
        <TimeCreated SystemTime='2026-11-21T21:14:03.120Z'/><Execution ProcessID='636' ThreadID='700'/><Channel>Security</Channel>\
        <Computer>dc1.example.com</Computer><Security/></System><EventData><Data Name='TargetUserName'>bob &amp; co</Data>\
        <Data Name='IpAddress'>10.0.0.7</Data><Data Name='Empty'></Data><Data Name=\"CommandLine\">&quot;C:\\x y.exe&quot; -k</Data></EventData></Event>";
    let want = [
        ("Provider_Name", "Microsoft-Windows-Security-Auditing"),
        ("Provider_Guid", "{54849625}"),
        ("EventID", "4625"),
        ("Level", "0"),
        ("TimeCreated_SystemTime", "2026-11-21T21:14:03.120Z"),
        ("Execution_ProcessID", "636"),
        ("Execution_ThreadID", "700"),
        ("Channel", "Security"),
        ("Computer", "dc1.example.com"),
        ("TargetUserName", "bob & co"),
        ("IpAddress", "10.0.0.7"),
        ("CommandLine", "\"C:\\x y.exe\" -k"),
    ];
    let found = fields("text", event);
    let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(&found[..want.len()], &want[..], "behind these stand the names of the normal model");
    assert!(found.contains(&("user", "bob & co")) && found.contains(&("tag", "authentication")), "{found:?}");
    check(
        "text",
        "<?xml version=\"1.0\"?><!-- a --> <r><s:a>1</s:a><b><![CDATA[x<y]]></b><c k=\"v\">t</c> <d name='e'><f>2</f></d></r> ",
        &[("a", "1"), ("b", "x<y"), ("c_k", "v"), ("c", "t"), ("f", "2"), ("d_Name", "e")],
    );
    // What only looks like it is looked through for pairs.
    check("text", "<main> started a=1", &[("a", "1")]);
    check("text", "<a>1</a> <b", &[]);
    assert_eq!(kind("text", event, &event_words(event, &["4625", "10.0.0.7"]), "EventID"), "pieces");
    assert_eq!(kind("text", event, &event_words(event, &["4625", "10.0.0.7"]), "IpAddress"), "pieces");
    assert_eq!(kind("text", event, &event_words(event, &["4625", "10.0.0.7"]), "nothing"), "absent");
}

/// All tokens of a line but these: what is constant when these vary.
fn event_words<'a>(line: &'a str, vary: &[&str]) -> Vec<&'a str> {
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(line.as_bytes(), &mut tokens, &mut shape, 1000));
    let words = tokens.iter().map(|token| std::str::from_utf8(token.of(line.as_bytes())).unwrap());
    words.filter(|word| !vary.contains(word)).collect()
}

#[test]
fn names_in_quotes() {
    check("text", "\"a\"=\"1\" \"b c\"=2 'd'='3 4' 'e'=5 \"z=3\"", &[("a", "1"), ("b_c", "2"), ("d", "3 4"), ("e", "5")]);
}

fn kind_with(formats: &Formats, sourcetype: &str, line: &str, vary: &[&str], field: &str) -> String {
    let words = event_words(line, vary);
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    assert!(split::split(line.as_bytes(), &mut tokens, &mut shape, 1000));
    let (pattern, _) = pattern_of(line.as_bytes(), |n| !words.contains(&String::from_utf8_lossy(tokens[n].of(line.as_bytes())).as_ref()));
    let plan = format!("{:?}", formats.resolve(sourcetype, &pattern, &[], field));
    plan.split('(').next().unwrap_or_default().to_owned()
}

#[test]
fn expressions_are_decided_on_patterns() {
    let formats = own(SHOP);
    let line = "order 17 of bob paid 30 x ip=10.0.0.1";
    for field in ["order", "customer", "user"] {
        assert_eq!(kind_with(&formats, "shop", line, &["17", "bob", "10.0.0.1"], field), "Pieces", "{field}");
    }
    assert_eq!(kind_with(&formats, "shop", line, &["17", "bob"], "amount"), "Constant");
    assert_eq!(kind_with(&formats, "shop", line, &["17", "bob"], "action"), "Constant");
    assert_eq!(kind_with(&formats, "shop", line, &["17", "bob"], "currency"), "Absent");
    // Whether it has letters behind its digits is seen in the value only.
    assert_eq!(kind_with(&formats, "shop", line, &["30"], "amount"), "PerEvent");
    let words = own("summary = 'x'\n[[rule]]\nregex = 'user (?<who>\\S+) logged in from (?<src>[0-9.]+)(?: |$)'\n");
    let line = "Nov 21 21:14:03 web app[12]: user bob logged in from 10.0.0.1 port 5";
    assert_eq!(kind_with(&words, "syslog", line, &["12", "bob", "5"], "who"), "Pieces");
    assert_eq!(kind_with(&words, "syslog", line, &["12", "bob", "5"], "src"), "Constant");
    assert_eq!(kind_with(&words, "syslog", "x logged out 5", &["5"], "who"), "Absent");
}

fn lines() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        word(),
        quoted().prop_map(|q| format!("\"{q}\"")),
        time(),
        Just("order".to_owned()),
        Just("of".to_owned()),
        Just("paid".to_owned()),
        "[0-9]{1,3}([A-Z]{3})?",
    ];
    let joint = prop_oneof![4 => Just(" "), 1 => Just(","), 1 => Just(";"), 1 => Just(":"), 1 => Just("="), 1 => Just("")];
    proptest::collection::vec((part, joint), 0..9).prop_map(|parts| parts.into_iter().map(|(p, j)| p + j).collect())
}

fn element() -> impl Strategy<Value = String> {
    let text = prop_oneof![word(), quoted(), Just("a &amp; b".to_owned()), Just("<![CDATA[x]]>".to_owned()), time(), Just(String::new())];
    let leaf = ("[a-c]{1,2}", text.clone(), 0usize..6, word()).prop_map(|(name, text, form, value)| match form {
        0 => format!("<{name}/>"),
        1 => format!("<{name} k='{value}'/>"),
        2 => format!("<Data Name='{name}'>{text}</Data>"),
        3 => format!("<Data Name=\"{value}\">{text}</Data>"),
        4 => format!("<!-- {text} -->"),
        _ => format!("<{name}>{text}</{name}>"),
    });
    leaf.prop_recursive(2, 8, 3, |inner| {
        ("[a-c]{1,2}", proptest::collection::vec(inner, 0..4)).prop_map(|(name, inner)| format!("<{name}>{}</{name}>", inner.concat()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn patterns_of_own_formats_say_what_the_event_says(line in lines(), bits in any::<u64>(), which in 0usize..6) {
        thread_local! {
            static OWN: Vec<Formats> = [
                SHOP,
                "summary = 'x'\n[[rule]]\nregex = '(?<who>\\w+)[ ,](?<first>[^ ]*?)(?:=|;|$)'\n[[rule]]\nregex = '^(?<a>\\S+)\\b.*?(?<src>\\d+)$'\n",
                "summary = 'x'\nsourcetypes = ['shop']\n[[rule]]\nkeys = 'pairs'\nequals = ':'\nbetween = ';,'\n",
                "summary = 'x'\n[[rule]]\nkeys = 'columns'\ndelimiter = ','\nnames = ['first', 'a', 'who']\n",
                "summary = 'x'\napps = ['app']\n[[rule]]\nregex = 'order (?<who>.+) of'\n[alias]\nuser = ['who', 'first']\nfirst = 'a'\n",
                "summary = 'x'\n[[rule]]\nkeys = 'columns'\ndelimiter = ' '\nnames = ['first', '', 'user']\n[[rule]]\nregex = '(?<src>[a-z]+)?=(?<status>.)'\nset = { nothing = 'x' }\n",
            ].into_iter().map(own).collect();
        }
        OWN.with(|own| {
            same_with(&own[which], "shop", &line, |n| bits >> (n % 64) & 1 == 1)?;
            same_with(&own[which], "shop", &line, |_| true)?;
            same_with(&own[which], "syslog", &format!("Nov 21 21:14:03 h app[1]: {line}"), |n| bits >> (n % 64) & 1 == 1)
        })?;
    }

    #[test]
    fn patterns_of_xml_say_what_the_event_says(line in element(), bits in any::<u64>()) {
        same("text", &line, |n| bits >> (n % 64) & 1 == 1)?;
        same("text", &line, |_| true)?;
    }
}
