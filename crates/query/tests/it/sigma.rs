//! What converters of Sigma rules write has to parse, and to print as what parses to the same.

use taffrail_query::language::Pipeline;
use taffrail_query::pipeline::Query;

const QUERIES: [&str; 13] = [
    "EventID=4625 TargetUserName=\"adm*\"",
    "CommandLine=\"*foo bar*\" CommandLine=\"*b*z*\"",
    "Image IN (\"*\\\\cmd.exe\", \"*\\\\ps.exe\")",
    "Ip=\"10.0.0.0/8\"",
    "Ex=* E=\"\"",
    "\"mimi katz\" OR \"l0pht\"",
    "NOT A=\"x\"",
    "A=\"*sp\\\"q\\\\z**\"",
    "*\n| where 'A'='B'",
    "EventID=4625\n\n| bin _time span=1h\n| stats count as event_count by _time TargetUserName IpAddress\n\n| search event_count >= 10",
    "EventID=4625\n\n| bin _time span=15m\n| stats dc(TargetUserName) as value_count by _time IpAddress\n\n| search value_count >= 5",
    "| multisearch\n[ search EventID=4625 | eval event_type=\"failed\" ]\n[ search EventID=4624 | eval event_type=\"ok\" ]\n\n| bin _time span=10m\n\n\
     | stats dc(event_type) as event_type_count by _time TargetUserName\n\n| search event_type_count >= 2",
    "(EventID=1 OR EventID=2) NOT (User IN (\"SYSTEM\", \"LOCAL*\") ParentImage=\"*\\\\svchost.exe\")",
];

#[test]
fn rules_parse_and_print() {
    for text in QUERIES {
        let printed = Query::parse(text).unwrap_or_else(|error| panic!("{}", error.render(text))).to_string();
        let again = Query::parse(&printed).unwrap_or_else(|error| panic!("{}", error.render(&printed)));
        assert_eq!(again.to_string(), printed, "{text}");
    }
}

#[test]
fn a_regex_may_have_pipes_and_quotes() {
    let text = "*\n| regex Re=\"a|b\\\"c$\"";
    let pipeline = Pipeline::parse(text, &["regex"]).unwrap_or_else(|error| panic!("{}", error.render(text)));
    assert_eq!(pipeline.commands.len(), 1);
    assert_eq!(pipeline.commands[0].args.remaining(), "Re=\"a|b\\\"c$\"");
}
