//! The rules of expressions, case by case.

use super::*;
use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampNanosecondArray,
};
use proptest::prelude::*;

/// Two rows: the second has nothing but its time.
fn batch() -> RecordBatch {
    let text = |value: &str| Arc::new(StringArray::from(vec![Some(value), None])) as ArrayRef;
    let mut list = ListBuilder::new(StringBuilder::new());
    ["b", "a", "10", "a"].iter().for_each(|value| list.values().append_value(value));
    list.append(true);
    list.append(false);
    RecordBatch::try_from_iter_with_nullable([
        ("user", text("Root"), true),
        ("status", text("404"), true),
        ("ip", text("10.1.2.3"), true),
        ("a.b", text("dotted"), true),
        ("empty", text(""), true),
        ("json", text("{\"a\":{\"b\":[{\"c\":1},{\"c\":\"x\"}]},\"n\":null,\"t\":true,\"d.e\":5}"), true),
        ("_raw", text("session opened for user root"), true),
        ("bytes", Arc::new(Float64Array::from(vec![Some(1536.5), None])), true),
        ("count", Arc::new(Int64Array::from(vec![Some(7), None])), true),
        ("mv", Arc::new(list.finish()), true),
        ("_time", Arc::new(TimestampNanosecondArray::from(vec![1_772_694_489_012_345_678, 0]).with_timezone("UTC")), true),
    ])
    .unwrap()
}

fn context() -> EvalContext {
    EvalContext::new(Timestamp(1_772_700_000_500_000_000), TimeZone::UTC)
}

fn column(text: &str) -> ArrayRef {
    let batch = batch();
    let expr = Expr::parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)));
    let compiled = expr.compile(&batch.schema(), &context()).unwrap_or_else(|error| panic!("{}", error.render(text)));
    let column = compiled.evaluate(&batch);
    assert_eq!(column.data_type(), compiled.output_type(), "{text}");
    assert_eq!(*column.data_type(), expr.output_type(&batch.schema()).unwrap(), "{text}");
    assert_eq!(column.len(), 2, "{text}");
    // No rows are no trouble.
    assert_eq!(compiled.evaluate(&batch.slice(0, 0)).len(), 0, "{text}");
    assert_eq!(compiled.evaluate(&batch.slice(0, 1)).len(), 1, "{text}");
    column
}

/// The value of the first row: text, with several values in brackets.
fn value(text: &str) -> String {
    let column = column(text);
    if let Some(list) = column.as_list_opt::<i32>() {
        return if list.is_null(0) {
            "null".to_owned()
        } else {
            format!("[{}]", list.value(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>().join("|"))
        };
    }
    let text = column_as_text(&column);
    let text = text.as_string::<i32>();
    if text.is_null(0) { "null".to_owned() } else { text.value(0).to_owned() }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(value(text), *expected, "{text}");
    }
}

fn error(text: &str) -> QueryError {
    let batch = batch();
    match Expr::parse(text).and_then(|expr| expr.compile(&batch.schema(), &context()).map(|_| ())) {
        Err(error) => error,
        Ok(()) => panic!("{text} is no error"),
    }
}

#[test]
fn arithmetic() {
    check(&[
        ("1+2*3", "7"),
        ("(1+2)*3", "9"),
        ("-2*3", "-6"),
        ("- -2", "2"),
        ("7%4", "3"),
        ("1/3", "0.333333333333333"),
        ("1/0", "null"),
        ("1%0", "null"),
        ("10-3-2", "5"),
        ("0.1+0.2", "0.3"),
        ("status+1", "405"),
        ("status*2", "808"),
        ("user*2", "null"),
        ("user+1", "null"),
        ("1+user", "null"),
        ("\"5\"+3", "8"),
        ("\"5\"+\"3\"", "8"),
        ("\"a\"+\"b\"", "ab"),
        ("\"a\"+\"5\"", "a5"),
        ("status+status", "808"),
        ("(status+status)/2", "404"),
        ("bytes/2", "768.25"),
        ("count+1", "8"),
        ("missing+1", "null"),
        ("_time-_time", "0"),
        ("2e3", "2000"),
        (".5+.5", "1"),
    ]);
}

