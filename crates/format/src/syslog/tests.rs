//! Headers as real senders write them.

use super::*;

/// The header's parts as `kind pri|time|host|app|procid|msgid|data|message`, missing ones empty.
fn shown(line: &str) -> String {
    let header = header(line.as_bytes());
    let text = |span: Option<Span>| span.map_or("", |s| &line[s.range()]);
    let kind = if header.kind == Kind::Rfc5424 { 5 } else { 3 };
    let wrong = if header.problems.contains(Problems::MALFORMED) { " !" } else { "" };
    let parts = [header.priority, header.time, header.host, header.app, header.procid, header.msgid, header.data, Some(header.message)];
    format!("{kind} {}{wrong}", parts.map(text).join("|"))
}

#[track_caller]
fn check(line: &str, want: &str) {
    assert_eq!(shown(line), want, "{line:?}");
}

#[test]
fn rfc_3164() {
    check(
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        "3 34|Oct 11 22:14:15|mymachine|su||||'su root' failed for lonvick on /dev/pts/8",
    );
    check("<13>Nov 21 21:14:03 web su:'su root' failed", "3 13|Nov 21 21:14:03|web|su||||'su root' failed");
    check("Nov 21 19:36:40 vm sshd[2998]: Connection from x", "3 |Nov 21 19:36:40|vm|sshd|2998|||Connection from x");
    check("<13>Nov 21 21:14:03 web kernel: [  1.5] x", "3 13|Nov 21 21:14:03|web|kernel||||[  1.5] x");
    check("Jun 14 15:16:01 combo sshd(pam_unix)[19939]: failure", "3 |Jun 14 15:16:01|combo|sshd(pam_unix)|19939|||failure");
    check("Nov 21 21:14:03 web sudo:    alice : TTY=x", "3 |Nov 21 21:14:03|web|sudo||||   alice : TTY=x");
    check("Nov 21 21:14:03 web last message repeated 2 times", "3 |Nov 21 21:14:03|web|||||last message repeated 2 times");
    check("Nov 21 21:14:03 web postfix/smtpd[7]: x", "3 |Nov 21 21:14:03|web|postfix/smtpd|7|||x");
    check("2026-11-21T19:36:41.120+01:00 vm app[7]: x", "3 |2026-11-21T19:36:41.120+01:00|vm|app|7|||x");
    check("<13>2026-11-21 19:36:41 vm app: x", "3 13|2026-11-21 19:36:41|vm|app||||x");
    check("<13>Nov 05 21:14:03 web app: x", "3 13|Nov 05 21:14:03|web|app||||x");
    check("<13>Nov 21 21:14:03 fe80::1 app: x", "3 13|Nov 21 21:14:03|fe80::1|app||||x");
    check("<13>Nov 21 21:14:03 2025 web app: x", "3 13|Nov 21 21:14:03|web|app||||x");
}

#[test]
fn what_senders_leave_out() {
    check("<12>hello x\0", "3 12|||||||hello x");
    check("<12>app[7]: hello\r\n", "3 12|||app|7|||hello");
    check("<13>Nov 21 21:14:03 app: no host", "3 13|Nov 21 21:14:03||app||||no host");
    check("<13>Nov 21 21:14:03", "3 13|Nov 21 21:14:03||||||");
    check("no header at all", "3 |||||||no header at all");
    check("", "3 |||||||");
    check("<>", "3 |||||||<>");
    check("<13>", "3 13|||||||");
    check("<999>x", "3 999|||||||x !");
    check("<abc>x", "3 abc|||||||x !");
    check("<13x", "3 |||||||<13x");
}

#[test]
fn cisco() {
    check(
        "<189>123: *Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I: Configured from console",
        "3 189|Mar  1 18:46:11.123||%SYS-5-CONFIG_I||||Configured from console",
    );
    check("<189>123: router1: *Mar  1 18:46:11: %SYS-5-X: y", "3 189|Mar  1 18:46:11|router1|%SYS-5-X||||y");
    check("<189>123: .Mar  1 18:46:11: %SYS-5-X: y", "3 189|Mar  1 18:46:11||%SYS-5-X||||y");
    check("<166>Nov 21 2026 21:14:03: %ASA-6-302013: Built", "3 166|Nov 21 2026 21:14:03||%ASA-6-302013||||Built");
    check("<166>Nov 21 2026 21:14:03 asa1 : %ASA-6-302013: Built", "3 166|Nov 21 2026 21:14:03|asa1|%ASA-6-302013||||Built");
}

#[test]
fn rfc_5424() {
    check(
        "<165>1 2003-10-11T22:14:15.003Z host.example evntslog 7 ID47 [ex@32473 iut=\"3\" a=\"q \\\" ]\"][b x=\"\"] \u{feff}An event",
        "5 165|2003-10-11T22:14:15.003Z|host.example|evntslog|7|ID47|[ex@32473 iut=\"3\" a=\"q \\\" ]\"][b x=\"\"]|An event",
    );
    check("<34>1 - - - - - - x", "5 34|||||||x");
    check("<34>1 - - - - - -", "5 34|||||||");
    check("<34>1 2026-11-21T21:14:03Z h a - - - msg", "5 34|2026-11-21T21:14:03Z|h|a||||msg");
    check("<34>1 2026-11-21T21:14:03Z h a - - [bad x=1] msg", "5 34|2026-11-21T21:14:03Z|h|a||||[bad x=1] msg !");
    check("<34>1 2026-11-21T21:14:03Z h a - - no data", "5 34|2026-11-21T21:14:03Z|h|a||||no data !");
    check("<34>1 2026-11-21T21:14:03Z h", "5 34|2026-11-21T21:14:03Z|h||||| !");
    check("<34>1 ", "5 34||||||| !");
}

#[test]
fn names_of_priorities() {
    assert_eq!((facility(165), severity(165)), ("local4", "notice"));
    assert_eq!((facility(0), severity(0)), ("kern", "emerg"));
    assert_eq!((facility(191), severity(191)), ("local7", "debug"));
    assert_eq!(priority_number(b"192"), None);
    assert_eq!(priority_number(b"007"), Some(7));
}
