//! Checks everything again: every signature, every line, every sealed file. Changes nothing, and does not
//! need the private key.

use crate::checkpoint::Checkpoint;
use crate::log::{CHECKPOINTS, KEY, Notes, PUBLIC_KEY, SEALS, read_private_key};
use crate::merkle::{Frontier, Hash};
use crate::note::Verifier;
use crate::records::Lines;
use crate::removal::SegmentRemoval;
use crate::seal::{SegmentSeal, hash_file};
use std::collections::BTreeMap;
use std::path::Path;
use taffrail_base::limits::EVIDENCE_FINDINGS_MAX;
use taffrail_base::{Error, ErrorKind, Result, Vfs};

/// What to check against.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The key to trust; without it the one that lies in the folder, which proves less.
    pub key: Option<&'a Verifier>,
    /// Checkpoints that were kept elsewhere: the log must still lead to each of them.
    pub remembered: &'a [Checkpoint],
    /// Leaves out reading the sealed files.
    pub skip_files: bool,
}

/// A place that is not as it was signed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file, and the line or byte in it.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// A crash leaves it like this, and the next start mends it: nothing that was reported as sealed is concerned.
    pub unfinished: bool,
}

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Seals in the log.
    pub seals: u64,
    /// Seals under the newest valid checkpoint.
    pub signed: u64,
    /// Checkpoints read.
    pub checkpoints: u64,
    /// Sealed files that are as they were sealed.
    pub files_intact: u64,
    /// Bytes of these.
    pub bytes_intact: u64,
    /// Sealed files that were removed by a recorded rule.
    pub files_removed: u64,
    /// Sealed files that are in an object store: they are not read here.
    pub files_archived: u64,
    /// The broken places in the order they were met, the first `EVIDENCE_FINDINGS_MAX` of them.
    pub findings: Vec<Finding>,
    /// All broken places.
    pub findings_total: u64,
}

impl Report {
    /// Whether nothing is broken.
    pub fn is_intact(&self) -> bool {
        self.findings_total == 0
    }

    /// The first broken place.
    pub fn first_broken(&self) -> Option<&Finding> {
        self.findings.first()
    }

    fn add(&mut self, place: impl Into<String>, what: impl Into<String>) {
        self.note(place, what, false);
    }

    fn note(&mut self, place: impl Into<String>, what: impl Into<String>, unfinished: bool) {
        self.findings_total += 1;
        if self.findings.len() < EVIDENCE_FINDINGS_MAX {
            self.findings.push(Finding { place: place.into(), what: what.into(), unfinished });
        }
    }
}

/// A root that the log must have at some size, and who says so.
struct Claim {
    size: u64,
    root: Hash,
    place: String,
}

/// Checks the evidence below the folder `data`. Broken evidence is a finding in the report; an error is only
/// what keeps the check from being made.
pub fn verify(vfs: &dyn Vfs, data: &Path, options: Options<'_>) -> Result<Report> {
    let folder = data.join("evidence");
    let own_key;
    let key = match options.key {
        Some(key) => key,
        None => {
            own_key = read_key(vfs, &folder.join(PUBLIC_KEY))?;
            &own_key
        }
    };
    let mut report = Report::default();
    let mut claims = read_claims(vfs, &folder, key, &mut report)?;
    claims.extend(options.remembered.iter().map(|kept| Claim {
        size: kept.size,
        root: kept.root,
        place: format!("a checkpoint of {} seals that was kept elsewhere", kept.size),
    }));
    claims.sort_by_key(|claim| claim.size);
    check_seals(vfs, data, &folder, &claims, options.skip_files, &mut report)?;
    Ok(report)
}

fn read_key(vfs: &dyn Vfs, path: &Path) -> Result<Verifier> {
    let bytes = vfs.read(path).map_err(|error| Error::io(path.display(), error).with_hint("name the public key to trust"))?;
    Verifier::parse(&String::from_utf8_lossy(&bytes))
}

/// The claims of the checkpoints in the folder; those not validly signed become findings.
fn read_claims(vfs: &dyn Vfs, folder: &Path, key: &Verifier, report: &mut Report) -> Result<Vec<Claim>> {
    let mut claims: Vec<Claim> = Vec::new();
    let Some(mut notes) = Notes::open(vfs, &folder.join(CHECKPOINTS))? else { return Ok(claims) };
    loop {
        let (start, note) = match notes.next() {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(claims),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                report.add(notes.path.display().to_string(), error.message());
                return Ok(claims);
            }
            Err(error) => return Err(error),
        };
        report.checkpoints += 1;
        let place = format!("{}, byte {start}", notes.path.display());
        let Some(note) = note else {
            report.note(place, "the checkpoint is not complete", true);
            continue;
        };
        match key.open(&note).and_then(Checkpoint::parse) {
            Err(error) => report.add(place, error.message()),
            Ok(checkpoint) if checkpoint.origin != key.name() => {
                report.add(place, format!("the checkpoint is of another log, {:?}", checkpoint.origin));
            }
            Ok(checkpoint) => {
                if claims.last().is_some_and(|before| before.size > checkpoint.size) {
                    report.add(place.clone(), "the checkpoint has fewer seals than the one before it");
                }
                claims.push(Claim { size: checkpoint.size, root: checkpoint.root, place });
            }
        }
    }
}

