//! The rules of searching, case by case, and that what is printed parses back.

use super::*;
use crate::language::ast::TimeBounds;
use proptest::prelude::*;
use taffrail_store::{Filter, OriginField};

fn parsed(text: &str) -> SearchExpr {
    SearchExpr::parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)))
}

/// The tree with every pair of parentheses that it has.
fn shape(text: &str) -> String {
    fn draw(expr: &SearchExpr) -> String {
        let list = |parts: &[SearchExpr]| parts.iter().map(draw).collect::<Vec<_>>().join(" ");
        match expr {
            SearchExpr::And(parts) => format!("(and {})", list(parts)),
            SearchExpr::Or(parts) => format!("(or {})", list(parts)),
            SearchExpr::Not(inner) => format!("(not {})", draw(inner)),
            other => other.to_string(),
        }
    }
    draw(&parsed(text))
}

#[test]
fn or_binds_tighter_than_and() {
    for (text, expected) in [
        ("session AND opened AND user AND root", "(and session opened user root)"),
        ("event AND logged AND user", "(and event logged user)"),
        ("a b OR c", "(and a (or b c))"),
        ("a OR b c OR d", "(and (or a b) (or c d))"),
        ("a AND b OR c AND d", "(and a (or b c) d)"),
        ("(a b) OR c", "(or (and a b) c)"),
        ("NOT a b", "(and (not a) b)"),
        ("NOT a OR b", "(or (not a) b)"),
        ("NOT (a OR b)", "(not (or a b))"),
        ("a and b or not c", "(and a and b or not c)"),
        ("a (b (c d))", "(and a b c d)"),
        ("*", "*"),
        ("* a", "a"),
        ("NOT ()", "(not *)"),
        ("\"AND\" ANDROID NOTE", "(and \"AND\" ANDROID NOTE)"),
    ] {
        assert_eq!(shape(text), expected, "{text}");
    }
}

#[test]
fn words_and_values() {
    for (text, expected) in [
        ("status=200", "status=200"),
        ("status = 200", "status=200"),
        ("status==200", "status=200"),
        ("status!=200", "status!=200"),
        ("bytes>=1000 bytes<2e3", "(and bytes>=1000 bytes<2e3)"),
        ("url=/a?b=c&d", "url=\"/a?b=c&d\""),
        ("E=\"\"", "E=\"\""),
        ("\"user name\"=root", "\"user name\"=root"),
        ("ip=10.0.0.0/8", "ip=10.0.0.0/8"),
        ("user IN (a, b*, \"c d\")", "user IN (a, b*, \"c d\")"),
        ("Image IN (\"*\\\\cmd.exe\" \"x\")", "Image IN (\"*\\\\cmd.exe\", x)"),
        ("A=\"*sp\\\"q\\\\z**\"", "A=\"*sp\\\"q\\\\z**\""),
        ("host::web1", "host=web1"),
        ("fe80::1", "\"fe80::1\""),
        ("TERM(192.168.1.1)", "TERM(\"192.168.1.1\")"),
        ("CASE(Error)", "CASE(\"Error\")"),
        ("user=CASE(Root)", "user=CASE(\"Root\")"),
        ("wow! a!=b", "(and \"wow!\" a!=b)"),
        ("C:\\Windows\\x", "\"C:\\\\Windows\\\\x\""),
        ("(a=b)", "a=b"),
        ("earliest=5", "\"earliest\"=5"),
    ] {
        assert_eq!(shape(text), expected, "{text}");
    }
}

#[test]
fn mistakes_are_named() {
    for (text, expected) in [
        ("a AND", "AND needs a term on its right"),
        ("AND a", "AND needs a term on its left"),
        ("a AND AND b", "AND needs a term on its left"),
        ("a OR", "OR needs a term on its right"),
        ("OR a", "OR needs a term on its left"),
        ("NOT", "NOT needs a term"),
        ("(a", "not closed"),
        ("a)", "without its `(`"),
        ("a=", "a value is missing"),
        ("(a=)", "a value is missing"),
        ("=a", "needs a field on its left"),
        ("us*er=a", "wildcard"),
        ("a=(b OR c)", "parenthesis"),
        ("a IN ()", "the list is empty"),
        ("a IN (b", "not closed"),
        ("a IN b", "IN needs a list"),
        ("TERM()", "nothing is named"),
        ("TERM(a", "not closed"),
        ("[search a]", "a search in brackets cannot stand here"),
    ] {
        let error = SearchExpr::parse(text).unwrap_err();
        assert!(error.message.contains(expected), "{text}: {}", error.message);
        assert!(error.span.is_some() && error.hint.is_some(), "{text}");
    }
}

