//! The log of seals on disk: `evidence/{key,key.pub,seals,checkpoints}` below the data folder. Appends and
//! signs; never changes what it has signed. Checking the whole again is [`mod@crate::verify`]'s work.

use crate::checkpoint::Checkpoint;
use crate::merkle::{Frontier, Hash};
use crate::note::{Signer, Verifier};
use crate::proof;
use crate::records::{AppendFile, Line, Lines, write_file};
use crate::removal::SegmentRemoval;
use crate::seal::SegmentSeal;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::limits::EVIDENCE_SEALS_MAX;
use taffrail_base::{Error, ErrorKind, Randomness, Result, Vfs};

/// The names below `evidence/`.
pub(crate) const KEY: &str = "key";
pub(crate) const PUBLIC_KEY: &str = "key.pub";
pub(crate) const SEALS: &str = "seals";
pub(crate) const CHECKPOINTS: &str = "checkpoints";

/// The text in front of a private key, so that nobody takes it for a public one.
const PRIVATE: &str = "PRIVATE+KEY+";

/// The log, open for appending. One at a time per data folder: the store's lock sees to that.
#[derive(Debug)]
pub struct SealLog {
    signer: Signer,
    leaves: Vec<Hash>,
    tree: Frontier,
    numbers: BTreeMap<String, (u64, Hash)>,
    removed: BTreeSet<Hash>,
    seals: AppendFile,
    checkpoints: AppendFile,
    newest: Option<String>,
}

/// What proves to somebody else that a segment is in the log: the seal, its path to the root, and the signed
/// root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentProof {
    /// The seal.
    pub seal: SegmentSeal,
    /// Its number in the log, from 0.
    pub index: u64,
    /// The audit path, from the leaf upwards.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub note: String,
}

impl SegmentProof {
    /// The checkpoint that the seal is proved to be under, when the note is signed by `verifier`'s key.
    pub fn verify(&self, verifier: &Verifier) -> Result<Checkpoint> {
        let checkpoint = Checkpoint::parse(verifier.open(&self.note)?)?;
        if proof::verify_inclusion(&self.seal.leaf(), self.index, checkpoint.size, &self.path, &checkpoint.root) {
            return Ok(checkpoint);
        }
        Err(Error::corrupt(&self.seal.path, "the proof does not lead from this seal to the signed root"))
    }
}

impl SealLog {
    /// Opens the log below `data`, with a new key when there is none yet. What was not signed when the program
    /// last ended is taken away: it was never reported as sealed, and is sealed again by who finds it missing.
    pub fn open(vfs: Arc<dyn Vfs>, data: &Path, random: &dyn Randomness) -> Result<Self> {
        let folder = data.join("evidence");
        vfs.create_dir_all(&folder).map_err(|error| Error::io(folder.display(), error))?;
        let signer = open_key(&*vfs, &folder, random)?;
        let (newest, checkpoints_len) = read_newest(&*vfs, &folder.join(CHECKPOINTS), &signer.verifier())?;
        let (checkpoint, note) = newest.unzip();
        let read = read_seals(&*vfs, &folder.join(SEALS), checkpoint.as_ref())?;
        let last_record = note.as_ref().map_or_else(String::new, |note| format!("{note}\n"));
        Ok(Self {
            signer,
            leaves: read.leaves,
            tree: read.tree,
            numbers: read.numbers,
            removed: read.removed,
            seals: AppendFile::open(&*vfs, &folder.join(SEALS), read.len, "")?,
            checkpoints: AppendFile::open(&*vfs, &folder.join(CHECKPOINTS), checkpoints_len, &last_record)?,
            newest: note,
        })
    }

    /// Number of seals.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Whether the segment at `path` (relative to the data folder) is sealed.
    pub fn contains(&self, path: &str) -> bool {
        self.numbers.contains_key(path)
    }

    /// The root that the segment at `path` was sealed with.
    pub fn root(&self, path: &str) -> Option<Hash> {
        self.numbers.get(path).map(|(_, root)| *root)
    }

    /// Adds the record of a removal and signs the tree with it; both are durable on return. The same record again
    /// adds nothing.
    pub fn record_removal(&mut self, removal: &SegmentRemoval) -> Result<()> {
        if !removal.is_valid() {
            let what = format!("{removal:?} cannot be recorded: the path or the rule are not what can stand in a line");
            return Err(Error::new(ErrorKind::Invalid, what));
        }
        let leaf = removal.leaf();
        if self.removed.contains(&leaf) {
            return Ok(());
        }
        self.append(&removal.line(), leaf)?;
        self.removed.insert(leaf);
        Ok(())
    }

