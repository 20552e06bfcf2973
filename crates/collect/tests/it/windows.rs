//! Windows event logs (EVTX) and events in XML: whole, damaged, wrapped, packed, and ten thousand that nobody should write.

use crate::sink::{MemorySink, Stored, until};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_collect::evtx::EvtxReader;
use taffrail_collect::files::FileSettings;
use taffrail_collect::import::{ImportItem, ImportOptions, ImportProgress, ImportReport, import};
use taffrail_collect::input::{InputSettings, Stop};
use taffrail_event::Problems;

const SCHEMA: &str = "http://schemas.microsoft.com/win/2004/08/events/event";

/// 2026-11-21T21:14:03Z as Windows counts: 100 ns since 1601.
const FILETIME: u64 = 134_397_404_430_000_000;

/// Writes the binary XML of events without templates.
struct Writer(Vec<u8>);

impl Writer {
    fn wide(&mut self, text: &str) {
        text.encode_utf16().for_each(|unit| self.0.extend(unit.to_le_bytes()));
    }

    fn name(&mut self, name: &str) {
        let at = u32::try_from(self.0.len() + 4).unwrap();
        self.0.extend(at.to_le_bytes());
        self.0.extend([0; 6]);
        self.0.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        self.wide(name);
        self.0.extend([0; 2]);
    }

    fn value(&mut self, text: &str) {
        self.0.extend([5, 1]);
        self.0.extend(u16::try_from(text.encode_utf16().count()).unwrap().to_le_bytes());
        self.wide(text);
    }

    fn element(&mut self, name: &str, attributes: &[(&str, &str)], inside: impl FnOnce(&mut Self)) {
        self.0.push(if attributes.is_empty() { 0x01 } else { 0x41 });
        self.0.extend([0; 4]);
        self.name(name);
        if !attributes.is_empty() {
            self.0.extend([0; 4]);
        }
        for (name, value) in attributes {
            self.0.push(0x06);
            self.name(name);
            self.value(value);
        }
        self.0.push(0x02);
        inside(self);
        self.0.push(0x04);
    }
}

fn checksum(parts: &[&[u8]]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.sum().to_le_bytes()
}

/// A chunk with events of these numbers, each telling `text`.
fn chunk(numbers: std::ops::Range<u64>, text: &str) -> Vec<u8> {
    let mut writer = Writer(vec![0; 512]);
    let mut last_start = 0;
    for number in numbers.clone() {
        let start = writer.0.len();
        last_start = u32::try_from(start).unwrap();
        writer.0.extend([0x2a, 0x2a, 0, 0, 0, 0, 0, 0]);
        writer.0.extend(number.to_le_bytes());
        writer.0.extend(FILETIME.to_le_bytes());
        writer.0.extend([0x0f, 1, 1, 0]);
        writer.element("Event", &[("xmlns", SCHEMA)], |w| {
            w.element("System", &[], |w| {
                w.element("EventID", &[], |w| w.value("4625"));
                w.element("TimeCreated", &[("SystemTime", "2026-11-21T21:14:03.120Z")], |_| {});
                w.element("EventRecordID", &[], |w| w.value(&number.to_string()));
                w.element("Computer", &[], |w| w.value("DC1.example.org"));
            });
            w.element("EventData", &[], |w| w.element("Data", &[("Name", "Text")], |w| w.value(text)));
        });
        writer.0.push(0);
        while writer.0.len() % 8 != 4 {
            writer.0.push(0);
        }
        let len = u32::try_from(writer.0.len() + 4 - start).unwrap().to_le_bytes();
        writer.0.extend(len);
        writer.0[start + 4..start + 8].copy_from_slice(&len);
    }
    let mut bytes = writer.0;
    let free = bytes.len();
    assert!(free <= 65_536);
    let records = checksum(&[&bytes[512..]]);
    bytes.resize(65_536, 0);
    let (first, last) = (numbers.start.to_le_bytes(), (numbers.end - 1).to_le_bytes());
    bytes[..8].copy_from_slice(b"ElfChnk\0");
    for (at, value) in [(8, first), (16, last), (24, first), (32, last)] {
        bytes[at..at + 8].copy_from_slice(&value);
    }
    bytes[40..44].copy_from_slice(&128u32.to_le_bytes());
    bytes[44..48].copy_from_slice(&last_start.to_le_bytes());
    bytes[48..52].copy_from_slice(&u32::try_from(free).unwrap().to_le_bytes());
    bytes[52..56].copy_from_slice(&records);
    let header = checksum(&[&bytes[..120], &bytes[128..512]]);
    bytes[124..128].copy_from_slice(&header);
    bytes
}