#[test]
fn alternatives_of_one_field_are_a_list() {
    for (text, expected) in [
        ("a=1 OR a=2", "a IN (1, 2)"),
        ("a=1 OR b=2", "(or a=1 b=2)"),
        ("x OR a=1 OR b=2 OR a IN (3, 4*)", "(or x a IN (1, 3, 4*) b=2)"),
        ("NOT (a=1 OR a=2) c", "(and (not a IN (1, 2)) c)"),
        ("a!=1 OR a!=2", "(or a!=1 a!=2)"),
        ("( ( a=1 ) OR ( a=2 b=3 ) OR ( a=4 ) )", "(or (and a=2 b=3) a IN (1, 4))"),
    ] {
        assert_eq!(shape(&parsed(text).grouped().to_string()), expected, "{text}");
    }
}

#[test]
fn long_lists_find_what_short_ones_find() {
    let values = ["5", "007", "-0", "Root", "10.0.0.0/8", "ab*", "CASE(Xy)", "1.50", "ä", "", "x", "y", "z"];
    let listed: Vec<String> =
        values.iter().map(|value| if value.starts_with("CASE") { (*value).to_owned() } else { format!("\"{value}\"") }).collect();
    let long = parsed(&format!("f IN ({})", listed.join(", ")));
    let SearchExpr::In { values, .. } = &long else { panic!("{long}") };
    let (all, each) = (ValueMatcher::any_of(values), values.iter().map(|value| ValueMatcher::new(CompareOp::Equal, value)));
    let each: Vec<ValueMatcher> = each.collect();
    for value in
        ["5", "5.0", "05", "7", "007", "0", "-0", "ROOT", "roo", "10.1.2.3", "11.0.0.1", "ABC", "b", "Xy", "xy", "1.5", "Ä", "", "q"]
    {
        assert_eq!(all.matches(value), each.iter().any(|one| one.matches(value)), "{value}");
    }
}

#[test]
fn deep_and_long_searches() {
    let depth = taffrail_base::limits::QUERY_DEPTH_MAX;
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(shape(&nested(depth)), "a");
    assert!(SearchExpr::parse(&nested(depth + 1)).unwrap_err().message.contains("nested"));
    assert!(SearchExpr::parse(&"(".repeat(500_000)).is_err());
    assert!(SearchExpr::parse(&"NOT ".repeat(200_000)).is_err());
    assert_eq!(parsed(&"a b ".repeat(10_000)).filter_size(), 20_000);
}

impl SearchExpr {
    fn filter_size(&self) -> usize {
        match self.filter() {
            Filter::And(parts) => parts.len(),
            _ => 1,
        }
    }
}

#[test]
fn time_bounds_hold_for_the_whole_search() {
    let parse_base = |text: &str| {
        let mut bounds = TimeBounds::default();
        parse(text, 0, text.len(), Some(&mut bounds)).map(|search| (search.to_string(), bounds))
    };
    let (search, bounds) = parse_base("a (earliest=-1h latest=now() b) _index_earliest=-1d").unwrap();
    assert_eq!(search, "a b");
    assert_eq!(bounds.earliest.unwrap().text, "-1h");
    assert_eq!(bounds.latest.unwrap().text, "now");
    assert_eq!(bounds.index_earliest.unwrap().text, "-1d");
    let (_, bounds) = parse_base("earliest=\"10/19/2026:00:00:00\"").unwrap();
    assert_eq!(bounds.earliest.unwrap().text, "10/19/2026:00:00:00");
    for text in
        ["a OR earliest=-1h", "earliest=-1h OR a", "NOT earliest=-1h", "NOT (a latest=now)", "earliest>5", "earliest=nonsense", "earliest="]
    {
        let error = parse_base(text).unwrap_err();
        assert!(error.hint.is_some(), "{text}");
    }
}

