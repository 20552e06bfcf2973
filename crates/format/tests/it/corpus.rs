//! Real logs: the time of each line is found, and the formats are recognised.

use crate::{NOW, decoder};
use std::path::PathBuf;
use taffrail_event::{EventBatch, Problems};
use taffrail_format::{Formats, LineBreaker, detect};
use taffrail_pattern::{FieldPlan, FieldResolver, Pattern, Piece, PlanPiece, split};

fn corpus() -> Option<PathBuf> {
    let found = std::env::var_os("TAFFRAIL_CORPUS").map(PathBuf::from).filter(|p| p.is_dir());
    if found.is_none() {
        eprintln!("skipped: no corpus");
    }
    found
}

fn decode(bytes: &[u8]) -> EventBatch {
    let mut decoder = decoder("");
    decoder.sample(&bytes[..bytes.len().min(8192)]);
    let mut batch = EventBatch::new(NOW);
    let mut breaker = LineBreaker::new();
    for chunk in bytes.chunks(60_000) {
        breaker.push(chunk, |frame| decoder.decode(&mut batch, frame));
    }
    breaker.finish(|frame| decoder.decode(&mut batch, frame));
    batch
}

#[test]
fn the_time_of_every_loghub_line() {
    let Some(corpus) = corpus() else { return };
    for (name, sourcetype, first) in [
        ("Linux", "syslog", "2026-06-14T15:16:01Z"),
        ("OpenSSH", "syslog", "2025-12-10T06:55:46Z"),
        ("Apache", "text", "2005-12-04T04:47:44Z"),
        ("HDFS", "text", "2008-11-09T20:36:15Z"),
        ("Hadoop", "text", "2015-10-18T18:01:47.978Z"),
        ("Zookeeper", "text", "2015-07-29T17:41:44.747Z"),
        ("Android", "text", "2026-03-17T16:13:38.811Z"),
        ("Windows", "text", "2016-09-28T04:30:30Z"),
    ] {
        let bytes = std::fs::read(corpus.join(format!("loghub/{name}/{name}_2k.log"))).expect(name);
        assert_eq!(detect(&bytes), sourcetype, "{name}");
        let batch = decode(&bytes);
        assert!(batch.len() >= 1_999, "{name}: {}", batch.len());
        assert_eq!(batch.event(0).time.to_string(), first, "{name}");
        for event in batch.iter() {
            let wrong = event.problems.contains(Problems::NO_TIME) || event.problems.contains(Problems::BAD_TIME);
            assert!(!wrong, "{name}: no time in {:?}", String::from_utf8_lossy(event.raw));
        }
        let back: Vec<u8> = batch.iter().flat_map(|e| [e.raw, b"\n"].concat()).collect();
        assert_eq!(&back[..bytes.len()], &bytes[..], "{name}: the bytes come back");
    }
}

#[test]
fn the_recorded_logs() {
    let Some(corpus) = corpus() else { return };
    for (name, sourcetype, untimed_max) in [
        ("nginx-access-1m.log.zst", "access_combined", 0),
        ("sshd-auth.log.zst", "syslog", 0),
        // Statements of several lines, and the tables in them.
        ("postgresql-1m.log.zst", "text", 20_000),
    ] {
        let Ok(file) = std::fs::File::open(corpus.join("real").join(name)) else {
            eprintln!("skipped: no {name}");
            continue;
        };
        let mut bytes = vec![0; 8 << 20];
        let mut reader = zstd::Decoder::new(file).expect("a zstd file");
        let mut len = 0;
        while let Ok(n @ 1..) = std::io::Read::read(&mut reader, &mut bytes[len..]) {
            len += n;
        }
        let batch = decode(&bytes[..len]);
        assert_eq!(&*batch.event(0).origin.sourcetype, sourcetype, "{name}");
        let untimed = batch.iter().filter(|e| e.problems.contains(Problems::NO_TIME)).count();
        assert!(untimed <= untimed_max + 1, "{name}: {untimed} of {} without a time", batch.len());
    }
}

/// Every file of the awkward kind: nothing panics, and what the pattern says is what the event says.
#[test]
fn patterns_of_awkward_files_agree_with_their_events() {
    let Some(corpus) = corpus() else { return };
    let formats = Formats::new();
    let (mut tokens, mut shape) = (Vec::new(), Vec::new());
    let mut compared = 0;
    for entry in std::fs::read_dir(corpus.join("lnav")).expect("the folder") {
        let path = entry.expect("an entry").path();
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let sourcetype = detect(&bytes);
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate().take(200) {
            // A Text of a plan is a string: bytes that are none are compared elsewhere.
            if std::str::from_utf8(line).is_err() || !split::split(line, &mut tokens, &mut shape, 10_000) {
                continue;
            }
            let (mut pieces, mut values, mut at) = (Vec::new(), Vec::new(), 0);
            for (_, token) in tokens.iter().enumerate().filter(|(n, _)| (n + number) % 3 != 0) {
                pieces.push(Piece::Text(line[at..token.start as usize].to_vec()));
                pieces.push(Piece::Slot(token.kind));
                values.push(token.of(line));
                at = token.end as usize;
            }
            pieces.push(Piece::Text(line[at..].to_vec()));
            let pattern = Pattern::new(pieces);
            for (name, value) in formats.fields_of_event(sourcetype, line) {
                let plan = formats.resolve(sourcetype, &pattern, &[], &name);
                assert_eq!(evaluate(&plan, &values, line), Some(value), "{name} by {plan:?} of {pattern} in {}", path.display());
                compared += 1;
            }
        }
    }
    assert!(compared > 1_000, "{compared}");
}

fn evaluate(plan: &FieldPlan, values: &[&[u8]], line: &[u8]) -> Option<String> {
    let join = |pieces: &[PlanPiece]| {
        let part = |piece: &PlanPiece| match piece {
            PlanPiece::Text(text) => text.clone().into_bytes(),
            PlanPiece::Slot(slot) => values[*slot].to_vec(),
        };
        pieces.iter().flat_map(part).collect::<Vec<u8>>()
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