/// An event log of these chunks.
fn evtx(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..8].copy_from_slice(b"ElfFile\0");
    bytes[32..36].copy_from_slice(&128u32.to_le_bytes());
    [bytes, chunks.concat()].concat()
}

fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn run(sink: &Arc<MemorySink>, item: ImportItem) -> ImportReport {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_stopper, stop) = Stop::channel();
    let progress = Arc::<ImportProgress>::default();
    import(vec![item], &ImportOptions::default(), &sink.context(), runtime.handle(), &progress, &stop).unwrap()
}

fn path(sink: &Arc<MemorySink>, path: &Path) -> ImportReport {
    run(sink, ImportItem::Path(path.to_path_buf()))
}

fn record_ids(events: &[Stored]) -> Vec<u64> {
    let id = |event: &Stored| event.text().split_once("<EventRecordID>")?.1.split_once('<')?.0.parse().ok();
    events.iter().filter_map(id).collect()
}

#[test]
fn records_become_events_of_xml() {
    let folder = tempfile::tempdir().unwrap();
    let log = evtx(&[chunk(1..40, "two\nlines & <more>"), chunk(40..60, "x"), vec![0; 65_536]]);
    let sink = MemorySink::new();
    let report = path(&sink, &file(folder.path(), "Security.evtx", &log));
    assert_eq!((report.files, report.events, &report.problems[..]), (1, 59, &[][..]));
    let events = sink.events();
    assert_eq!(record_ids(&events), (1..60).collect::<Vec<_>>());
    assert_eq!(
        events[0].text(),
        format!(
            "<Event xmlns=\"{SCHEMA}\"><System><EventID>4625</EventID><TimeCreated SystemTime=\"2026-11-21T21:14:03.120Z\"></TimeCreated>\
             <EventRecordID>1</EventRecordID><Computer>DC1.example.org</Computer></System>\
             <EventData><Data Name=\"Text\">two&#10;lines &amp; &lt;more&gt;</Data></EventData></Event>"
        )
    );
    for event in &events {
        assert_eq!((event.time.nanos(), event.problems), (1_795_295_643_120_000_000, Problems::NONE));
        assert_eq!((&*event.origin.host, &*event.origin.sourcetype), ("DC1.example.org", "XmlWinEventLog"));
    }
    // The same log: compressed, under another name, as a stream; nothing is new of a file.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&log).unwrap();
    let packed = gzip.finish().unwrap();
    assert_eq!(path(&sink, &file(folder.path(), "old.gz", &packed)).events, 0);
    let reader = Box::new(std::io::Cursor::new(packed));
    assert_eq!(run(&sink, ImportItem::Stream { name: "stdin".into(), reader }).events, 59);
    // It has grown: what is new is read. A folder takes it as well.
    std::fs::remove_file(folder.path().join("old.gz")).unwrap();
    file(folder.path(), "Security.evtx", evtx(&[chunk(1..40, "two\nlines & <more>"), chunk(40..60, "x"), chunk(60..70, "y")]));
    assert_eq!(path(&sink, folder.path()).events, 10);
}