    /// Adds a seal and signs the tree with it; both are durable on return. The same seal again adds nothing;
    /// another seal for the same path is refused: a segment never changes.
    pub fn record(&mut self, seal: &SegmentSeal) -> Result<()> {
        let leaf = seal.leaf();
        if let Some(&(number, _)) = self.numbers.get(&seal.path) {
            if self.leaves.get(number as usize) == Some(&leaf) {
                return Ok(());
            }
            let what = format!("the file is not what was sealed as number {number}: its bytes have changed");
            return Err(Error::corrupt(&seal.path, what)
                .with_hint("a segment is never changed after it was sealed: restore the file from a backup"));
        }
        let number = self.tree.size();
        self.append(&seal.line(), leaf)?;
        self.numbers.insert(seal.path.clone(), (number, seal.root));
        Ok(())
    }

    /// Adds a line and signs the tree with it.
    fn append(&mut self, line: &str, leaf: Hash) -> Result<()> {
        if self.leaves.len() >= EVIDENCE_SEALS_MAX {
            let what = format!("the log of seals is full: EVIDENCE_SEALS_MAX is {EVIDENCE_SEALS_MAX}");
            return Err(Error::new(ErrorKind::Limit, what));
        }
        self.checkpoints.check()?;
        self.seals.append(&format!("{line}\n"))?;
        // From here on the line is durable. It counts once the tree that ends with it is signed.
        let mut tree = self.tree.clone();
        tree.push(leaf);
        let origin = self.signer.verifier().name().to_owned();
        let note = self.signer.sign(&Checkpoint { origin, size: tree.size(), root: tree.root() }.text());
        self.checkpoints.append(&format!("{note}\n"))?;
        self.leaves.push(leaf);
        self.tree = tree;
        self.newest = Some(note);
        Ok(())
    }

    /// The newest signed checkpoint as a note; none before the first seal.
    pub fn checkpoint(&self) -> Option<&str> {
        self.newest.as_deref()
    }

    /// What checks this log's checkpoints.
    pub fn verifier(&self) -> Verifier {
        self.signer.verifier()
    }

    /// The proof that `seal` is in the log, under the newest checkpoint.
    pub fn prove(&self, seal: &SegmentSeal) -> Result<SegmentProof> {
        let missing = || Error::new(ErrorKind::NotFound, format!("{}: this seal is not in the log", seal.path));
        let (index, _) = *self.numbers.get(&seal.path).ok_or_else(missing)?;
        let note = self.newest.clone().ok_or_else(missing)?;
        if self.leaves[index as usize] != seal.leaf() {
            return Err(missing());
        }
        let path = proof::inclusion(&self.leaves, index as usize).ok_or_else(missing)?;
        Ok(SegmentProof { seal: seal.clone(), index, path, note })
    }
}

/// The key of the folder. A missing key beside an existing log is an error: a new one would hide that the old
/// is gone.
fn open_key(vfs: &dyn Vfs, folder: &Path, random: &dyn Randomness) -> Result<Signer> {
    let path = folder.join(KEY);
    match vfs.read(&path) {
        Ok(bytes) => {
            let signer = parse_private_key(&path, bytes)?;
            write_public_key(vfs, folder, &signer)?;
            Ok(signer)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let checkpoints = folder.join(CHECKPOINTS);
            let has_log = match vfs.metadata(&checkpoints) {
                Ok(file) => file.len > 0,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
                Err(error) => return Err(Error::io(checkpoints.display(), error)),
            };
            if has_log {
                let what = format!("{}: the key is gone, but the log that it signed is there", path.display());
                let hint = "restore the key from a backup; or move the folder away to start a new log";
                return Err(Error::new(ErrorKind::NotFound, what).with_hint(hint));
            }
            // The name is the log's origin and has to be unique: 64 random bits.
            let signer = Signer::generate(&format!("taffrail-{:016x}", random.next_u64()), random)?;
            let verifier = signer.verifier();
            write_file(vfs, &path, &format!("{PRIVATE}{}+{}\n", verifier.name(), BASE64.encode(signer.secret())))?;
            write_public_key(vfs, folder, &signer)?;
            Ok(signer)
        }
        Err(error) => Err(Error::io(path.display(), error)),
    }
}

fn parse_private_key(path: &Path, bytes: Vec<u8>) -> Result<Signer> {
    let wrong = || Error::corrupt(path.display(), "this is not a private key").with_hint("restore it from a backup");
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (name, key) = text.trim_end().strip_prefix(PRIVATE).and_then(|rest| rest.split_once('+')).ok_or_else(wrong)?;
    let seed = BASE64.decode(key).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
    Signer::from_secret(name, seed)
}

/// What checks the signatures of the private key in `path`.
pub(crate) fn read_private_key(vfs: &dyn Vfs, path: &Path) -> Result<Verifier> {
    let bytes = vfs.read(path).map_err(|error| Error::io(path.display(), error))?;
    Ok(parse_private_key(path, bytes)?.verifier())
}

