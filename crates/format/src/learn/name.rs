//! What a value is called: by a key, by the words around it, by what it looks like; in this order.

use super::Sure;
use super::kind::{Kind, measure};

/// A name, how sure it is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub name: String,
    pub sure: Sure,
    pub why: String,
}

impl Named {
    pub(super) fn new(name: impl Into<String>, sure: Sure, why: impl Into<String>) -> Self {
        Self { name: name.into(), sure, why: why.into() }
    }
}

/// What is known of a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    /// The constant text before it, as far as the place before.
    pub before: &'a str,
    /// The constant text behind it.
    pub after: &'a str,
    /// What it holds.
    pub kind: Kind,
    /// The name of the place before.
    pub last: Option<&'a str>,
}

/// A name as fields have them: small letters, digits and `_`.
pub(super) fn cleaned(text: &str) -> String {
    let mut name = String::new();
    let mut before = '_';
    for c in text.trim().chars() {
        // `userName` is `user_name`, as is `user-name`.
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            name.push('_');
        }
        match c.is_ascii_alphanumeric() {
            true => name.push(c.to_ascii_lowercase()),
            false if !name.is_empty() && !name.ends_with('_') => name.push('_'),
            false => {}
        }
        before = c;
    }
    let name = name.trim_end_matches('_').to_owned();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("field_{name}").trim_end_matches('_').to_owned()
    } else {
        name
    }
}

/// Words that name nothing.
const EMPTY: [&str; 62] = [
    "a", "an", "the", "of", "is", "was", "are", "were", "be", "been", "with", "and", "or", "in", "on", "at", "to", "from", "by", "for",
    "no", "not", "after", "before", "than", "has", "have", "had", "as", "it", "its", "this", "that", "will", "would", "can", "could",
    "via", "into", "over", "under", "than", "now", "new", "old", "only", "all", "more", "less", "up", "down", "out", "off", "which",
    "about", "between", "within", "per", "using", "took", "got", "since",
];

/// Words before a name of an account.
pub(super) const USER_WORDS: [&str; 8] = ["user", "username", "account", "login", "uid", "operator", "member", "customer"];

/// Words before something that the next event may say of something else.
pub(super) const WEAK_WORDS: [&str; 10] = ["for", "from", "by", "to", "host", "on", "file", "named", "client", "server"];

/// The words of a text, in small letters.
fn words(text: &str) -> impl DoubleEndedIterator<Item = String> + '_ {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase)
}

/// What a place is called, whose number among those without a name is `number`.
pub(super) fn name_of(around: Around<'_>, number: usize) -> Named {
    let found = by_key(around).or_else(|| by_words(around));
    found.unwrap_or_else(|| by_kind(around, number))
}

/// `key=`, `key: `, `"key":`.
fn by_key(around: Around<'_>) -> Option<Named> {
    let before = around.before.trim_end_matches(['"', '\'', '[', '(', '<']);
    let (key, with) = match before.strip_suffix('=') {
        Some(key) => (key, '='),
        None => (before.trim_end().strip_suffix(':')?, ':'),
    };
    let key = key.trim_end().trim_end_matches(['"', '\'']);
    let word = key.rsplit(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).next().filter(|word| !word.is_empty())?;
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    if with == ':' {
        // What a sentence says before its colon is no key: `login failed: bob`.
        let alone = words(key).count() == 1 || key[..key.len() - word.len()].trim_end().ends_with([',', ';', '|', '(', '[', '{']);
        if !alone && named_by_word(word, around).is_none_or(|named| named.sure == Sure::Guess) {
            return None;
        }
    }
    Some(Named::new(cleaned(word), Sure::Named, format!("the text calls it `{word}`")))
}

/// The words before it and behind it.
fn by_words(around: Around<'_>) -> Option<Named> {
    let before: Vec<String> = words(around.before).rev().take(2).collect();
    let next = words(around.after).next().filter(|_| around.after.starts_with(' '));
    let behind = next.as_deref().and_then(|word| Some((word, measure(word)?)));
    let word = before.first().map(String::as_str);
    // A number with a unit behind it.
    if let (Kind::Number, Some((unit, what))) = (around.kind, behind) {
        return Some(match what {
            Kind::Size if unit.starts_with('b') => Named::new("bytes", Sure::Likely, format!("`{unit}` stands behind it")),
            Kind::Size => Named::new(format!("size_{unit}"), Sure::Likely, format!("`{unit}` stands behind it")),
            _ => Named::new(format!("duration_{unit}"), Sure::Likely, format!("`{unit}` stands behind it")),
        });
    }
    let mut found = word.and_then(|word| named_by_word(word, around));
    if found.is_none() && around.kind == Kind::Number {
        // `17 items`
        let plural = next.filter(|next| next.len() > 3 && next.ends_with('s') && next.bytes().all(|byte| byte.is_ascii_alphabetic()));
        found = plural.map(|next| Named::new(cleaned(&next), Sure::Likely, format!("`{next}` stands behind it")));
    }
    found.or_else(|| {
        let word = word.filter(|word| !EMPTY.contains(word) && word.starts_with(|c: char| c.is_ascii_alphabetic()))?;
        // A verb before a word names it badly: `opened door`.
        let verb = word.ends_with("ed") || word.ends_with("ing");
        let figure = matches!(around.kind, Kind::Number | Kind::Hex | Kind::Uuid | Kind::Word) && !verb;
        figure.then(|| Named::new(cleaned(word), Sure::Guess, format!("`{word}` stands before it")))
    })
}

