//! Messages of version 3: whose they are, whether they are true and fresh, and what our engine answers. Pure.
//!
//! Of a trap the sender's engine is the authority: its clock counts, as it was last heard. Of an inform it is ours: a sender
//! asks for our name and clock first, and is told by reports.

use super::ber::{COUNTER32, OCTETS, OID, Reader, SEQUENCE, integer, sequence, value};
use super::usm::{self, Auth, Privacy};
use super::{Outcome, SnmpUser, invalid, trap};
use rustc_hash::FxHashMap;
use taffrail_base::Result;

/// Engines of senders that are remembered; beyond it all are forgotten, and learnt again.
const ENGINES_MAX: usize = 10_000;

/// Seconds that a message may be old, as the protocol has it.
const WINDOW: u32 = 150;

/// Flags of a message.
const AUTH: u8 = 1;
const PRIVACY: u8 = 2;
const REPORTABLE: u8 = 4;

const REPORT: u8 = 0xa8;
const USM: u32 = 3;

/// The last numbers of the counters that reports carry: 1.3.6.1.6.3.15.1.1.x.0.
const NOT_IN_TIME: u8 = 2;
const UNKNOWN_USER: u8 = 3;
const UNKNOWN_ENGINE: u8 = 4;
const WRONG_DIGEST: u8 = 5;

/// Where our engine's clock begins, so that its boots fit: a start later is another boot.
const BOOTS_EPOCH: i64 = 1_600_000_000;

/// The flags of a message that is signed, and encrypted.
fn level(signed: bool, encrypted: bool) -> u8 {
    let auth = if signed { AUTH } else { 0 };
    if encrypted { auth | PRIVACY } else { auth }
}

/// Whether the users of the settings can be.
pub(super) fn check(users: &[SnmpUser]) -> Result<()> {
    for user in users {
        let name = &user.name;
        let short = |secret: &Option<taffrail_base::Secret>| secret.as_ref().is_none_or(|secret| secret.reveal().len() < 8);
        if name.is_empty() || name.len() > 32 {
            return Err(invalid(format!("{name:?} is not the name of a user"), "1 to 32 bytes"));
        }
        if user.auth.is_none() && (user.privacy.is_some() || user.auth_password.is_some()) {
            return Err(invalid(format!("the user {name} has passwords and does not sign"), "set auth, for example to \"sha256\""));
        }
        if user.auth.is_some() && short(&user.auth_password) || user.privacy.is_some() && short(&user.privacy_password) {
            return Err(invalid(
                format!("the user {name} lacks a password, or it is too short"),
                "auth_password and privacy_password have 8 bytes or more",
            ));
        }
    }
    Ok(())
}

/// Our engine, its users, and what is known of other engines.
pub(super) struct Engine {
    id: Vec<u8>,
    boots: u32,
    started: i64,
    users: Vec<User>,
    /// Keys and clocks, by user and engine.
    known: FxHashMap<(usize, Vec<u8>), Known>,
    salt: u64,
    reports: u32,
}

/// A user with the keys of his passwords.
struct User {
    name: String,
    auth: Option<(Auth, Vec<u8>)>,
    privacy: Option<(Privacy, Vec<u8>)>,
}

/// A user at one engine: his keys there, and the clock as it was last heard.
#[derive(Clone, Default)]
struct Known {
    auth: Vec<u8>,
    privacy: Vec<u8>,
    boots: u32,
    time: u32,
}

/// The head of a message.
struct Head<'a> {
    id: u32,
    flags: u8,
    engine: &'a [u8],
    boots: u32,
    time: u32,
    user: &'a [u8],
    digest: &'a [u8],
    digest_at: usize,
    salt: &'a [u8],
}

impl Engine {
    pub fn new(users: &[SnmpUser], host: &str, started: i64) -> Result<Self> {
        check(users)?;
        // No enterprise of ours is registered: a name in text, as RFC 3411 has it.
        let mut id = vec![0x80, 0, 0, 0, 4];
        id.extend(host.bytes().take(27));
        let made = |user: &SnmpUser| User {
            name: user.name.clone(),
            auth: user.auth.zip(user.auth_password.as_ref()).map(|(auth, word)| (auth, auth.key(word.reveal().as_bytes()))),
            privacy: user
                .privacy
                .zip(user.privacy_password.as_ref())
                .zip(user.auth)
                .map(|((privacy, word), auth)| (privacy, auth.key(word.reveal().as_bytes()))),
        };
        let boots = u32::try_from((started - BOOTS_EPOCH).clamp(1, i64::from(i32::MAX) - 1)).unwrap_or(1);
        Ok(Self { id, boots, started, users: users.iter().map(made).collect(), known: FxHashMap::default(), salt: 0, reports: 0 })
    }

