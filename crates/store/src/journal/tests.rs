//! The journal alone, on the simulated disk.

use super::*;
use std::io;
use taffrail_base::{Fault, ManualClock, SeededRandomness, SimVfs};
use taffrail_event::{Origin, Problems};

fn options(vfs: &SimVfs) -> JournalOptions {
    let (clock, random) = (Arc::new(ManualClock::at(5)), Arc::new(SeededRandomness::new(7)));
    JournalOptions { file_bytes_max: 1_000, ..JournalOptions::new("/journal".into(), Arc::new(vfs.clone()), clock, random) }
}

fn batch(text: &str) -> EventBatch {
    let mut batch = EventBatch::new(Timestamp(1));
    let [index, host, source, sourcetype, transport, peer] = ["main", "h", "s", "t", "file", ""].map(Arc::from);
    let origin = batch.origin(&Origin { index, host, source, sourcetype, transport, peer });
    batch.push(origin, Timestamp(2), Problems::NONE, text.as_bytes());
    batch
}

fn append(journal: &mut Journal, texts: &[&str], next: &mut u64) -> Result<u64> {
    let batches: Vec<EventBatch> = texts.iter().map(|text| batch(text)).collect();
    let spans: Vec<[Span; 1]> = (*next..).zip(texts).map(|(first, _)| [Span { index: "main".into(), first, count: 1 }]).collect();
    let entries: Vec<Entry<'_>> = batches.iter().zip(&spans).map(|(batch, spans)| Entry { batch, spans }).collect();
    let first = journal.append(&entries)?;
    *next += texts.len() as u64;
    Ok(first)
}

fn open(vfs: &SimVfs) -> Result<(Journal, Vec<(u64, String)>)> {
    let (mut journal, recovery) = Journal::open(options(vfs), 0, 0)?;
    let mut found = Vec::new();
    journal.replay(recovery, |_, record| {
        let text = String::from_utf8(record.batch.event(0).raw.to_vec()).unwrap();
        found.push((record.sequence, text));
        Ok(())
    })?;
    Ok((journal, found))
}

fn named(texts: &[&str]) -> Vec<(u64, String)> {
    (1..).zip(texts).map(|(number, text)| (number, (*text).to_owned())).collect()
}

#[test]
fn records_come_back_in_order_across_files_and_openings() {
    let vfs = SimVfs::new(1);
    let (mut next, mut expected) = (1, Vec::new());
    let texts: Vec<String> = (0..60).map(|number| format!("event {number} {}", "x".repeat(number))).collect();
    for chunk in texts.chunks(12) {
        let (mut journal, found) = open(&vfs).unwrap();
        assert_eq!(found, named(&expected));
        for group in chunk.chunks(3) {
            let group: Vec<&str> = group.iter().map(String::as_str).collect();
            let first = append(&mut journal, &group, &mut next).unwrap();
            assert_eq!(first as usize, expected.len() + 1);
            expected.extend(group);
        }
        assert_eq!(journal.work().0, 1 + 4, "one sync for the file it starts with, one for each group");
    }
    assert_eq!(open(&vfs).unwrap().1, named(&expected));
    let mut read_only = Vec::new();
    read(&options(&vfs), |record| {
        read_only.push(record.sequence);
        Ok(())
    })
    .unwrap();
    assert_eq!(read_only, (1..=60).collect::<Vec<u64>>());
}

#[test]
fn after_a_failed_sync_the_group_goes_into_a_new_file() {
    for (fault, call) in
        [(Fault::Error(io::ErrorKind::Other), 2), (Fault::DoneButFailed(io::ErrorKind::Other), 2), (Fault::Error(io::ErrorKind::Other), 1)]
    {
        for seed in 0..50 {
            let vfs = SimVfs::new(seed);
            let (mut journal, _) = open(&vfs).unwrap();
            let mut next = 1;
            append(&mut journal, &["one"], &mut next).unwrap();
            vfs.fail_call(call, fault);
            assert_eq!(append(&mut journal, &["two", "three"], &mut next).unwrap(), 2);
            append(&mut journal, &["four"], &mut next).unwrap();
            assert_eq!(journal.size().0, 2);
            let after = vfs.power_cycle();
            assert_eq!(open(&after).unwrap().1, named(&["one", "two", "three", "four"]));
        }
    }
}