#[test]
fn concatenation() {
    check(&[
        ("\"5\".\"3\"", "53"),
        ("1 . 2", "12"),
        ("user.\"@\".ip", "Root@10.1.2.3"),
        ("user.status", "Root404"),
        ("1+1 . \"x\"", "2x"),
        ("user.missing", "null"),
        ("\"a\".1.5", "a1.5"),
        ("'a.b'", "dotted"),
        ("\"tab\\d \\\"q\\\" \\\\\"", "tab\\d \"q\" \\"),
    ]);
}

#[test]
fn comparisons() {
    check(&[
        ("\"10\" > \"9\"", "True"),
        ("status > 99", "True"),
        ("status = \"404\"", "True"),
        ("status == 404.0", "True"),
        ("user = \"root\"", "False"),
        ("user = \"Root\"", "True"),
        ("user > 5", "True"),
        ("user != \"x\"", "True"),
        ("missing = 1", "null"),
        ("missing != 1", "null"),
        ("missing = missing", "null"),
        ("count >= 7", "True"),
        ("count < 7.5", "True"),
        ("_time > 1772694489", "True"),
        ("user LIKE \"R%t\"", "True"),
        ("user like \"r%\"", "False"),
        ("user NOT LIKE \"r%\"", "True"),
        ("status IN (200, 404)", "True"),
        ("status NOT IN (200, 500)", "True"),
        ("user in (\"a\", \"Root\")", "True"),
        ("missing IN (1)", "null"),
        ("mv = \"a\"", "True"),
        ("mv != \"a\"", "True"),
        ("mv = 10", "True"),
        ("mv = \"z\"", "False"),
        ("empty = \"\"", "True"),
    ]);
}

