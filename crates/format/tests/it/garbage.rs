//! Garbage in: nothing panics, nothing is lost, nothing takes for ever.

use crate::{NOW, decoder};
use proptest::prelude::*;
use taffrail_event::{EventBatch, Problems};
use taffrail_format::{Formats, Frame, LineBreaker, SyslogFramer};
use taffrail_pattern::{FieldResolver, Pattern};

const SOURCETYPES: [&str; 6] = ["", "syslog", "json", "access_common", "access_combined", "anything"];

fn decode(sourcetype: &str, raw: &[u8]) -> EventBatch {
    let mut batch = EventBatch::new(NOW);
    decoder(sourcetype).decode(&mut batch, Frame { raw, problems: Problems::NONE });
    batch
}

proptest! {
    #[test]
    fn any_bytes_are_kept(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0usize..6) {
        let batch = decode(SOURCETYPES[kind], &bytes);
        prop_assert_eq!(batch.len(), 1);
        prop_assert_eq!(batch.event(0).raw, &bytes[..]);
        prop_assert_eq!(batch.event(0).problems.contains(Problems::NOT_UTF8), std::str::from_utf8(&bytes).is_err());
        let formats = Formats::new();
        formats.fields_of_event(SOURCETYPES[kind], &bytes);
        formats.resolve(SOURCETYPES[kind], &Pattern::raw(), &[], "user");
    }

    #[test]
    fn bytes_that_look_like_something(text in "[<>0-9a-zA-Z \\[\\]{}\"'=:,;\\\\.+*?|&()/@%-]{0,120}", kind in 0usize..6) {
        let batch = decode(SOURCETYPES[kind], text.as_bytes());
        prop_assert_eq!(batch.event(0).raw, text.as_bytes());
        Formats::new().fields_of_event(SOURCETYPES[kind], text.as_bytes());
    }
}

#[test]
fn a_line_of_ten_megabytes() {
    let shapes: [&[u8]; 9] = [b"x", b"a=", b"\"", b"{\"a\":", b"[", b"\\", b"<13>", b"Nov 21 ", b"\0"];
    for unit in shapes {
        let line: Vec<u8> = unit.iter().copied().cycle().take(10_000_000).collect();
        for sourcetype in SOURCETYPES {
            let batch = decode(sourcetype, &line);
            assert_eq!(batch.event(0).raw.len(), line.len());
            Formats::new().fields_of_event(sourcetype, &line);
        }
        let mut lines = 0;
        LineBreaker::new().push(&line, |_| lines += 1);
        assert_eq!(lines, 0, "one line, not ended yet");
        let mut bytes = 0;
        let mut framer = SyslogFramer::new();
        for chunk in line.chunks(65_536) {
            framer.push(chunk, |f| bytes += f.raw.len());
        }
        framer.finish(|f| bytes += f.raw.len());
        assert!(bytes + 10_000_000 / unit.len() >= line.len(), "all but terminators");
    }
}

#[test]
fn the_year_9999_and_no_time_at_all() {
    let problems = |line: &str| {
        let batch = decode("", line.as_bytes());
        assert_eq!(batch.event(0).time, NOW, "{line}");
        batch.event(0).problems.names().collect::<Vec<_>>()
    };
    assert_eq!(problems("9999-12-31T23:59:59Z x"), ["bad_time"]);
    assert_eq!(problems("{\"time\":\"9999-12-31T23:59:59Z\"}"), ["bad_time"]);
    assert_eq!(problems("nothing"), ["no_time"]);
    assert_eq!(problems(""), ["no_time"]);
    assert_eq!(problems("{\"a\":1"), ["no_time", "malformed"]);
}