/// Words that tell what stands behind them.
fn named_by_word(word: &str, around: Around<'_>) -> Option<Named> {
    let kind = around.kind;
    let word = word.to_ascii_lowercase();
    let word = word.as_str();
    let why = || format!("`{word}` stands before it");
    let some = |name: &str, sure: Sure| Some(Named::new(name, sure, why()));
    let is_word = matches!(kind, Kind::Word | Kind::Mail | Kind::Host);
    match word {
        "user" | "username" | "account" | "login" | "operator" if is_word || kind == Kind::Number => some("user", Sure::Likely),
        "uid" => some("uid", Sure::Likely),
        "from" | "client" | "peer" | "source" | "src" | "remote" | "ip" if kind == Kind::Address => some("src", Sure::Likely),
        "from" | "client" | "peer" | "source" | "src" if kind == Kind::Host => some("src", Sure::Guess),
        "to" | "dest" | "destination" | "dst" | "target" | "server" | "upstream" | "at" | "on" if kind == Kind::Address => {
            some("dest", Sure::Likely)
        }
        "to" | "server" | "upstream" | "host" | "at" if kind == Kind::Host => some("dest", Sure::Guess),
        "to" | "recipient" | "rcpt" if kind == Kind::Mail => some("recipient", Sure::Likely),
        "from" | "sender" if kind == Kind::Mail => some("sender", Sure::Likely),
        "port" if kind == Kind::Number => match around.last {
            Some("src") => some("src_port", Sure::Likely),
            Some("dest") => some("dest_port", Sure::Likely),
            _ => some("port", Sure::Likely),
        },
        "pid" | "process" if kind == Kind::Number => some("pid", Sure::Likely),
        "thread" => some("thread", Sure::Likely),
        "status" | "code" if matches!(kind, Kind::Number | Kind::Word) => some("status", Sure::Likely),
        "session" | "sid" => some("session_id", Sure::Likely),
        "took" | "duration" | "elapsed" if matches!(kind, Kind::Duration | Kind::Number) => some("duration", Sure::Likely),
        "in" | "after" | "within" if kind == Kind::Duration => some("duration", Sure::Likely),
        "size" | "length" | "bytes" if matches!(kind, Kind::Number | Kind::Size) => some("bytes", Sure::Likely),
        "host" if matches!(kind, Kind::Word | Kind::Host) => some("dest", Sure::Guess),
        "file" | "path" | "directory" | "folder" if kind != Kind::Number => some("file", Sure::Likely),
        "version" => some("version", Sure::Likely),
        "reason" => some("reason_text", Sure::Likely),
        "for" | "by" if matches!(kind, Kind::Word | Kind::Mail) => some("user", Sure::Guess),
        _ => None,
    }
}

fn by_kind(around: Around<'_>, number: usize) -> Named {
    let why = format!("it looks like {}", with_article(around.kind.name()));
    // `10.1.2.3:443`
    if around.kind == Kind::Number && around.before == ":" {
        match around.last {
            Some("src") => return Named::new("src_port", Sure::Likely, "it stands behind an address and a colon"),
            Some("dest") => return Named::new("dest_port", Sure::Likely, "it stands behind an address and a colon"),
            _ => {}
        }
    }
    let (name, sure) = match around.kind {
        Kind::Address if around.before.trim() == "->" || around.last == Some("src_port") => ("dest", Sure::Guess),
        Kind::Address => ("src", Sure::Guess),
        Kind::Mac => ("mac", Sure::Likely),
        Kind::Uuid => ("uuid", Sure::Likely),
        Kind::Mail => ("mail", Sure::Likely),
        Kind::Url => ("url", Sure::Likely),
        Kind::Path if around.last == Some("method") => ("url", Sure::Likely),
        Kind::Path => ("file", Sure::Guess),
        Kind::Level => ("level", Sure::Likely),
        Kind::Method => ("method", Sure::Likely),
        Kind::Duration => ("duration", Sure::Likely),
        Kind::Size => ("bytes", Sure::Guess),
        Kind::Host => ("host_name", Sure::Guess),
        Kind::Hex => ("id", Sure::Guess),
        Kind::Time => ("time_text", Sure::Guess),
        Kind::Flag => ("flag", Sure::Guess),
        Kind::Number => return Named::new(format!("number_{number}"), Sure::Guess, "it is a number, and no word names it"),
        Kind::Word => return Named::new(format!("word_{number}"), Sure::Guess, "it is a word, and no other names it"),
        Kind::Text => return Named::new(format!("text_{number}"), Sure::Guess, "it is text, and no word names it"),
    };
    Named::new(name, sure, why)
}

