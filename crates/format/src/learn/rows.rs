//! Events as tokens, and the head that nearly all of them begin with: time, level, thread, component.

use super::groups;
use super::kind::{Kind, is_level, joined_len, level_letter};
use crate::TimeFinder;
use crate::tape::Span;
use rustc_hash::FxHashMap;
use taffrail_base::limits::LEARN_TOKENS_MAX;
use taffrail_event::Timestamp;
use taffrail_pattern::SlotKind;
use taffrail_pattern::split::Splitter;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    Word,
    /// The inside of a quoted string.
    Quoted,
    Time,
}

/// A token of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub start: usize,
    pub end: usize,
    pub mark: Mark,
}

/// What stands behind the part of a line that is described by words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    Nothing,
    /// `name=value` pairs, which are found without a format.
    Pairs,
    /// A JSON object.
    Json,
    /// More tokens than are looked at.
    More,
}

/// The first line of an event, in tokens.
#[derive(Debug)]
pub(super) struct Row<'l> {
    /// The number of the event.
    pub number: usize,
    pub line: &'l str,
    pub tokens: Vec<Token>,
    /// Where the tail begins, or the line ends.
    pub stop: usize,
    pub tail: Tail,
}

impl<'l> Row<'l> {
    /// The tokens of an event's first line.
    pub(super) fn new(number: usize, event: &'l str, splitter: &mut Splitter, times: &mut TimeFinder) -> Self {
        let line = event.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let mut row = Self { number, line, tokens: Vec::new(), stop: line.len(), tail: Tail::Nothing };
        if !splitter.split(line.as_bytes(), LEARN_TOKENS_MAX) {
            row.tail = Tail::More;
        }
        let time = times.find(line.as_bytes(), Timestamp(RECEIVED)).map(|found| Span::new(found.start, found.end));
        let mut at = 0;
        if let Some(end) = glog(line) {
            row.tokens.push(Token { start: 0, end: 1, mark: Mark::Word });
            row.tokens.push(Token { start: 1, end, mark: Mark::Time });
            at = end;
        }
        for token in &splitter.tokens {
            let (start, mut end) = (token.start as usize, token.end as usize);
            if start < at || !(line.is_char_boundary(start) && line.is_char_boundary(end)) {
                continue;
            }
            let mut mark = match token.kind {
                SlotKind::Quoted => Mark::Quoted,
                SlotKind::Time => Mark::Time,
                SlotKind::Word | SlotKind::Raw => Mark::Word,
            };
            let joined = joined_len(&line.as_bytes()[start..]).filter(|length| mark != Mark::Quoted && start + length > end);
            if let Some(time) = time.filter(|time| time.start == start) {
                (end, mark) = (end.max(time.end), Mark::Time);
            } else if let Some(length) = joined {
                (end, mark) = (start + length, Mark::Word);
            }
            row.tokens.push(Token { start, end, mark });
            at = end;
        }
        if row.tail == Tail::More {
            row.tokens.pop();
            row.stop = row.tokens.last().map_or(0, |token| token.end);
        }
        row.find_tail(event);
        row
    }

    /// The text of a token.
    pub(super) fn text(&self, at: usize) -> &'l str {
        &self.line[self.tokens[at].start..self.tokens[at].end]
    }

    /// What stands before a token, or behind the last.
    pub(super) fn gap(&self, at: usize) -> &'l str {
        let from = at.checked_sub(1).map_or(0, |before| self.tokens[before].end);
        &self.line[from..self.tokens.get(at).map_or(self.stop, |token| token.start).max(from)]
    }

    fn find_tail(&mut self, event: &str) {
        if let Some(at) = self.line.find('{').filter(|at| *at > 0 && event.trim_end().ends_with('}'))
            && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(event[at..].trim_end()).is_ok()
        {
            return self.cut(at, Tail::Json);
        }
        let names: Vec<usize> = (0..self.tokens.len()).filter(|at| self.is_key(*at)).collect();
        let Some(first) = names.first().copied() else { return };
        // One pair within a sentence is part of it.
        if names.len() >= 2 || first + 2 >= self.tokens.len() {
            self.cut(self.tokens[first].start, Tail::Pairs);
        }
    }

    fn cut(&mut self, at: usize, tail: Tail) {
        self.tokens.retain(|token| token.end <= at);
        (self.stop, self.tail) = (at, tail);
    }

    fn is_key(&self, at: usize) -> bool {
        let token = self.tokens[at];
        // `QuorumPeer[myid=1]` is a name.
        let bytes = self.line.as_bytes();
        let within = token.start > 1 && bytes[token.start - 1] == b'[' && bytes[token.start - 2].is_ascii_alphanumeric();
        token.mark == Mark::Word
            && !within
            && self.line.as_bytes().get(token.end) == Some(&b'=')
            && self.text(at).starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && self.line.as_bytes().get(token.end + 1).is_some_and(|next| !b" =".contains(next))
    }
}