/// Follows the log from its first line, holds each claim against the root at its size, and each file against
/// its seal.
fn check_seals(vfs: &dyn Vfs, data: &Path, folder: &Path, claims: &[Claim], skip_files: bool, report: &mut Report) -> Result<()> {
    let path = folder.join(SEALS);
    let mut claims = claims.iter().peekable();
    let mut tree = Frontier::new();
    let mut lines = Lines::open(vfs, &path)?;
    let mut files: BTreeMap<String, (SegmentSeal, Place)> = BTreeMap::new();
    loop {
        let root = claims.peek().filter(|claim| claim.size == tree.size()).map(|_| tree.root());
        while let Some(claim) = claims.next_if(|claim| claim.size == tree.size()) {
            if root == Some(claim.root) {
                report.signed = claim.size;
            } else {
                report.add(&claim.place, format!("the first {} seals of the log are not those that were signed here", claim.size));
            }
        }
        let line = match lines.as_mut().map_or(Ok(None), Lines::next) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                report.add(path.display().to_string(), error.message());
                None
            }
            other => other?,
        };
        let Some(line) = line else { break };
        let place = format!("{}, line {}", path.display(), tree.size() + 1);
        // The leaf is the bytes of the line, whether they make sense or not: the root tells what was signed.
        tree.push(Hash::of_leaf(line.text.as_bytes()));
        report.seals += 1;
        match (SegmentSeal::parse(&line.text), SegmentRemoval::parse(&line.text)) {
            (Some(seal), _) if line.complete => {
                files.insert(seal.path.clone(), (seal, Place::Here));
            }
            (_, Some(removal)) if line.complete => remove(&mut files, &removal, place, report),
            _ => report.note(place, "the line is neither a seal nor a removal", !line.complete),
        }
    }
    for (seal, place) in files.values() {
        match place {
            Place::Gone => report.files_removed += 1,
            Place::Elsewhere => report.files_archived += 1,
            Place::Here if skip_files => {}
            Place::Here => check_file(vfs, data, seal, report)?,
        }
    }
    for claim in claims {
        report.add(&claim.place, format!("{} seals were signed, but the log holds {}", claim.size, tree.size()));
    }
    if report.signed < report.seals && report.is_intact() {
        let what = format!(
            "{} seals at its end are not signed (a crash may have come between; the next start seals them again)",
            report.seals - report.signed
        );
        report.note(path.display().to_string(), what, true);
    }
    Ok(())
}

/// Where a sealed file has to be.
#[derive(Clone, Copy)]
enum Place {
    Here,
    Elsewhere,
    Gone,
}

/// Takes a removal into account; it has to be of the very file that was sealed.
fn remove(files: &mut BTreeMap<String, (SegmentSeal, Place)>, removal: &SegmentRemoval, place: String, report: &mut Report) {
    match files.get_mut(&removal.path) {
        Some((seal, _)) if Some(seal.root) != removal.root || seal.bytes != removal.bytes || seal.events != removal.events => {
            report.add(place, format!("what it says of {} is not what was sealed", removal.path));
        }
        Some((_, at)) => *at = if removal.is_moved() { Place::Elsewhere } else { Place::Gone },
        None if removal.root.is_some() => report.add(place, format!("{} was removed before it was sealed, with a root", removal.path)),
        // Removed before it could be sealed.
        None => {}
    }
}

/// Looks at the two key files: what they hold must be keys, and belong together. Gives what is wrong.
pub fn check_keys(vfs: &dyn Vfs, data: &Path) -> Result<Vec<Finding>> {
    let folder = data.join("evidence");
    let mut findings = Vec::new();
    let mut verifiers = Vec::new();
    for (name, read) in [(PUBLIC_KEY, read_key as fn(&dyn Vfs, &Path) -> Result<Verifier>), (KEY, read_private_key)] {
        let path = folder.join(name);
        match read(vfs, &path) {
            Ok(verifier) => verifiers.push(verifier.to_string()),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid | ErrorKind::NotFound) => {
                let what = error.message().trim_start_matches(&format!("{}: ", path.display())).to_owned();
                findings.push(Finding { place: path.display().to_string(), what, unfinished: false });
            }
            Err(error) => return Err(error),
        }
    }
    if let [public, private] = &verifiers[..]
        && public != private
    {
        let what = "the public key is not that of the private key beside it".to_owned();
        findings.push(Finding { place: folder.join(PUBLIC_KEY).display().to_string(), what, unfinished: false });
    }
    Ok(findings)
}

fn check_file(vfs: &dyn Vfs, data: &Path, seal: &SegmentSeal, report: &mut Report) -> Result<()> {
    let path = data.join(&seal.path);
    match hash_file(vfs, &path) {
        Ok((bytes, root)) if bytes == seal.bytes && root == seal.root => {
            report.files_intact += 1;
            report.bytes_intact += bytes;
        }
        Ok((bytes, _)) if bytes != seal.bytes => {
            report.add(path.display().to_string(), format!("it has {bytes} bytes, but {} were sealed", seal.bytes));
        }
        Ok(_) => report.add(path.display().to_string(), "its bytes are not those that were sealed"),
        Err(error) if error.kind() == ErrorKind::NotFound => report.add(path.display().to_string(), "the sealed file is missing"),
        Err(error) => return Err(error),
    }
    Ok(())
}