fn passes(text: &str, value: Option<&str>) -> bool {
    match parsed(text).filter() {
        Filter::Field(_, test) | Filter::Origin(_, test) => test.passes(value),
        Filter::Not(inner) => match *inner {
            Filter::Field(_, test) | Filter::Origin(_, test) => !test.passes(value),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn comparisons() {
    for (text, value, expected) in [
        ("f=abc", Some("ABC"), true),
        ("f=abc", Some("abcd"), false),
        ("f=abc", None, false),
        ("f=É", Some("é"), true),
        ("f=5", Some("5.0"), true),
        ("f=007", Some("7"), false),
        ("f=1e3", Some("1000"), false),
        ("f=a*c", Some("ABBC"), true),
        ("f=*b*", Some("abc"), true),
        ("f=a*c", Some("abcd"), false),
        ("f=a*a", Some("a"), false),
        ("f=*", Some("x"), true),
        ("f=*", Some(""), false),
        ("f=*", None, false),
        ("f=\"\"", Some(""), true),
        ("f=\"\"", None, false),
        ("f!=abc", Some("x"), true),
        ("f!=abc", Some("Abc"), false),
        ("f!=abc", None, false),
        ("NOT f=abc", None, true),
        ("NOT f=abc", Some("abc"), false),
        ("f>10", Some("9"), false),
        ("f>10", Some("11"), true),
        ("f>=10", Some("10.0"), true),
        ("f<10", Some("9.5"), true),
        ("f<b", Some("a"), true),
        ("f>10", Some("abc"), true),
        ("f>10", None, false),
        ("f=10.0.0.0/8", Some("10.1.2.3"), true),
        ("f=10.0.0.0/8", Some("11.1.2.3"), false),
        ("f!=10.0.0.0/8", Some("11.1.2.3"), true),
        ("f=0.0.0.0/0", Some("1.2.3.4"), true),
        ("f=2001:db8::/32", Some("2001:db8:1::1"), true),
        ("f=2001:db8::/32", Some("2001:db9::1"), false),
        ("f=10.0.0.0/8", Some("::ffff:10.1.1.1"), true),
        ("f=1.2.3.4/32", Some("1.2.3.4"), true),
        ("f=a/b", Some("A/B"), true),
        ("f IN (a, b*, 10.0.0.0/8)", Some("BX"), true),
        ("f IN (a, b*, 10.0.0.0/8)", Some("10.9.9.9"), true),
        ("f IN (a, b)", None, false),
        ("NOT f IN (a, b)", None, true),
        ("f=CASE(Abc)", Some("Abc"), true),
        ("f=CASE(Abc)", Some("abc"), false),
        ("f=CASE(A*)", Some("abc"), false),
    ] {
        assert_eq!(passes(text, value), expected, "{text} on {value:?}");
    }
}

#[test]
fn indexes() {
    for (text, name, expected) in [
        ("index=main", "main", true),
        ("index=*", "main", true),
        ("index=*", "_audit", false),
        ("index=_*", "_audit", true),
        ("index=_*", "main", false),
        ("index=_audit", "_audit", true),
        ("index IN (*, _audit)", "_audit", true),
        ("index IN (*, x)", "_audit", false),
    ] {
        assert_eq!(passes(text, Some(name)), expected, "{text} on {name}");
        assert!(parsed(text).names_index());
    }
    assert!(!parsed("NOT index=main").names_index());
    assert!(!parsed("index!=main").names_index());
    assert!(!parsed("error").names_index());
    for text in ["*", "error", "a b", "index!=main"] {
        match to_filter(&parsed(text)) {
            Filter::And(parts) => assert!(matches!(parts[0], Filter::Origin(OriginField::Index, _)), "{text}"),
            Filter::Origin(OriginField::Index, test) => assert!(!test.passes(Some("_audit")) && test.passes(Some("main"))),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(to_filter(&parsed("index=main")), Filter::Origin(..)));
}

#[test]
fn whole_tokens() {
    for (text, raw, expected) in [
        ("192.168.1.1", "from 192.168.1.1, port", true),
        ("192.168.1.1", "from 192.168.1.1.5", false),
        ("192.168.*", "from 192.168.1.1", true),
        ("a.b", "x=A.B", false),
        ("x=a.b", "[x=A.B]", true),
        ("a b", "x a b,c", true),
        ("a b", "xa b", false),
    ] {
        assert_eq!(is_whole_token(text, raw), expected, "{text} in {raw}");
    }
    assert!(matches!(parsed("TERM(a.b)").filter(), Filter::And(parts) if parts.len() == 2));
}

#[test]
fn fields_of_rows_are_refused_where_they_cannot_be_asked() {
    let mut bounds = TimeBounds::default();
    let text = "error _time>5";
    let error = parse(text, 0, text.len(), Some(&mut bounds)).unwrap_err();
    assert!(error.message.contains("first search") && error.hint.unwrap().contains("earliest="));
    assert!(!parsed("a (b OR NOT _problems=*)").is_scannable());
    assert!(parsed("a _raw=*b* _pattern=x").is_scannable());
}

#[test]
fn what_a_search_needs_and_marks() {
    let search = parsed("error \"a b\" user=root NOT pass status!=200 host=x (uri=*login* OR code IN (5, 6)) x=* user=y");
    assert_eq!(search.fields(), ["user", "status", "host", "uri", "code", "x"]);
    assert!(search.has_terms());
    assert_eq!(search.highlights(), ["error", "a b", "root", "*login*", "5", "6", "y"]);
    assert!(!parsed("a=b").has_terms());
}

#[test]
fn wildcards() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("a**b", "axb", true),
        ("*a", "ba", true),
        ("a*", "ba", false),
        ("*a*b*", "xxaxxbxx", true),
        ("*ab*ab*", "ab", false),
        ("ÄX*", "äxy", true),
    ] {
        assert_eq!(Wildcard::new(pattern, false).matches(text), expected, "{pattern} {text}");
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_.*/@-]{1,8}",
        "[ -~äß\\n]{0,10}",
        Just("AND".to_owned()),
        Just("NOT".to_owned()),
        Just("IN".to_owned()),
        Just("now".to_owned())
    ]
}

fn value() -> impl Strategy<Value = SearchValue> {
    // An empty CASE() is not a value.
    (text(), any::<bool>()).prop_map(|(text, case)| SearchValue { case_sensitive: case && !text.is_empty(), text })
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-z0-9_.-]{0,8}", "[ -)+-~]{1,6}", Just("earliest".to_owned()), Just("daysago".to_owned()), Just("AND".to_owned())]
}