#[test]
fn logic_has_three_values() {
    check(&[
        ("true() AND missing=1", "null"),
        ("false() AND missing=1", "False"),
        ("true() OR missing=1", "True"),
        ("false() OR missing=1", "null"),
        ("NOT missing=1", "null"),
        ("NOT status=404", "False"),
        ("!isnull(user)", "True"),
        ("true() XOR true()", "False"),
        ("true() xor missing=1", "null"),
        // AND binds tighter than OR here, unlike in a search.
        ("true() OR false() AND false()", "True"),
        ("false() AND true() OR true()", "True"),
        ("NOT false() AND false()", "False"),
        ("true() OR true() XOR true()", "False"),
        ("status=404 and user=\"Root\" And bytes>1", "True"),
        ("NOT status=404 OR user=\"Root\"", "True"),
    ]);
    let batch = batch();
    let mask = |text: &str| {
        let compiled = Expr::parse(text).unwrap().compile_predicate(&batch.schema(), &context()).unwrap();
        compiled.evaluate_predicate(&batch).iter().map(|value| value.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(mask("status=404"), [true, false]);
    assert_eq!(mask("NOT status=404"), [false, false]);
    assert_eq!(mask("isnull(status)"), [false, true]);
    assert_eq!(mask("1==1"), [true, true]);
    assert_eq!(mask("null()"), [false, false]);
}

#[test]
fn conditional_functions() {
    check(&[
        ("if(status=404, \"no\", \"yes\")", "no"),
        ("if(missing=1, \"no\", \"yes\")", "yes"),
        ("if(status=404, 1, \"x\")", "1"),
        ("if(true(), _time, 0)", "1772694489.01235"),
        ("case(status=1, \"a\", status=404, \"b\", 1==1, \"c\")", "b"),
        ("case(status=1, \"a\")", "null"),
        ("coalesce(missing, user, \"x\")", "Root"),
        ("coalesce(missing, 5)", "5"),
        ("coalesce(empty, \"x\")", ""),
        ("nullif(status, 404)", "null"),
        ("nullif(status, 200)", "404"),
        ("validate(isnum(status), \"not a number\", status<400, \"too large\")", "too large"),
        ("match(user, \"oo\")", "True"),
        ("match(user, \"^o\")", "False"),
        ("match(status, \"^4\\d\\d$\")", "True"),
        ("match(missing, \"a\")", "null"),
        ("match(user, user)", "True"),
        ("cidrmatch(\"10.0.0.0/8\", ip)", "True"),
        ("cidrmatch(\"11.0.0.0/8\", ip)", "False"),
        ("cidrmatch(\"10.0.0.0/8\", user)", "False"),
        ("in(status, 1, 404)", "True"),
        ("like(user, \"%oo_\")", "True"),
        ("searchmatch(\"opened user=root NOT closed\")", "True"),
        ("searchmatch(\"closed\")", "False"),
    ]);
}

#[test]
fn text_functions() {
    check(&[
        ("lower(user)", "root"),
        ("UPPER(user)", "ROOT"),
        ("len(user)", "4"),
        ("len(\"äö\")", "2"),
        ("len(count)", "1"),
        ("trim(\"  x \")", "x"),
        ("ltrim(\"xxay\", \"x\")", "ay"),
        ("rtrim(\"a/b//\", \"/\")", "a/b"),
        ("substr(user, 2)", "oot"),
        ("substr(user, -3, 2)", "oo"),
        ("replace(user, \"o+\", \"0\")", "R0t"),
        ("replace(ip, \"(\\d+)\\.(\\d+)\", \"\\2.\\1\")", "1.10.3.2"),
        ("replace(user, \"R\", \"$1\")", "$1oot"),
        ("urldecode(\"a%20b%C3%A4%zz\")", "a bä%zz"),
    ]);
}

#[test]
fn number_functions() {
    check(&[
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(1.005, 2)", "1.01"),
        ("round(1234.5, -2)", "1200"),
        ("floor(-1.5)", "-2"),
        ("ceil(1.2)", "2"),
        ("ceiling(1.2)", "2"),
        ("abs(-3)", "3"),
        ("sqrt(9)", "3"),
        ("sqrt(-1)", "null"),
        ("pow(2, 10)", "1024"),
        ("log(1000)", "3"),
        ("log(8, 2)", "3"),
        ("ln(exp(2))", "2"),
        ("round(pi(), 3)", "3.142"),
        ("min(3, 1, 2)", "1"),
        ("max(3, \"10\", 2)", "10"),
        ("max(3, \"foo\", 2)", "foo"),
        ("min(3, \"foo\")", "3"),
        ("sum(1, \"2\", user)", "3"),
        ("avg(1, 2, missing)", "1.5"),
        ("hypot(3, 4)", "5"),
        ("bit_and(12, 10)", "8"),
        ("random() >= 0", "True"),
        ("random() = random()", "False"),
    ]);
}

#[test]
fn conversions() {
    check(&[
        ("tonumber(\"42\")", "42"),
        ("tonumber(\"x\")", "null"),
        ("tonumber(\"ff\", 16)", "255"),
        ("tonumber(\"0xFF\", 16)", "255"),
        ("tonumber(\"12\", 2)", "null"),
        ("tostring(5)", "5"),
        ("tostring(1==1)", "True"),
        ("tostring(12345.678, \"commas\")", "12,345.68"),
        ("tostring(15, \"hex\")", "0xF"),
        ("tostring(615, \"duration\")", "00:10:15"),
        ("printf(\"%s has %05.1f\", user, bytes)", "Root has 1536.5"),
        ("md5(\"abc\")", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha1(\"abc\")", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha256(\"\")", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("substr(sha512(\"abc\"), 1, 16)", "ddaf35a193617aba"),
        ("md5(missing)", "null"),
        ("ipmask(\"255.255.0.0\", ip)", "10.1.0.0"),
    ]);
}

#[test]
fn times() {
    check(&[
        ("now()", "1772700000"),
        ("time() >= now()", "True"),
        ("strftime(_time, \"%F %T.%9N\")", "2026-03-05 07:08:09.012345678"),
        ("strftime(0, \"%F\")", "1970-01-01"),
        ("strftime(user, \"%F\")", "null"),
        ("strptime(\"2026-03-05\", \"%F\")", "1772668800"),
        ("strptime(user, \"%F\")", "null"),
        ("relative_time(0, \"+1d@d\")", "86400"),
        ("relative_time(now(), \"@d\")", "1772668800"),
        ("_time", "1772694489.01235"),
        ("round(now()-_time)", "5511"),
    ]);
    let batch = batch();
    let compiled = Expr::parse("_time+1").unwrap().compile_assignment("_time", &batch.schema(), &context()).unwrap();
    let column = compiled.evaluate(&batch);
    let column = column.as_primitive::<arrow::datatypes::TimestampNanosecondType>();
    assert_eq!(column.value(1), 1_000_000_000);
    assert_eq!(column.value(0) / 1_000, 1_772_694_490_012_345);
    let compiled = Expr::parse("now()").unwrap().compile_assignment("_time", &batch.schema(), &context()).unwrap();
    assert_eq!(compiled.evaluate(&batch).as_primitive::<arrow::datatypes::TimestampNanosecondType>().value(1), 1_772_700_000_000_000_000);
}

#[test]
fn questions() {
    check(&[
        ("isnull(missing)", "True"),
        ("isnull(empty)", "False"),
        ("isnotnull(user)", "True"),
        ("isnum(status)", "True"),
        ("isnum(\"404\")", "False"),
        ("isnum(user)", "False"),
        ("isint(bytes)", "False"),
        ("isint(count)", "True"),
        ("isstr(user)", "True"),
        ("isstr(missing)", "False"),
        ("isbool(1==1)", "True"),
        ("ismv(mv)", "True"),
        ("ismv(user)", "False"),
        ("typeof(user)", "String"),
        ("typeof(1)", "Number"),
        ("typeof(\"1\")", "String"),
        ("typeof(1==2)", "Boolean"),
        ("typeof(missing)", "Invalid"),
        ("typeof(null())", "Null"),
    ]);
}

#[test]
fn multivalues() {
    check(&[
        ("mv", "[b|a|10|a]"),
        ("mvcount(mv)", "4"),
        ("mvcount(user)", "1"),
        ("mvcount(missing)", "null"),
        ("mvindex(mv, 0)", "b"),
        ("mvindex(mv, -1)", "a"),
        ("mvindex(mv, 9)", "null"),
        ("mvindex(mv, 1, 2)", "[a|10]"),
        ("mvindex(mv, 1, -1)", "[a|10|a]"),
        ("mvjoin(mv, \",\")", "b,a,10,a"),
        ("mvdedup(mv)", "[b|a|10]"),
        ("mvsort(mv)", "[10|a|a|b]"),
        ("mvreverse(mv)", "[a|10|a|b]"),
        ("mvappend(user, mv, 5)", "[Root|b|a|10|a|5]"),
        ("mvappend(missing, missing)", "null"),
        ("mvfind(mv, \"^\\d\")", "2"),
        ("mvfind(mv, \"z\")", "null"),
        ("split(ip, \".\")", "[10|1|2|3]"),
        ("split(\"abc\", \"\")", "[a|b|c]"),
        ("mvrange(1, 8, 2)", "[1|3|5|7]"),
        ("mvrange(0, 7200, \"1h\")", "[0|3600]"),
        ("mvrange(0, 1e18)", "null"),
        ("mvzip(mv, split(\"x,y\", \",\"))", "[b,x|a,y]"),
        ("mvzip(user, ip, \"-\")", "[Root-10.1.2.3]"),
        ("mvfilter(match(mv, \"[ab]\"))", "[b|a|a]"),
        ("mvfilter(mv=\"z\")", "null"),
        ("commands(\"error | stats count by x | SORT 5 count\")", "[search|stats|sort]"),
        ("commands(\"| makeresults | eval a=\\\"x|y\\\"\")", "[makeresults|eval]"),
        ("commands(missing)", "null"),
        ("mvmap(mv, mv.\"-\".user)", "[b-Root|a-Root|10-Root|a-Root]"),
        ("mvmap(mv, if(isnum(mv), mv*2, null()))", "[20]"),
    ]);
}

#[test]
fn json_functions() {
    check(&[
        ("json_extract(json, \"a.b{0}.c\")", "1"),
        ("json_extract(json, \"a.b{}.c\")", "[1,\"x\"]"),
        ("json_extract(json, \"a.z\")", "null"),
        ("json_extract(json, \"n\")", "null"),
        ("json_extract(json, \"t\")", "true"),
        ("json_extract(json, \"t\", \"z\")", "[true,null]"),
        ("json_extract_exact(json, \"d.e\")", "5"),
        ("json_extract(user, \"a\")", "null"),
        ("spath(json, \"a.b{}.c\")", "[1|x]"),
        ("spath(json, \"a.b{1}.c\")", "x"),
        ("json_valid(json)", "True"),
        ("json_valid(user)", "False"),
        ("json_object(\"k\", 5, \"u\", user, \"l\", mv)", "{\"k\":5,\"u\":\"Root\",\"l\":[\"b\",\"a\",\"10\",\"a\"]}"),
        ("json_array(1.5, \"x\", missing)", "[1.5,\"x\",null]"),
        ("json_keys(json)", "[\"a\",\"n\",\"t\",\"d.e\"]"),
        ("json_array_to_mv(\"[1, \\\"x\\\", null]\")", "[1|x]"),
        ("json_array_to_mv(\"[1, \\\"x\\\", null]\", true())", "[1|\"x\"]"),
        ("json_entries(\"{\\\"a\\\":1,\\\"b\\\":[2]}\")", "[{\"key\":\"a\",\"value\":1},{\"key\":\"b\",\"value\":[2]}]"),
        ("json_entries(\"[1]\")", "null"),
        ("json_set_exact(\"{}\", \"a.b\", 5, \"c\", user)", "{\"a.b\":5,\"c\":\"Root\"}"),
        ("json_set_exact(\"[1]\", \"a\", 5)", "null"),
        ("isarray(\"[1]\")", "True"),
        ("isarray(json)", "False"),
        ("isobject(json)", "True"),
        ("isobject(user)", "False"),
        ("mv_to_json_array(mv)", "[\"b\",\"a\",\"10\",\"a\"]"),
        ("mv_to_json_array(mv, true())", "[\"b\",\"a\",10,\"a\"]"),
        ("json_set(\"{}\", \"a.b\", 5)", "{\"a\":{\"b\":5}}"),
        ("json_append(\"{\\\"a\\\":[1]}\", \"a\", json_array(2))", "{\"a\":[1,[2]]}"),
        ("json_extend(\"{\\\"a\\\":[1]}\", \"a\", json_array(2, 3))", "{\"a\":[1,2,3]}"),
        ("json_has_key_exact(json, \"d.e\")", "True"),
        ("json_has_key_exact(json, \"z\")", "False"),
        ("json_delete(\"{\\\"a\\\":1,\\\"b\\\":2}\", \"a\")", "{\"b\":2}"),
    ]);
}

#[test]
fn mistakes_are_named() {
    for (text, expected) in [
        ("", "missing"),
        ("1 +", "needs a value on its right"),
        ("(1", "not closed"),
        ("if(1==1, 2", "not closed"),
        ("\"abc", "not closed"),
        ("a < b < c", "cannot be chained"),
        ("4xx", "neither a number nor a name"),
        ("a b", "not understood after"),
        ("$a$", "not understood"),
        ("lowr(user)", "unknown function `lowr`"),
        ("if(1==1, 2)", "if takes 3 arguments, not 2"),
        ("now(1)", "no arguments"),
        ("coalesce()", "at least 1 argument"),
        ("case(1==1, 2, 3==3)", "a value after each condition"),
        ("match(user, \"(\")", "regular expression"),
        ("match(user, \"(?=a)\")", "regular expression"),
        ("cidrmatch(\"10.0.0.0/99\", ip)", "not a network"),
        ("if(user, 1, 2)", "condition"),
        ("user AND 1==1", "condition"),
        ("NOT 5", "condition"),
        ("tostring(5, \"comma\")", "knows no `comma`"),
        ("relative_time(now(), \"-1x\")", "unknown unit"),
        ("mvfilter(user=ip)", "exactly one field"),
        ("searchmatch(user)", "search in double quotes"),
        ("searchmatch(\"a AND\")", "AND needs"),
        ("in", "on its left"),
        ("a IN 1", "IN needs a list"),
        ("1e999", "too large"),
        ("round(foo bar)", "expected `,`, `)` or an operator, found `bar`"),
    ] {
        let error = error(text);
        assert!(error.message.contains(expected), "{text}: {}", error.message);
        assert!(error.span.is_some(), "{text}");
    }
    assert_eq!(error("lowr(user)").suggestions, ["lower"]);
    assert!(error("if(1==1, 2)").hint.unwrap().contains("if(condition, then, else)"));
    let batch = batch();
    let assigned = Expr::parse("a>b").unwrap().compile_assignment("x", &batch.schema(), &context());
    assert!(assigned.err().unwrap().hint.unwrap().contains("x=if(a > b"));
}

#[test]
fn an_expression_stops_where_it_cannot_go_on() {
    for (text, expected, rest) in [
        ("x+1, y=2", "x + 1", ", y=2"),
        ("count(x) by host", "count(x)", "by host"),
        ("a=1) tail", "a = 1", ") tail"),
        ("a AS b", "a", "AS b"),
        ("a | where b", "a", "| where b"),
    ] {
        let (expr, at) = parse_at(text, 0, text.len()).unwrap();
        assert_eq!((expr.to_string().as_str(), text[at..].trim()), (expected, rest));
    }
}

#[test]
fn required_fields() {
    let fields = |text: &str| Expr::parse(text).unwrap().required_fields().join(" ");
    assert_eq!(fields("if(a>b, 'c d', a).\"x\""), "a b c d");
    assert_eq!(fields("searchmatch(\"error user=root\") AND x IN (y, 1)"), "user _raw x y");
    assert_eq!(fields("now()"), "");
}

#[test]
fn deep_and_long_expressions() {
    assert!(error(&format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000))).message.contains("nested"));
    assert!(error(&"-".repeat(100_000)).message.contains("nested"));
    assert!(error(&format!("1{}", "+1".repeat(100_000))).message.contains("nested"));
    assert!(error(&"abs(".repeat(100_000)).message.contains("nested"));
    assert_eq!(value(&format!("1=1{}", " OR 1=1".repeat(20_000))), "True");
    for (open, close) in [("(", ")"), ("abs(", ")"), ("-", ""), ("NOT ", ""), ("1+(", ")"), ("if(1==1, ", ", 2)"), ("mvappend(", ")")] {
        for depth in [30, 45, 90] {
            let text = format!("{}{}{}", open.repeat(depth), if open == "NOT " { "1=1" } else { "1" }, close.repeat(depth));
            if let Ok(expr) = Expr::parse(&text) {
                expr.compile(&batch().schema(), &context()).unwrap().evaluate(&batch());
            } else {
                assert!(depth > 30, "{text}");
            }
        }
    }
}

#[test]
fn search_over_rows() {
    let batch = batch();
    let mask = |text: &str| {
        let expr = Expr::from_search(SearchExpr::parse(text).unwrap());
        let compiled = expr.compile_predicate(&batch.schema(), &context()).unwrap();
        compiled.evaluate_predicate(&batch).iter().map(|value| value.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(mask("user=root"), [true, false]);
    assert_eq!(mask("user!=x"), [true, false]);
    assert_eq!(mask("NOT user=x"), [true, true]);
    assert_eq!(mask("count>=7"), [true, false]);
    assert_eq!(mask("bytes<2000 status IN (4*)"), [true, false]);
    assert_eq!(mask("mv=A"), [true, false]);
    assert_eq!(mask("mv!=a"), [true, false]);
    assert_eq!(mask("*"), [true, true]);
    assert_eq!(mask("missing=*"), [false, false]);
}

#[test]
fn the_manual_is_true_and_names_every_function() {
    let manual = include_str!("../../../../docs/manual/search.md");
    let (_, table) = manual.split_once("| expression | value |\n|---|---|\n").unwrap();
    let mut computed = 0;
    for line in table.lines().take_while(|line| line.starts_with('|')) {
        let parts: Vec<&str> = line.split('`').collect();
        assert_eq!(value(parts[1]), parts[3], "{line}");
        computed += 1;
    }
    assert!(computed > 20);
    for info in functions() {
        assert!(
            manual.contains(&format!("| `{}` |", info.syntax.replace('|', "\\|"))),
            "{} is not in the manual as {}",
            info.name,
            info.syntax
        );
    }
}

fn leaf() -> impl Strategy<Value = ExprKind> {
    prop_oneof![
        "[ -~ä\\n]{0,6}".prop_map(ExprKind::Text),
        any::<f64>().prop_map(|number| ExprKind::Number(if number.is_finite() { number.abs() } else { 1.0 })),
        (0_u32..1000).prop_map(|number| ExprKind::Number(f64::from(number))),
        "[a-z_]{1,5}".prop_map(ExprKind::Field),
        "[ -~]{1,5}".prop_map(ExprKind::Field),
        Just(ExprKind::Field("And".to_owned())),
        Just(ExprKind::Search(SearchExpr::parse("a OR \"b c\" d=5").unwrap())),
    ]
}

fn tree() -> impl Strategy<Value = Expr> {
    use BinaryOp::{Add, Concat, Divide, Equal, GreaterEqual, Like, Modulo, Multiply, NotEqual, Subtract, Xor};
    let ops = vec![Multiply, Divide, Modulo, Add, Subtract, Concat, Equal, NotEqual, GreaterEqual, Like, Xor];
    let at = |kind| Expr::new(kind, Span::default());
    leaf().prop_map(at).prop_recursive(5, 40, 3, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        // No list directly inside a list of its kind: parsing makes one of both.
        let parts = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            (prop::sample::select(ops.clone()), boxed.clone(), boxed.clone())
                .prop_map(|(op, left, right)| ExprKind::Binary(op, left, right)),
            (any::<bool>(), boxed.clone())
                .prop_map(|(minus, inner)| ExprKind::Unary(if minus { UnaryOp::Minus } else { UnaryOp::Not }, inner)),
            parts.clone().prop_filter("flat", |parts| parts.iter().all(|p| !matches!(p.kind, ExprKind::And(_)))).prop_map(ExprKind::And),
            parts.prop_filter("flat", |parts| parts.iter().all(|p| !matches!(p.kind, ExprKind::Or(_)))).prop_map(ExprKind::Or),
            (boxed, prop::collection::vec(inner.clone(), 0..3)).prop_map(|(left, items)| ExprKind::In(left, items)),
            ("[a-z_]{2,5}", prop::collection::vec(inner, 0..3))
                .prop_filter("keywords", |(name, _)| !["and", "or", "not", "xor"].contains(&name.as_str()))
                .prop_map(|(name, args)| ExprKind::Call(name, args)),
        ]
        .prop_map(at)
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same_tree(tree in tree()) {
        let printed = tree.to_string();
        let (back, at) = parse_at(&printed, 0, printed.len()).map_err(|error| TestCaseError::fail(error.render(&printed)))?;
        prop_assert_eq!(at, printed.len(), "{}", printed);
        prop_assert_eq!(&back, &tree, "{}", printed);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ -~ä()\"'=!<>*,.a0\\n]{0,40}") {
        if let Err(error) = Expr::parse(&text) {
            error.render(&text);
        }
    }
}
