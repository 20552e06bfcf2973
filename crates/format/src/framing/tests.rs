//! Framing: what each sender's bytes become, and that no way of cutting the stream changes it.

use super::*;
use proptest::prelude::*;

fn cut(chunks: &[&[u8]]) -> Vec<(String, Problems)> {
    let mut framer = SyslogFramer::with_limit(200);
    let mut out = Vec::new();
    let mut take = |f: Frame<'_>| out.push((String::from_utf8_lossy(f.raw).into_owned(), f.problems));
    for chunk in chunks {
        framer.push(chunk, &mut take);
    }
    framer.finish(&mut take);
    out
}

fn texts(stream: &[u8]) -> Vec<String> {
    cut(&[stream]).into_iter().map(|(text, _)| text).collect()
}

/// Messages at every position to cut the stream in two and byte by byte.
#[track_caller]
fn check(stream: &[u8], want: &[&str]) {
    let whole = cut(&[stream]);
    assert_eq!(whole.iter().map(|(t, _)| t.as_str()).collect::<Vec<_>>(), want);
    for at in 0..=stream.len() {
        assert_eq!(cut(&[&stream[..at], &stream[at..]]), whole, "cut at {at}");
    }
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(cut(&single), whole, "byte by byte");
}

#[test]
fn the_usual_framings() {
    check(b"<13>one\n<13>two\r\n<13>three", &["<13>one", "<13>two\r", "<13>three"]);
    check(b"<11>one\0<11>two\0", &["<11>one", "<11>two"]);
    check(b"<11>one\0\n<11>two\0\n", &["<11>one", "<11>two"]);
    check(b"7 <13>one9 <13>a\nbcd7 <13>two", &["<13>one", "<13>a\nbcd", "<13>two"]);
    check(b"7 <13>one\n7 <13>two\n", &["<13>one", "<13>two"]);
}

#[test]
fn mixed_on_one_connection() {
    check(b"7 <13>one<13>two\n7 <13>six<13>ten\x009 <13>eight", &["<13>one", "<13>two", "<13>six", "<13>ten", "<13>eight"]);
}

#[test]
fn lines_that_begin_with_digits_are_no_counts() {
    check(
        b"12 monkeys\n081109 203615 148 INFO\n2026-11-21 x\n\n0 zero\n",
        &["12 monkeys", "081109 203615 148 INFO", "2026-11-21 x", "", "0 zero"],
    );
    check(b"<13>x\n5 abc\n181109 203615 148 INFO\n", &["<13>x", "5 abc", "181109 203615 148 INFO"]);
    check(b"99999999999999999999999999999999 <13>x\n", &["99999999999999999999999999999999 <13>x"]);
    check(b"3 blind mice\n", &["3 blind mice"]);
}

#[test]
fn counts_without_pri() {
    check(b"5 hello5 world", &["hello", "world"]);
    check(b"5 hello6 a\nb\nc\n5 world", &["hello", "a\nb\nc\n", "world"]);
    check(b"5 hello", &["hello"]);
}

#[test]
fn wrong_counts_resynchronise() {
    let out = cut(&[b"6 <13>one7 <13>two7 <13>six"]);
    assert_eq!(out[0].0, "<13>on");
    assert_eq!(out[1], ("e".into(), Problems::MALFORMED.with(Problems::CONTINUED)));
    assert_eq!((out[2].0.as_str(), out[3].0.as_str()), ("<13>two", "<13>six"));
    check(b"6 <13>one7 <13>two7 <13>six", &["<13>on", "e", "<13>two", "<13>six"]);
    // One too many eats the first digit of the next count.
    let out = cut(&[b"8 <13>one17 <13>abcdefghijklm7 <13>two"]);
    assert_eq!(out[0].0, "<13>one1");
    assert!(out.iter().any(|(_, p)| p.contains(Problems::MALFORMED)));
    assert_eq!(out.last().unwrap().0, "<13>two");
}

#[test]
fn the_end_in_the_middle_of_a_message() {
    let out = cut(&[b"20 <13>one"]);
    assert_eq!(out, [("<13>one".to_owned(), Problems::MALFORMED)]);
    assert_eq!(texts(b"20"), ["20"]);
    assert_eq!(texts(b"20 "), ["20 "]);
    assert!(texts(b"").is_empty());
}

#[test]
fn endless_messages_are_cut_at_the_limit() {
    let long = [b'x'; 450];
    let out = cut(&[&long]);
    assert_eq!(out.iter().map(|(t, _)| t.len()).collect::<Vec<_>>(), [200, 200, 50]);
    assert!(!out[0].1.contains(Problems::CONTINUED) && out[2].1.contains(Problems::CONTINUED));
    let mut framer = SyslogFramer::with_limit(200);
    framer.push(&long, |_| {});
    assert!(framer.held() <= 200);
}

#[test]
fn counted_messages_beyond_the_limit_come_in_parts() {
    let mut stream = b"450 <13>".to_vec();
    stream.resize(4 + 450, b'x');
    stream.extend_from_slice(b"7 <13>two");
    let out = cut(&[&stream]);
    assert_eq!(out.iter().map(|(t, _)| t.len()).collect::<Vec<_>>(), [200, 200, 50, 7]);
    let marks: Vec<bool> = out.iter().map(|(_, p)| p.contains(Problems::CONTINUED)).collect();
    assert_eq!(marks, [false, true, true, false]);
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(cut(&single), out);
}

#[derive(Clone, Debug)]
enum Sent {
    Counted(String),
    Lf(String),
    Nul(String),
}

fn sent() -> impl Strategy<Value = Sent> {
    let text = "<[1-9][0-9]{0,2}>[a-z0-9 <>]{0,20}";
    prop_oneof![text.prop_map(Sent::Counted), text.prop_map(Sent::Lf), text.prop_map(Sent::Nul),]
}

proptest! {
    #[test]
    fn five_messages_in_any_framing_and_any_pieces(
        messages in proptest::collection::vec(sent(), 1..6),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut stream = Vec::new();
        let mut want = Vec::new();
        for message in &messages {
            match message {
                Sent::Counted(text) => stream.extend_from_slice(format!("{} {text}", text.len()).as_bytes()),
                Sent::Lf(text) => stream.extend_from_slice(format!("{text}\n").as_bytes()),
                Sent::Nul(text) => stream.extend_from_slice(format!("{text}\0").as_bytes()),
            }
            let (Sent::Counted(text) | Sent::Lf(text) | Sent::Nul(text)) = message;
            want.push((text.clone(), Problems::NONE));
        }
        let mut places: Vec<usize> = cuts.iter().map(|c| c.index(stream.len() + 1)).collect();
        places.extend([0, stream.len()]);
        places.sort_unstable();
        let chunks: Vec<&[u8]> = places.windows(2).map(|w| &stream[w[0]..w[1]]).collect();
        prop_assert_eq!(cut(&chunks), want);
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same(
        bytes in proptest::collection::vec(prop_oneof![
            Just(b'\n'), Just(0u8), Just(b' '), Just(b'<'), Just(b'>'), b'0'..=b'9', any::<u8>()
        ], 0..120),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut places: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let chunks: Vec<&[u8]> = places.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
        prop_assert_eq!(cut(&chunks), cut(&[&bytes]));
    }
}