/// Where the time ends of `I1121 21:14:03.120456 812 shop.cc:17] text`, as glog writes it.
pub(super) fn glog(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    level_letter(line.get(..1)?)?;
    let fits = |at: usize, wanted: &[u8]| {
        wanted.iter().enumerate().all(|(n, want)| match bytes.get(at + n) {
            Some(byte) if *want == b'0' => byte.is_ascii_digit(),
            byte => byte == Some(want),
        })
    };
    if !fits(1, b"0000 00:00:00") {
        return None;
    }
    let fraction = bytes[14..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    Some(14 + fraction)
}

/// Times without a year are only looked for, not stored: any year will do. 2026-11-21.
pub(super) const RECEIVED: i64 = 1_795_219_200_000_000_000;

/// A gap with its runs of blanks made one: columns of words are padded.
pub(super) fn squeezed(gap: &str) -> String {
    let mut text = String::with_capacity(gap.len());
    for c in gap.chars() {
        if c != ' ' || !text.ends_with(' ') {
            text.push(c);
        }
    }
    text
}

pub(super) use groups::join_groups;

/// The beginning that nearly all rows have.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// How many tokens.
    pub tokens: usize,
    /// The rows that have it, by their place.
    pub has: Vec<bool>,
}

/// What the tokens at a place of the head are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Like {
    /// A time, a level, something in brackets or before a colon.
    Strong,
    /// A number or a dash.
    Weak,
    /// A word like others.
    Prose,
}

/// Tokens of a head at most.
const HEAD_TOKENS_MAX: usize = 24;

impl Head {
    /// The head of rows; `colons`: whether a word and a colon belong to it.
    pub(super) fn of(rows: &[Row<'_>], colons: bool) -> Self {
        let mut alive: Vec<usize> = (0..rows.len()).collect();
        let mut likes = Vec::new();
        let mut depth = 0;
        let mut stages = Vec::new();
        for at in 0..HEAD_TOKENS_MAX {
            let mut units: FxHashMap<(String, Mark), Vec<usize>> = FxHashMap::default();
            for row in &alive {
                if let Some(token) = rows[*row].tokens.get(at) {
                    units.entry((squeezed(rows[*row].gap(at)), token.mark)).or_default().push(*row);
                }
            }
            let Some(((gap, mark), with)) = units.into_iter().max_by_key(|(_, with)| (with.len(), std::cmp::Reverse(with[0]))) else {
                break;
            };
            if with.len() * 10 < rows.len() * 9 {
                break;
            }
            depth = gap.chars().fold(depth, |depth: usize, c| match c {
                '[' | '(' | '<' => depth + 1,
                ']' | ')' | '>' => depth.saturating_sub(1),
                _ => depth,
            });
            alive = with;
            likes.push(if depth > 0 { Like::Strong } else { like(rows, &alive, at, mark, colons) });
            stages.push(alive.clone());
        }
        let mut tokens = 0;
        let mut prose = 0;
        for (at, like) in likes.iter().enumerate() {
            match like {
                Like::Strong => (tokens, prose) = (at + 1, 0),
                Like::Weak if prose == 0 => tokens = at + 1,
                Like::Weak => {}
                Like::Prose => prose += 1,
            }
            if prose > 1 {
                break;
            }
        }
        let mut has = vec![false; rows.len()];
        if let Some(with) = tokens.checked_sub(1).and_then(|last| stages.get(last)) {
            with.iter().for_each(|row| has[*row] = true);
        }
        Self { tokens, has }
    }
}

fn like(rows: &[Row<'_>], alive: &[usize], at: usize, mark: Mark, colons: bool) -> Like {
    let most = |test: &dyn Fn(&Row<'_>) -> bool| alive.iter().filter(|row| test(&rows[**row])).count() * 10 >= alive.len() * 9;
    let behind = |row: &Row<'_>| row.gap(at + 1).to_owned();
    if mark == Mark::Time || most(&|row| is_level(row.text(at)) || level_letter(row.text(at)).is_some()) {
        return Like::Strong;
    }
    if colons && most(&|row| behind(row).starts_with(": ") || (behind(row) == ":" && row.tokens.len() == at + 1)) {
        return Like::Strong;
    }
    if most(&|row| behind(row).starts_with('[') && row.gap(at + 2).starts_with("]:")) || most(&|row| behind(row).contains('|')) {
        return Like::Strong;
    }
    // A word in a column of its own: padded, or with a tab behind it.
    let padded = |row: &Row<'_>| behind(row).starts_with("  ") || behind(row).starts_with('\t');
    if at < 6 && most(&padded) {
        return Like::Strong;
    }
    let dotted = |row: &Row<'_>| row.text(at).contains('.') && row.text(at).starts_with(|c: char| c.is_ascii_alphabetic());
    let before_dash = |row: &Row<'_>| row.tokens.get(at + 1).is_some() && row.text(at + 1) == "-";
    if at < 8 && (most(&dotted) || most(&before_dash)) {
        return Like::Strong;
    }
    let mark_only = |row: &Row<'_>| row.text(at).bytes().all(|byte| byte.is_ascii_punctuation());
    let figure = |row: &Row<'_>| matches!(Kind::of(row.text(at)), Kind::Number | Kind::Address | Kind::Uuid | Kind::Hex | Kind::Mac);
    if most(&mark_only) || (at < 6 && most(&figure) && most(&|row| !behind(row).is_empty())) { Like::Weak } else { Like::Prose }
}