#[test]
fn what_failed_twice_is_gone_once_something_else_is_acknowledged() {
    for seed in 0..50 {
        let vfs = SimVfs::new(seed);
        let (mut journal, _) = open(&vfs).unwrap();
        let mut next = 1;
        append(&mut journal, &["one"], &mut next).unwrap();
        vfs.fail_call(2, Fault::DoneButFailed(io::ErrorKind::Other));
        vfs.fail_call(6, Fault::DoneButFailed(io::ErrorKind::Other));
        append(&mut journal, &["never"], &mut next).unwrap_err();
        append(&mut journal, &["two"], &mut next).unwrap();
        assert_eq!(open(&vfs.power_cycle()).unwrap().1, named(&["one", "two"]));
    }
}

#[test]
fn files_are_trimmed_once_events_and_positions_are_kept_elsewhere() {
    let vfs = SimVfs::new(3);
    let (mut journal, _) = open(&vfs).unwrap();
    let mut next = 1;
    append(&mut journal, &["one", "two"], &mut next).unwrap();
    journal.rotate().unwrap();
    journal.rotate().unwrap();
    append(&mut journal, &["three"], &mut next).unwrap();
    journal.rotate_soon();
    append(&mut journal, &["four"], &mut next).unwrap();
    assert_eq!(journal.size().0, 3);
    assert_eq!(journal.covered(1, |_| 100), None, "positions of record 2 are not kept");
    assert_eq!(journal.covered(4, |_| 2), None, "event 2 is not in a segment");
    assert_eq!(journal.covered(4, |_| 3), Some(2));
    assert_eq!(journal.covered(4, |_| 100), Some(3), "the file in use is never covered");
    let paths = journal.trim(2);
    assert_eq!(paths.len(), 1);
    assert_eq!(journal.size().0, 2);
    paths.iter().for_each(|path| vfs.remove_file(path).unwrap());
    drop(journal);
    assert_eq!(open(&vfs).err().unwrap().kind(), ErrorKind::Corrupt, "records 1 and 2 are missing, says somebody who needs them");
    assert_eq!(Journal::open(options(&vfs), 2, 9).err().unwrap().kind(), ErrorKind::Corrupt, "the catalog has seen record 9");
    let (journal, _) = Journal::open(options(&vfs), 2, 4).unwrap();
    assert_eq!(journal.last_sequence(), 4);
}

#[test]
fn the_layout_on_disk_does_not_change() {
    let header = Header { number: 1, nonce: 2, first_sequence: 3, previous: 4, previous_len: 5, created: 6 };
    let bytes = header.encode();
    assert_eq!(bytes[..12], *b"TAFFWAL\n\x01\0\0\0");
    assert_eq!(bytes[16..24], 1u64.to_le_bytes());
    assert_eq!(bytes[56..64], 6u64.to_le_bytes());
    assert_eq!(Header::decode(&bytes), Ok(header));
    for at in 0..bytes.len() {
        let mut changed = bytes;
        changed[at] ^= 0x10;
        assert!(Header::decode(&changed).is_err(), "byte {at}");
    }
    let mut out = Vec::new();
    record::encode(&mut out, 2, 3, 64, 5, |out| out.extend_from_slice(b"payload"));
    let crc = out[8..12].to_vec();
    assert_eq!(out[..8], [0xd7, b'R', b'E', b'C', 7, 0, 0, 0]);
    assert_eq!(out[12..20], 3u64.to_le_bytes());
    assert_eq!(out[40..], *b"payload");
    let covered = [&2u64.to_le_bytes()[..], &out[4..8], &out[12..]].concat();
    assert_eq!(crc, crc32c::crc32c(&covered).to_le_bytes());
}