/// Writes the public key beside the private one if it is not there; a crash may have come between.
fn write_public_key(vfs: &dyn Vfs, folder: &Path, signer: &Signer) -> Result<()> {
    let path = folder.join(PUBLIC_KEY);
    if vfs.metadata(&path).is_ok() {
        return Ok(());
    }
    write_file(vfs, &path, &format!("{}\n", signer.verifier()))
}

/// The notes of a file of checkpoints, one after the other.
pub(crate) struct Notes {
    lines: Lines,
    /// The file, for messages.
    pub path: PathBuf,
}

impl Notes {
    /// The notes of `path`; none when there is no such file.
    pub fn open(vfs: &dyn Vfs, path: &Path) -> Result<Option<Self>> {
        Ok(Lines::open(vfs, path)?.map(|lines| Self { lines, path: path.to_owned() }))
    }

    /// The next note with its offset; the note is `None` when its last blank line is missing.
    pub fn next(&mut self) -> Result<Option<(u64, Option<String>)>> {
        let start = self.lines.offset();
        let (mut note, mut blanks) = (String::new(), 0);
        while let Some(Line { text, complete, .. }) = self.lines.next()? {
            blanks += u32::from(text.is_empty());
            if blanks == 2 {
                return Ok(Some((start, complete.then_some(note))));
            }
            note.push_str(&text);
            note.push('\n');
        }
        Ok(if self.lines.offset() == start { None } else { Some((start, None)) })
    }
}

/// A newest checkpoint with its note, and the length of the file up to its end.
type Newest = (Option<(Checkpoint, String)>, u64);

/// Reads the file of checkpoints. Only the signature of the newest is checked here.
fn read_newest(vfs: &dyn Vfs, path: &Path, verifier: &Verifier) -> Result<Newest> {
    let Some(mut notes) = Notes::open(vfs, path)? else { return Ok((None, 0)) };
    let mut last_two: [Option<(u64, String)>; 2] = [None, None];
    let mut end = 0;
    while let Some((start, note)) = notes.next()? {
        end = start;
        let Some(note) = note else { break };
        end = notes.lines.offset();
        last_two = [last_two[1].take(), Some((start, note))];
    }
    let open = |note: &str| Checkpoint::parse(verifier.open(note)?);
    let [before, last] = last_two;
    let Some((start, note)) = last else { return Ok((None, end)) };
    match (open(&note), before) {
        (Ok(checkpoint), _) => Ok((Some((checkpoint, note)), end)),
        // The very last one may be torn by a crash: it was not reported as done. The one before it was.
        (Err(_), Some((_, note))) => Ok((Some((open(&note)?, note)), start)),
        (Err(_), None) => Ok((None, start)),
    }
}

/// What the file of seals holds.
struct Seals {
    leaves: Vec<Hash>,
    tree: Frontier,
    numbers: BTreeMap<String, (u64, Hash)>,
    removed: BTreeSet<Hash>,
    len: u64,
}

/// Reads the seals under the newest checkpoint; they must lead to its root. What stands behind them is left out.
fn read_seals(vfs: &dyn Vfs, path: &Path, signed: Option<&Checkpoint>) -> Result<Seals> {
    let mut read = Seals { leaves: Vec::new(), tree: Frontier::new(), numbers: BTreeMap::new(), removed: BTreeSet::new(), len: 0 };
    let Some(signed) = signed else { return Ok(read) };
    let broken = |what: String| Error::corrupt(path.display(), what).with_hint("restore the file from a backup");
    let mut lines = Lines::open(vfs, path)?;
    while read.tree.size() < signed.size {
        let number = read.tree.size();
        let line = lines.as_mut().map_or(Ok(None), Lines::next)?;
        let line = line.ok_or_else(|| broken(format!("it holds {number} seals, but {} were signed", signed.size)))?;
        let leaf = Hash::of_leaf(line.text.as_bytes());
        match (SegmentSeal::parse(&line.text), SegmentRemoval::parse(&line.text)) {
            (Some(seal), _) if line.complete => {
                read.numbers.insert(seal.path, (number, seal.root));
            }
            (_, Some(_)) if line.complete => {
                read.removed.insert(leaf);
            }
            _ => return Err(broken(format!("line {} is neither a seal nor a removal, but it was signed", number + 1))),
        }
        read.leaves.push(leaf);
        read.tree.push(leaf);
    }
    read.len = lines.as_ref().map_or(0, Lines::offset);
    if read.tree.root() != signed.root {
        return Err(broken(format!("the first {} seals are not those that were signed", signed.size)));
    }
    Ok(read)
}