    fn time(&self, now: i64) -> u32 {
        u32::try_from((now - self.started).clamp(0, i64::from(i32::MAX))).unwrap_or(0)
    }

    /// What a message comes to; `None` is damage.
    pub fn message(&mut self, raw: &[u8], mut message: Reader<'_>, now: i64) -> Option<Outcome> {
        let (head, data) = head(&mut message)?;
        let Some(head) = head else { return Some(Outcome::refused("unsupported")) };
        let ours = head.engine == self.id;
        if head.engine.is_empty() || (!ours && head.flags & REPORTABLE != 0) {
            // Whoever wants an answer has to know us first.
            let reply = (head.flags & REPORTABLE != 0).then(|| self.report(&head, UNKNOWN_ENGINE, None, now));
            // Who asks for our name sends nothing else yet; all other messages are lost with it.
            let asks = head.engine.is_empty() && reply.is_some();
            return Some(Outcome { reply, refused: (!asks).then_some("unknown_engine"), ..Outcome::default() });
        }
        let Some(number) = self.users.iter().position(|user| user.name.as_bytes() == head.user) else {
            return Some(self.refuse(&head, "unknown_user", UNKNOWN_USER, now));
        };
        let user = &self.users[number];
        let level = level(user.auth.is_some(), user.privacy.is_some());
        if head.flags & (AUTH | PRIVACY) != level {
            return Some(Outcome::refused("wrong_security_level"));
        }
        let mut known = self.known(number, head.engine);
        let user = &self.users[number];
        if let Some((auth, _)) = user.auth {
            let mut unsigned = raw.to_vec();
            unsigned.get_mut(head.digest_at..head.digest_at + head.digest.len())?.fill(0);
            if !usm::same(&auth.digest(&known.auth, &unsigned), head.digest) {
                return Some(self.refuse(&head, "wrong_digest", WRONG_DIGEST, now));
            }
            let (boots, time) = if ours { (self.boots, self.time(now)) } else { (known.boots, known.time) };
            let old = head.boots < boots || head.boots == boots && head.time.saturating_add(WINDOW) < time;
            let ahead = ours && (head.boots > boots || head.time > time.saturating_add(WINDOW));
            if old || ahead {
                let reply = (head.flags & REPORTABLE != 0).then(|| self.report(&head, NOT_IN_TIME, Some((number, &known)), now));
                return Some(Outcome { reply, refused: Some("not_in_time"), ..Outcome::default() });
            }
            if (head.boots, head.time) > (known.boots, known.time) {
                (known.boots, known.time) = (head.boots, head.time);
                if self.known.len() >= ENGINES_MAX {
                    self.known.clear();
                }
                self.known.insert((number, head.engine.to_vec()), known.clone());
            }
        }
        self.take(number, &known, &head, data, now)
    }

    /// Takes a message that is true and fresh.
    fn take(&mut self, number: usize, known: &Known, head: &Head<'_>, data: super::ber::Value<'_>, now: i64) -> Option<Outcome> {
        let plain;
        let scoped = match &self.users[number].privacy {
            None if data.tag == SEQUENCE => data,
            Some((privacy, _)) if data.tag == OCTETS => {
                let Some(decrypted) = privacy.decrypt(&known.privacy, (head.boots, head.time), head.salt, data.bytes) else {
                    return Some(Outcome::refused("not_decrypted"));
                };
                plain = decrypted;
                // Whatever the password was, something comes out: only the right one gives a message.
                let Some(scoped) = Reader::new(&plain).expect(SEQUENCE) else { return Some(Outcome::refused("not_decrypted")) };
                scoped
            }
            _ => return None,
        };
        let mut inside = scoped.reader();
        let (context_engine, context) = (inside.expect(OCTETS)?, inside.expect(OCTETS)?);
        let name = self.users[number].name.clone();
        let Some(read) = trap::read(inside.next()?, "v3", Some(&name))? else { return Some(Outcome::refused("unsupported")) };
        let reply = read.answer.and_then(|answer| {
            let scoped = sequence(SEQUENCE, &[&value(OCTETS, context_engine.bytes), &value(OCTETS, context.bytes), &answer]);
            self.sealed(head.id, &scoped, Some((number, known)), now)
        });
        Some(Outcome { record: Some(read.record), reply, refused: None })
    }

    /// The keys and the clock of a user at an engine.
    fn known(&mut self, number: usize, engine: &[u8]) -> Known {
        let key = (number, engine.to_vec());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let user = &self.users[number];
        let auth = user.auth.as_ref().map(|(auth, word)| auth.localized(word, engine)).unwrap_or_default();
        let privacy = user.privacy.as_ref().zip(user.auth.as_ref()).map(|((_, word), (auth, _))| auth.localized(word, engine));
        // Nothing is remembered of an engine before a message of it has proved true.
        Known { auth, privacy: privacy.unwrap_or_default(), ..Known::default() }
    }