fn with_article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// The field of the normal model that a name means, and what its values have to look like.
pub(super) fn normal(name: &str, kind: Kind) -> Option<&'static str> {
    let flat: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let addressed = matches!(kind, Kind::Address | Kind::Host);
    Some(match flat.as_str() {
        "username" | "usr" | "login" | "loginname" | "account" | "accountname" | "userid" | "uname" => "user",
        "srcip" | "sourceip" | "clientip" | "client" | "remoteaddr" | "remoteip" | "ip" | "ipaddress" | "clientaddr" | "sourceaddress"
        | "srcaddr" | "peer" | "remote" | "from" | "remoteaddress"
            if addressed =>
        {
            "src"
        }
        "dst" | "dstip" | "destip" | "destinationip" | "serverip" | "destination" | "destaddr" | "dstaddr" | "destinationaddress"
        | "to"
            if addressed =>
        {
            "dest"
        }
        "srcport" | "sport" | "sourceport" | "clientport" | "spt" if kind == Kind::Number => "src_port",
        "dstport" | "dport" | "destport" | "destinationport" | "serverport" | "dpt" if kind == Kind::Number => "dest_port",
        "proto" if kind == Kind::Word => "transport",
        "uri" | "requesturi" | "requesturl" if matches!(kind, Kind::Url | Kind::Path) => "url",
        "statuscode" | "httpstatus" | "responsecode" | "code" if kind == Kind::Number => "status",
        "verb" | "httpmethod" | "requestmethod" if kind == Kind::Method => "method",
        "ua" | "agent" | "httpuseragent" => "useragent",
        "filename" | "filepath" | "path" if kind == Kind::Path => "file",
        "sessionid" | "session" | "sid" if name != "session_id" => "session_id",
        "size" | "length" | "bytessent" | "contentlength" if kind == Kind::Number => "bytes",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, value: &str, after: &str, last: Option<&str>, want: (&str, Sure)) {
        let found = name_of(Around { before, after, kind: Kind::of(value), last }, 1);
        assert_eq!((found.name.as_str(), found.sure), want, "{before}{value}{after}: {}", found.why);
    }

    #[test]
    fn names_by_keys_words_and_looks() {
        check("user=", "bob", "", None, ("user", Sure::Named));
        check(", requestId: ", "77aa", "", None, ("request_id", Sure::Named));
        check("login failed: ", "bob", "", None, ("word_1", Sure::Guess));
        check("accepted login for user ", "bob", " from ", None, ("user", Sure::Likely));
        check("accepted login for ", "bob", " from ", None, ("user", Sure::Guess));
        check(" from ", "10.1.2.3", " port ", Some("user"), ("src", Sure::Likely));
        check(" port ", "22", "", Some("src"), ("src_port", Sure::Likely));
        check(" to ", "10.1.2.3", ":", None, ("dest", Sure::Likely));
        check(":", "443", "", Some("dest"), ("dest_port", Sure::Likely));
        check("evicted ", "17", " entries", None, ("entries", Sure::Likely));
        check(" in ", "12", " ms", None, ("duration_ms", Sure::Likely));
        check(" took ", "12ms", "", None, ("duration", Sure::Likely));
        check("sent ", "12", " bytes", None, ("bytes", Sure::Likely));
        check("order ", "17", " paid", None, ("order", Sure::Guess));
        check(" ", "/index.html", " ", Some("method"), ("url", Sure::Likely));
        check("", "6f1c2e0a-77aa-4b1e-9d0c-1234567890ab", "", None, ("uuid", Sure::Likely));
        check("the ", "17", "", None, ("number_1", Sure::Guess));
    }

    #[test]
    fn names_of_the_model() {
        assert_eq!(normal("client_ip", Kind::Address), Some("src"));
        assert_eq!(normal("client_ip", Kind::Word), None);
        assert_eq!(normal("userName", Kind::Word), Some("user"));
        assert_eq!(normal("colour", Kind::Word), None);
        assert_eq!(cleaned("User Name"), "user_name");
        assert_eq!(cleaned("bytesSent (total)"), "bytes_sent_total");
        assert_eq!(cleaned("2nd"), "field_2nd");
        assert_eq!(cleaned("--"), "field");
    }
}