fn op() -> impl Strategy<Value = CompareOp> {
    use CompareOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    prop::sample::select(vec![Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual])
}

fn tree() -> impl Strategy<Value = SearchExpr> {
    let leaf = prop_oneof![
        Just(SearchExpr::All),
        (text(), any::<bool>(), any::<bool>()).prop_map(|(text, case, whole)| SearchExpr::term(text, case && !whole, whole)),
        (field(), op(), value()).prop_map(|(field, op, value)| SearchExpr::Compare { field, op, value }),
        (field(), prop::collection::vec(value(), 1..4)).prop_map(|(field, values)| SearchExpr::In { field, values }),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(SearchExpr::and),
            prop::collection::vec(inner.clone(), 1..4).prop_map(SearchExpr::or),
            inner.prop_map(|inner| SearchExpr::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same_tree(tree in tree()) {
        let printed = tree.to_string();
        let back = SearchExpr::parse(&printed);
        prop_assert_eq!(back.as_ref(), Ok(&tree), "{}", printed);
        // As a base search too, where time bounds are taken out.
        let mut bounds = TimeBounds::default();
        let back = parse(&printed, 0, printed.len(), Some(&mut bounds));
        prop_assert_eq!(back.as_ref(), Ok(&tree), "{}", printed);
        prop_assert!(bounds.is_empty());
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ -~ä()\"=!<>*,|\\n]{0,40}") {
        if let Err(error) = SearchExpr::parse(&text) {
            error.render(&text);
        }
    }
}