    fn refuse(&mut self, head: &Head<'_>, reason: &'static str, report: u8, now: i64) -> Outcome {
        let reply = (head.flags & REPORTABLE != 0).then(|| self.report(head, report, None, now));
        Outcome { reply, refused: Some(reason), ..Outcome::default() }
    }

    fn report(&mut self, head: &Head<'_>, what: u8, signed: Option<(usize, &Known)>, now: i64) -> Vec<u8> {
        self.reports = self.reports.wrapping_add(1);
        let object = value(OID, &[0x2b, 6, 1, 6, 3, 15, 1, 1, what, 0]);
        let count = integer(self.reports);
        let counter = [&[COUNTER32], &count[1..]].concat();
        let list = sequence(SEQUENCE, &[&sequence(SEQUENCE, &[&object, &counter])]);
        let zero = integer(0);
        let pdu = sequence(REPORT, &[&zero, &zero, &zero, &list]);
        let scoped = sequence(SEQUENCE, &[&value(OCTETS, &self.id), &value(OCTETS, b""), &pdu]);
        // A report about the time is signed, so that it is believed, and not encrypted.
        self.message_of(head.id, &scoped, signed, false, now).unwrap_or_default()
    }

    /// A message of ours at the user's level.
    fn sealed(&mut self, id: u32, scoped: &[u8], user: Option<(usize, &Known)>, now: i64) -> Option<Vec<u8>> {
        self.message_of(id, scoped, user, true, now)
    }

    fn message_of(&mut self, id: u32, scoped: &[u8], user: Option<(usize, &Known)>, encrypt: bool, now: i64) -> Option<Vec<u8>> {
        let (boots, time) = (self.boots, self.time(now));
        self.salt += 1;
        let salt = (u64::from(boots) << 32 | self.salt & u64::from(u32::MAX)).to_be_bytes();
        let of = user.map(|(number, known)| (&self.users[number], known));
        let auth = of.and_then(|(user, known)| Some((user.auth.as_ref()?.0, &known.auth)));
        let privacy = of.filter(|_| encrypt).and_then(|(user, known)| Some((user.privacy.as_ref()?.0, &known.privacy)));
        let data = match privacy {
            Some((privacy, key)) => value(OCTETS, &privacy.encrypt(key, (boots, time), &salt, scoped)?),
            None => scoped.to_vec(),
        };
        let flags = level(auth.is_some(), privacy.is_some());
        let name = of.map_or(&b""[..], |(user, _)| user.name.as_bytes());
        let build = |digest: &[u8]| {
            let salt = if privacy.is_some() { &salt[..] } else { b"" };
            let security = sequence(
                SEQUENCE,
                &[
                    &value(OCTETS, &self.id),
                    &integer(boots),
                    &integer(time),
                    &value(OCTETS, name),
                    &value(OCTETS, digest),
                    &value(OCTETS, salt),
                ],
            );
            let global = sequence(SEQUENCE, &[&integer(id), &integer(65_507), &value(OCTETS, &[flags]), &integer(USM)]);
            sequence(SEQUENCE, &[&integer(3), &global, &value(OCTETS, &security), &data])
        };
        let Some((auth, key)) = auth else { return Some(build(b"")) };
        let digest = auth.digest(key, &build(&vec![0; auth.digest_len()]));
        Some(build(&digest))
    }
}

/// The head of a message and what it holds; the inner `None` is another security than the user-based.
fn head<'a>(message: &mut Reader<'a>) -> Option<(Option<Head<'a>>, super::ber::Value<'a>)> {
    let mut global = message.expect(SEQUENCE)?.reader();
    let (id, _largest) = (global.number()?, global.number()?);
    let flags = *global.expect(OCTETS)?.bytes.first()?;
    let model = global.number()?;
    let security = message.expect(OCTETS)?;
    let data = message.next()?;
    if model != USM {
        return Some((None, data));
    }
    let mut security = security.reader().expect(SEQUENCE)?.reader();
    let engine = security.expect(OCTETS)?.bytes;
    let (boots, time) = (security.number()?, security.number()?);
    let user = security.expect(OCTETS)?.bytes;
    let digest = security.expect(OCTETS)?;
    let salt = security.expect(OCTETS)?.bytes;
    let head = Head { id, flags, engine, boots, time, user, digest: digest.bytes, digest_at: digest.start, salt };
    Some((Some(head), data))
}