#[test]
fn damage_is_counted_and_hides_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let good = || [chunk(1..20, "a"), chunk(20..40, "b"), chunk(40..60, "c")];
    let read = |chunks: &[Vec<u8>], cut: usize| {
        let sink = MemorySink::new();
        let mut bytes = evtx(chunks);
        bytes.truncate(bytes.len() - cut);
        let report = path(&sink, &file(folder.path(), "log.evtx", bytes));
        let marks = sink.events().iter().filter(|event| event.text().starts_with("<!-- damaged ")).count();
        let malformed = sink.events().iter().filter(|event| event.problems.contains(Problems::MALFORMED)).count();
        assert_eq!(marks, malformed);
        (record_ids(&sink.events()).len(), marks, report.problems)
    };
    assert_eq!(read(&good(), 0), (59, 0, vec![]));
    // The magic of a chunk: its records are there all the same.
    let mut chunks = good();
    chunks[1][..4].copy_from_slice(b"XXXX");
    let (records, marks, problems) = read(&chunks, 0);
    assert_eq!((records, problems.len()), (59, 1));
    assert!(marks >= 1 && problems[0].contains("chunk 1"), "{problems:?}");
    // The header of a record in the middle: the ones behind it are found.
    let mut chunks = good();
    let second = 512 + u32::from_le_bytes(chunks[1][516..520].try_into().unwrap()) as usize;
    chunks[1][second..second + 4].fill(0xee);
    let (records, marks, problems) = read(&chunks, 0);
    assert_eq!((records, problems.len()), (58, 1));
    assert!(marks >= 1, "{problems:?}");
    // One letter of a value: nothing is unreadable, and the check sum tells.
    let mut chunks = good();
    let letter = (512..2000).find(|at| chunks[2][*at..*at + 4] == *b"D\0C\0").unwrap();
    chunks[2][letter] = b'd';
    let (records, marks, problems) = read(&chunks, 0);
    assert_eq!((records, marks, problems.len()), (59, 1, 1));
    assert!(problems[0].contains("check sum"), "{problems:?}");
    // The file ends within the last chunk.
    let (records, marks, _) = read(&good(), 60_000);
    assert!((40..59).contains(&records) && marks >= 1, "{records} {marks}");
}

