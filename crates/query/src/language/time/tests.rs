//! Times as typed, through daylight saving and short months.

use super::*;

fn at(text: &str) -> Timestamp {
    clamped(text.parse().unwrap())
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// Resolves at 2026-10-21T14:37:52.5Z, a Wednesday.
fn utc(text: &str) -> String {
    resolve(text, at("2026-10-21T14:37:52.5Z"), &TimeZone::UTC).unwrap().to_string()
}

#[test]
fn relative_times() {
    for (text, expected) in [
        ("now", "2026-10-21T14:37:52.500Z"),
        ("now()", "2026-10-21T14:37:52.500Z"),
        ("-1h", "2026-10-21T13:37:52.500Z"),
        ("-h", "2026-10-21T13:37:52.500Z"),
        ("+5min", "2026-10-21T14:42:52.500Z"),
        ("-24hrs", "2026-10-20T14:37:52.500Z"),
        ("-1d", "2026-10-20T14:37:52.500Z"),
        ("-1mon", "2026-09-21T14:37:52.500Z"),
        ("-1m", "2026-10-21T14:36:52.500Z"),
        ("-2q", "2026-04-21T14:37:52.500Z"),
        ("-1y", "2025-10-21T14:37:52.500Z"),
        ("@s", "2026-10-21T14:37:52Z"),
        ("@h", "2026-10-21T14:00:00Z"),
        ("@d", "2026-10-21T00:00:00Z"),
        ("@w", "2026-10-18T00:00:00Z"),
        ("@w0", "2026-10-18T00:00:00Z"),
        ("@w7", "2026-10-18T00:00:00Z"),
        ("@w1", "2026-10-19T00:00:00Z"),
        ("@w3", "2026-10-21T00:00:00Z"),
        ("@w4", "2026-10-15T00:00:00Z"),
        ("@mon", "2026-10-01T00:00:00Z"),
        ("@q", "2026-10-01T00:00:00Z"),
        ("@y", "2026-01-01T00:00:00Z"),
        ("-1d@d+2h", "2026-10-20T02:00:00Z"),
        ("@d-1h", "2026-10-20T23:00:00Z"),
        ("-1mon@mon+7d", "2026-09-08T00:00:00Z"),
        ("-1D@D", "2026-10-20T00:00:00Z"),
    ] {
        assert_eq!(utc(text), expected, "{text}");
    }
}

#[test]
fn absolute_times() {
    for (text, expected) in [
        ("1", "1970-01-01T00:00:01Z"),
        ("1700000000.25", "2023-11-14T22:13:20.250Z"),
        ("1700000000123", "2023-11-14T22:13:20.123Z"),
        ("10/19/2026:08:30:00", "2026-10-19T08:30:00Z"),
        ("10/19/2026", "2026-10-19T00:00:00Z"),
        ("2026-10-19", "2026-10-19T00:00:00Z"),
        ("2026-10-19T08:00:00Z", "2026-10-19T08:00:00Z"),
        ("2026-10-19T08:00:00+02:00", "2026-10-19T06:00:00Z"),
        ("2026-10-19 08:00:00", "2026-10-19T08:00:00Z"),
        ("2026-10-19T08:00", "2026-10-19T08:00:00Z"),
    ] {
        assert_eq!(utc(text), expected, "{text}");
    }
    assert_eq!(resolve("0", at("2026-10-21T14:37:52Z"), &TimeZone::UTC), Ok(Timestamp::MIN));
}

#[test]
fn the_zone_of_the_user_counts() {
    let berlin = zone("Europe/Berlin");
    let now = at("2026-10-21T22:30:00Z"); // 00:30 on the 22nd in Berlin
    assert_eq!(resolve("@d", now, &berlin).unwrap(), at("2026-10-21T22:00:00Z"));
    assert_eq!(resolve("2026-10-19", now, &berlin).unwrap(), at("2026-10-18T22:00:00Z"));
    let kolkata = zone("Asia/Kolkata");
    assert_eq!(resolve("@h", at("2026-10-21T22:45:00Z"), &kolkata).unwrap(), at("2026-10-21T22:30:00Z"));
}

#[test]
fn days_are_calendar_days_when_the_clock_changes() {
    let berlin = zone("Europe/Berlin");
    // The clock goes back on 2026-10-25 at 03:00: that day has 25 hours.
    let now = at("2026-10-25T11:00:00Z"); // 12:00
    assert_eq!(resolve("-1d", now, &berlin).unwrap(), at("2026-10-24T10:00:00Z"));
    assert_eq!(resolve("-24h", now, &berlin).unwrap(), at("2026-10-24T11:00:00Z"));
    assert_eq!(resolve("@d", now, &berlin).unwrap(), at("2026-10-24T22:00:00Z"));
    // The hour from 02:00 comes twice; each has its own start.
    assert_eq!(resolve("@h", at("2026-10-25T00:30:00Z"), &berlin).unwrap(), at("2026-10-25T00:00:00Z"));
    assert_eq!(resolve("@h", at("2026-10-25T01:30:00Z"), &berlin).unwrap(), at("2026-10-25T01:00:00Z"));
}

#[test]
fn months_are_clamped_to_their_last_day() {
    let now = at("2026-03-31T10:00:00Z");
    assert_eq!(resolve("-1mon", now, &TimeZone::UTC).unwrap(), at("2026-02-28T10:00:00Z"));
    assert_eq!(resolve("-1mon", at("2024-03-31T10:00:00Z"), &TimeZone::UTC).unwrap(), at("2024-02-29T10:00:00Z"));
    assert_eq!(resolve("-1y", at("2024-02-29T10:00:00Z"), &TimeZone::UTC).unwrap(), at("2023-02-28T10:00:00Z"));
}

#[test]
fn what_is_no_time_says_what_is() {
    let fails = |text: &str| resolve(text, at("2026-10-21T14:37:52Z"), &TimeZone::UTC).unwrap_err();
    assert_eq!(fails("24h").suggestions, ["-24h"]);
    assert!(fails("-5x").message.contains("unknown unit of time `x`"));
    assert!(fails("-5").message.contains("missing") || fails("-5x").hint.is_some());
    assert!(fails("@w9").message.contains("w0"));
    assert!(fails("rt-5m").hint.unwrap().contains("tail"));
    for text in [
        "",
        "@",
        "-",
        "+",
        "yesterday",
        "-99999999999999999999d",
        "-999999999y",
        "13/45/2026:00:00:00",
        "nowx",
        "@d@",
        "ä",
        "-ä",
        "2026-13-01",
    ] {
        fails(text);
    }
}

#[test]
fn spans_parse() {
    assert_eq!(TimeSpan::parse("10m"), Some(TimeSpan::new(10, SpanUnit::Minute)));
    assert_eq!(TimeSpan::parse("1mon"), Some(TimeSpan::new(1, SpanUnit::Month)));
    assert_eq!(TimeSpan::parse("500ms"), Some(TimeSpan::new(500, SpanUnit::Millisecond)));
    assert_eq!(TimeSpan::parse("d"), Some(TimeSpan::new(1, SpanUnit::Day)));
    assert_eq!(TimeSpan::parse("1w@w1"), Some(TimeSpan { count: 1, unit: SpanUnit::Week, week_start: Some(1) }));
    assert_eq!(TimeSpan::parse("1d@d"), Some(TimeSpan::new(1, SpanUnit::Day)));
    for text in ["", "10", "0m", "-1m", "10x", "1w@w9", "1.5h", "99999999999999999999s", "9999999999y"] {
        assert_eq!(TimeSpan::parse(text), None, "{text}");
    }
    assert_eq!(TimeSpan::parse("1w@w1").unwrap().to_string(), "1w@w1");
}

#[test]
fn spans_are_aligned() {
    let floor = |span: &str, time: &str, tz: &TimeZone| TimeSpan::parse(span).unwrap().floor(at(time), tz).to_string();
    let utc = TimeZone::UTC;
    assert_eq!(floor("10m", "2026-10-21T14:37:52.5Z", &utc), "2026-10-21T14:30:00Z");
    assert_eq!(floor("7s", "1970-01-01T00:00:15Z", &utc), "1970-01-01T00:00:14Z");
    assert_eq!(floor("1d", "2026-10-21T14:37:52Z", &utc), "2026-10-21T00:00:00Z");
    assert_eq!(floor("1w", "2026-10-21T14:37:52Z", &utc), "2026-10-15T00:00:00Z"); // a Thursday
    assert_eq!(floor("1w@w0", "2026-10-21T14:37:52Z", &utc), "2026-10-18T00:00:00Z");
    assert_eq!(floor("1w@w1", "2026-10-21T14:37:52Z", &utc), "2026-10-19T00:00:00Z");
    assert_eq!(floor("1mon", "2026-10-21T14:37:52Z", &utc), "2026-10-01T00:00:00Z");
    assert_eq!(floor("1q", "2026-11-21T14:37:52Z", &utc), "2026-10-01T00:00:00Z");
    assert_eq!(floor("1y", "2026-11-21T14:37:52Z", &utc), "2026-01-01T00:00:00Z");
    assert_eq!(floor("10m", "1969-12-31T23:59:59Z", &utc), "1969-12-31T23:50:00Z");
    let berlin = zone("Europe/Berlin");
    assert_eq!(floor("1d", "2026-10-25T11:00:00Z", &berlin), "2026-10-24T22:00:00Z");
    let day = TimeSpan::parse("1d").unwrap();
    let start = day.floor(at("2026-10-25T11:00:00Z"), &berlin);
    assert_eq!(day.next(start, &berlin), at("2026-10-25T23:00:00Z")); // 25 hours later
    assert_eq!(day.fixed_nanos(&berlin), None);
    assert_eq!(day.fixed_nanos(&utc), Some(86_400_000_000_000));
    assert_eq!(TimeSpan::parse("1mon").unwrap().next(at("2026-01-01T00:00:00Z"), &utc), at("2026-02-01T00:00:00Z"));
    // The ends of time do not panic.
    for span in ["1us", "7s", "1d", "1w@w3", "1mon", "10000y"] {
        let span = TimeSpan::parse(span).unwrap();
        for time in [Timestamp::MIN, Timestamp::MAX] {
            span.next(span.floor(time, &berlin), &berlin);
        }
    }
}

#[test]
fn strftime_variables() {
    let time = at("2026-03-05T07:08:09.012345678Z"); // a Thursday
    let utc = |format: &str| TimeFormat::new(format).format(time, &TimeZone::UTC);
    for (format, expected) in [
        ("%Y-%m-%d %H:%M:%S", "2026-03-05 07:08:09"),
        ("%F %T", "2026-03-05 07:08:09"),
        ("%D %R", "03/05/26 07:08"),
        ("%y|%e|%j|%k|%I|%p", "26| 5|064| 7|07|AM"),
        ("%A %a %w %u %B %b %h", "Thursday Thu 4 4 March Mar Mar"),
        ("%U %W %V %G", "09 09 10 2026"),
        ("%s.%3N %6N %9N %N", "1772694489.012 012345 012345678 012345678"),
        ("%Q %6Q %f", "012 012345 012345"),
        ("%z %:z %::z %Z", "+0000 +00:00 +00:00:00 UTC"),
        ("%c", "Thu Mar  5 07:08:09 2026"),
        ("%x %X", "03/05/2026 07:08:09"),
        ("%+", "Thu Mar  5 07:08:09 UTC 2026"),
        ("100%% %! é %", "100% %! é %"),
    ] {
        assert_eq!(utc(format), expected, "{format}");
    }
    let berlin = zone("Europe/Berlin");
    assert_eq!(TimeFormat::new("%H:%M %Z %z %:z").format(time, &berlin), "08:08 CET +0100 +01:00");
    assert_eq!(TimeFormat::new("%I %p").format(at("2026-03-05T12:00:00Z"), &TimeZone::UTC), "12 PM");
    assert_eq!(TimeFormat::new("%I %p").format(at("2026-03-05T00:00:00Z"), &TimeZone::UTC), "12 AM");
}

#[test]
fn strptime_variables() {
    let now = at("2026-10-21T14:37:52Z");
    let parse = |text: &str, format: &str| TimeFormat::new(format).parse(text, now, &TimeZone::UTC).map(|time| time.to_string());
    for (text, format, expected) in [
        ("2026-03-05 07:08:09", "%Y-%m-%d %H:%M:%S", "2026-03-05T07:08:09Z"),
        ("2026-03-05T07:08:09.25Z", "%FT%T.%N%Z", "2026-03-05T07:08:09.250Z"),
        ("05/Mar/2026:07:08:09 +0100", "%d/%b/%Y:%H:%M:%S %z", "2026-03-05T06:08:09Z"),
        ("05/Mar/2026:07:08:09 -05:30", "%d/%b/%Y:%H:%M:%S %:z", "2026-03-05T12:38:09Z"),
        ("Mar  5 07:08:09", "%b %d %H:%M:%S", "2026-03-05T07:08:09Z"),
        ("Thursday, March 5, 2026", "%A, %B %d, %Y", "2026-03-05T00:00:00Z"),
        ("07:30", "%H:%M", "2026-10-21T07:30:00Z"),
        ("12:30 am", "%I:%M %p", "2026-10-21T00:30:00Z"),
        ("1:05 PM", "%I:%M %p", "2026-10-21T13:05:00Z"),
        ("1772694489.5", "%s", "2026-03-05T07:08:09.500Z"),
        ("2026 064", "%Y %j", "2026-03-05T00:00:00Z"),
        ("26-03", "%y-%m", "2026-03-01T00:00:00Z"),
        ("2026-03-05 and more", "%Y-%m-%d", "2026-03-05T00:00:00Z"),
        ("23:59:60", "%T", "2026-10-21T23:59:59Z"),
    ] {
        assert_eq!(parse(text, format).as_deref(), Some(expected), "{text} {format}");
    }
    for (text, format) in [
        ("", "%Y"),
        ("x", "%Y"),
        ("2026-13-01", "%F"),
        ("25:00", "%H:%M"),
        ("2026-02-30", "%F"),
        ("Foo", "%b"),
        ("5 ä", "%d %p"),
        ("2026 400", "%Y %j"),
    ] {
        assert_eq!(parse(text, format), None, "{text} {format}");
    }
}

#[test]
fn seconds_keep_their_microseconds() {
    assert_eq!(from_seconds_f64(1_700_000_000.123_456), Some(Timestamp(1_700_000_000_123_456_000)));
    assert_eq!(from_seconds_f64(-0.5), Some(Timestamp(-500_000_000)));
    assert_eq!(from_seconds_f64(f64::NAN), None);
    assert_eq!(from_seconds_f64(1e18), None);
}