#[test]
fn documents_of_events_are_taken_apart() {
    let folder = tempfile::tempdir().unwrap();
    let event = |number: u32| {
        format!(
            "<Event xmlns='{SCHEMA}'><System><EventID>1</EventID><TimeCreated SystemTime='2026-11-21T21:14:03.1200000Z'/>\
             <EventRecordID>{number}</EventRecordID><Computer>ws7</Computer></System><Data>a\nb ü</Data></Event>"
        )
    };
    let all = [event(1), event(2), event(3)];
    let wrapped = format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\r\n<Events>{}</Events>\r\n", all.concat());
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(wrapped[3..].encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let forms = [
        wrapped.clone().into_bytes(),
        wide,
        all.concat().into_bytes(),
        all.join("\n").into_bytes(),
        all.join("\r\n").into_bytes(),
        format!("<Events>\n{}\n</Events>", all.join("\n")).into_bytes(),
    ];
    for (at, form) in forms.into_iter().enumerate() {
        let sink = MemorySink::new();
        let report = path(&sink, &file(folder.path(), "events.xml", form));
        assert_eq!((report.events, &report.problems[..]), (3, &[][..]), "{at}: {:?}", sink.texts());
        for (event, text) in sink.events().iter().zip(&all) {
            assert_eq!(event.text().trim_end(), *text, "{at}");
            assert_eq!((event.time.nanos(), event.problems.contains(Problems::MALFORMED)), (1_795_295_643_120_000_000, false));
            assert_eq!((&*event.origin.host, &*event.origin.sourcetype), ("ws7", "XmlWinEventLog"));
        }
    }
    // What is in there and is no event is kept; other XML is left as it is.
    let sink = MemorySink::new();
    path(&sink, &file(folder.path(), "odd.xml", format!("<Events>{}<Odd>x</Odd>{}</Events>", all[0], all[1])));
    assert!(sink.texts().concat().contains("<Odd>x</Odd>") && record_ids(&sink.events()) == [1, 2], "{:?}", sink.texts());
    let sink = MemorySink::new();
    path(&sink, &file(folder.path(), "other.xml", "<?xml version=\"1.0\"?>\n<project>\n</project>\n"));
    assert_eq!(sink.lines(), b"<?xml version=\"1.0\"?>\n<project>\n</project>\n");
}

#[test]
fn a_followed_log_gives_what_was_added() {
    let folder = tempfile::tempdir().unwrap();
    let log = file(folder.path(), "System.evtx", evtx(&[chunk(1..40, "a")]));
    let sink = MemorySink::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = FileSettings { paths: vec![folder.path().display().to_string()], poll_seconds: 0.05, ..FileSettings::default() };
    let running = {
        let _inside = runtime.enter();
        InputSettings::File(settings).build().unwrap().start(sink.context()).unwrap()
    };
    until("the log is stored", || sink.count() >= 39);
    std::fs::write(&log, evtx(&[chunk(1..40, "a"), chunk(40..50, "b")])).unwrap();
    until("the rest is stored", || sink.count() >= 49);
    runtime.block_on(running.stop());
    assert_eq!(record_ids(&sink.events()), (1..50).collect::<Vec<_>>());
}

#[test]
fn ten_thousand_damaged_logs() {
    let right = evtx(&[chunk(1..6, "some text"), chunk(6..9, "more")]);
    let used = 4096 + 3000;
    let mut next = crate::chance::numbers();
    let (mut events, mut damaged, mut marks) = (0, 0, 0);
    for _ in 0..10_000 {
        let mut log = right.clone();
        for _ in 0..1 + next() % 6 {
            let at = next() % used;
            match next() % 4 {
                0 => log[at] = next() as u8,
                1 => log[at] = 0xff,
                2 => log[at..at + 8].fill(next() as u8),
                _ if next().is_multiple_of(8) => log.truncate(used + next() % 60_000),
                _ => log[at] ^= 1 << (next() % 8),
            }
        }
        let mut text = Vec::new();
        let whole = EvtxReader::new(&log[..]).read_to_end(&mut text);
        let lines = || text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let here = lines().filter(|line| line.starts_with(b"<!-- damaged ")).count();
        assert_eq!(whole.is_err(), here > 0, "what is damaged is said, and nothing else is");
        events += lines().count() - here;
        marks += here;
        damaged += usize::from(whole.is_err());
    }
    println!("{events} records read, {marks} damaged places in {damaged} logs");
    assert!(events > 40_000 && damaged > 5_000, "{events} {damaged}");
}

/// What real logs give, where they are.
#[test]
fn logs_of_real_machines() {
    let Some(corpus) = std::env::var_os("TAFFRAIL_CORPUS").map(PathBuf::from).filter(|path| path.join("evtx").is_dir()) else {
        println!("skipped: no corpus");
        return;
    };
    let (mut files, mut events, mut damaged, mut bare) = (0, 0, 0, 0);
    for entry in walkdir::WalkDir::new(corpus.join("evtx")).sort_by_file_name().into_iter().filter_map(std::result::Result::ok) {
        if entry.path().extension().is_none_or(|extension| extension != "evtx") {
            continue;
        }
        let sink = MemorySink::new();
        let report = path(&sink, entry.path());
        let all = sink.events();
        let ids = record_ids(&all).len();
        files += 1;
        events += all.len();
        damaged += all.iter().filter(|event| event.text().starts_with("<!-- damaged ")).count();
        let name = entry.path().strip_prefix(&corpus).unwrap().display().to_string();
        if !report.problems.is_empty() {
            println!("{name}: {} events, {ids} with a record id; {:?}", all.len(), report.problems);
        }
        for event in all.iter().filter(|event| !event.text().starts_with("<!-- ")) {
            if &*event.origin.sourcetype != "XmlWinEventLog" || event.problems != Problems::NONE {
                println!("{name}: {:?} {:?} {}", event.problems, event.origin, event.text());
                bare += 1;
            }
        }
    }
    println!("{files} logs, {events} events, {damaged} damaged places, {bare} without a time that can be");
    assert!(files > 100 && events > 10_000 && bare < 10);
}
