//! What is on the simulated disk: durable state, current state, and the operations between them.
//!
//! - File data: each 512 B or 4 KiB sector that has pending writes survives as it was after any number of
//!   them; the length as it was after any of them; what was never written reads as zeros or as garbage.
//! - Names: any subset of the pending operations of a folder survives, each whole, in order.
//! - Folders themselves are durable at once.

use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Contents are shared between the copies that a recording makes of a disk.
#[derive(Clone, Debug, Default)]
struct Node {
    durable: Arc<Vec<u8>>,
    current: Arc<Vec<u8>>,
    pending: Vec<Arc<DataOp>>,
    modified: i64,
    /// A sync failed: whoever writes or syncs again counts on what is not there.
    failed: bool,
}

#[derive(Debug)]
enum DataOp {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone, Debug, Default)]
struct Folder {
    durable: BTreeMap<OsString, u64>,
    current: BTreeMap<OsString, u64>,
    pending: Vec<NameOp>,
}

#[derive(Clone, Debug)]
enum NameOp {
    Link(OsString, u64),
    Unlink(OsString),
    Rename(OsString, OsString, u64),
}

#[derive(Clone, Debug)]
pub(super) struct Disk {
    nodes: BTreeMap<u64, Node>,
    folders: BTreeMap<PathBuf, Folder>,
    next_node: u64,
    ticks: i64,
    changes: u64,
}

fn split(path: &Path) -> io::Result<(&Path, OsString)> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok((parent, name.to_owned())),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

impl Disk {
    pub fn new() -> Self {
        let folders = BTreeMap::from([(PathBuf::from("/"), Folder::default())]);
        Self { nodes: BTreeMap::new(), folders, next_node: 1, ticks: 0, changes: 0 }
    }

    /// Grows with every call that can make a difference after a power cut.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    pub fn count_change(&mut self) {
        self.changes += 1;
    }

    /// The present name of a file, for people.
    pub fn name_of(&self, node: u64) -> PathBuf {
        let named =
            |(path, folder): (&PathBuf, &Folder)| folder.current.iter().find(|(_, found)| **found == node).map(|(name, _)| path.join(name));
        self.folders.iter().find_map(named).unwrap_or_else(|| PathBuf::from("removed"))
    }

    pub fn used(&self) -> u64 {
        let live: BTreeSet<u64> = self.folders.values().flat_map(|f| f.current.values().copied()).collect();
        live.iter().map(|node| self.nodes[node].current.len() as u64).sum()
    }

    pub fn find(&self, path: &Path) -> io::Result<u64> {
        let (parent, name) = split(path)?;
        let folder = self.folders.get(parent).ok_or(io::ErrorKind::NotFound)?;
        folder.current.get(&name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub fn create(&mut self, path: &Path) -> io::Result<u64> {
        if self.folders.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (parent, name) = split(path)?;
        let folder = self.folders.get_mut(parent).ok_or(io::ErrorKind::NotFound)?;
        if folder.current.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = self.next_node;
        self.next_node += 1;
        folder.current.insert(name.clone(), node);
        folder.pending.push(NameOp::Link(name, node));
        self.changes += 1;
        self.nodes.insert(node, Node::default());
        Ok(node)
    }

    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let ((parent, from), (target, to)) = (split(from)?, split(to)?);
        if parent != target {
            // Two folders cannot be synced in one step, so nothing here may rely on such a rename.
            return Err(io::Error::new(io::ErrorKind::Unsupported, "rename between folders is not simulated"));
        }
        let folder = self.folders.get_mut(parent).ok_or(io::ErrorKind::NotFound)?;
        let node = folder.current.remove(&from).ok_or(io::ErrorKind::NotFound)?;
        folder.current.insert(to.clone(), node);
        folder.pending.push(NameOp::Rename(from, to, node));
        self.changes += 1;
        Ok(())
    }

    pub fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = split(path)?;
        let folder = self.folders.get_mut(parent).ok_or(io::ErrorKind::NotFound)?;
        folder.current.remove(&name).ok_or(io::ErrorKind::NotFound)?;
        folder.pending.push(NameOp::Unlink(name));
        self.changes += 1;
        Ok(())
    }

    pub fn create_folders(&mut self, path: &Path) {
        for folder in path.ancestors() {
            self.folders.entry(folder.to_owned()).or_default();
        }
    }

    pub fn is_folder(&self, path: &Path) -> bool {
        self.folders.contains_key(path)
    }

    pub fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let folder = self.folders.get(path).ok_or(io::ErrorKind::NotFound)?;
        let files = folder.current.keys().map(|name| path.join(name));
        let below = self.folders.keys().filter(|f| f.parent() == Some(path)).cloned();
        let mut all: Vec<PathBuf> = files.chain(below).collect();
        all.sort();
        Ok(all)
    }

    pub fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        let folder = self.folders.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        folder.pending.clear();
        folder.durable = folder.current.clone();
        self.changes += 1;
        Ok(())
    }

    fn node(&mut self, node: u64) -> &mut Node {
        self.ticks += 1;
        self.changes += 1;
        let ticks = self.ticks;
        let node = self.nodes.get_mut(&node).expect("an open file has a node");
        node.modified = ticks;
        node
    }

    pub fn len(&self, node: u64) -> u64 {
        self.nodes[&node].current.len() as u64
    }

    pub fn modified(&self, node: u64) -> i64 {
        self.nodes[&node].modified
    }

    pub fn read(&self, node: u64, buffer: &mut [u8], offset: u64) -> usize {
        let bytes = &self.nodes[&node].current;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let len = buffer.len().min(bytes.len() - start);
        buffer[..len].copy_from_slice(&bytes[start..start + len]);
        len
    }

    pub fn write(&mut self, node: u64, bytes: &[u8], offset: u64) {
        if bytes.is_empty() {
            return;
        }
        let op = DataOp::Write { offset: offset as usize, bytes: bytes.to_vec() };
        let node = self.node(node);
        op.apply(Arc::make_mut(&mut node.current));
        node.pending.push(Arc::new(op));
    }

    pub fn set_len(&mut self, node: u64, len: u64) {
        let op = DataOp::SetLen(len as usize);
        let node = self.node(node);
        op.apply(Arc::make_mut(&mut node.current));
        node.pending.push(Arc::new(op));
    }

    pub fn sync_data(&mut self, node: u64) {
        let node = self.node(node);
        if node.pending.is_empty() {
            return;
        }
        let durable = Arc::make_mut(&mut node.durable);
        for op in node.pending.drain(..) {
            op.apply(durable);
        }
    }

    pub fn has_failed(&self, node: u64) -> bool {
        self.nodes[&node].failed
    }

    pub fn set_failed(&mut self, node: u64) {
        self.node(node).failed = true;
    }

    /// A sync that failed: chance decides now what reached the disk, and the kernel holds the rest for
    /// written, so that it can be read but will never be made durable.
    pub fn fail_sync(&mut self, node: u64, rng: &mut Rng) {
        let node = self.node(node);
        node.durable = node.survivor(rng);
        node.pending.clear();
        node.failed = true;
    }

    pub fn damage(&mut self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let number = self.find(path)?;
        let node = self.node(number);
        change(Arc::make_mut(&mut node.current));
        node.durable = node.current.clone();
        node.pending.clear();
        Ok(())
    }

    /// The disk as it is now, all of it durable.
    pub fn copy(&self) -> Self {
        let node = |node: &Node| Node {
            durable: node.current.clone(),
            current: node.current.clone(),
            pending: Vec::new(),
            modified: node.modified,
            failed: false,
        };
        let folder = |folder: &Folder| Folder { durable: folder.current.clone(), current: folder.current.clone(), pending: Vec::new() };
        Self {
            nodes: self.nodes.iter().map(|(number, found)| (*number, node(found))).collect(),
            folders: self.folders.iter().map(|(path, found)| (path.clone(), folder(found))).collect(),
            next_node: self.next_node,
            ticks: self.ticks,
            changes: self.changes,
        }
    }

    /// The disk with all that is pending, without the files that nobody can find any more.
    pub fn record(&self) -> Self {
        let mut reachable = BTreeSet::new();
        for folder in self.folders.values() {
            reachable.extend(folder.current.values().chain(folder.durable.values()));
            reachable.extend(folder.pending.iter().filter_map(|op| match op {
                NameOp::Link(_, node) | NameOp::Rename(_, _, node) => Some(*node),
                NameOp::Unlink(_) => None,
            }));
        }
        let nodes = self.nodes.iter().filter(|(number, _)| reachable.contains(number));
        Self {
            nodes: nodes.map(|(number, node)| (*number, node.clone())).collect(),
            folders: self.folders.clone(),
            next_node: self.next_node,
            ticks: self.ticks,
            changes: self.changes,
        }
    }

    /// The disk as it may be found after a power cut.
    pub fn survive(&self, rng: &mut Rng) -> Self {
        let mut after =
            Self { nodes: BTreeMap::new(), folders: BTreeMap::new(), next_node: self.next_node, ticks: self.ticks, changes: self.changes };
        for (path, folder) in &self.folders {
            let names = folder.survivor(rng);
            for node in names.values() {
                let bytes = self.nodes[node].survivor(rng);
                let modified = self.nodes[node].modified;
                let survivor = Node { durable: bytes.clone(), current: bytes, modified, ..Node::default() };
                after.nodes.entry(*node).or_insert(survivor);
            }
            after.folders.insert(path.clone(), Folder { durable: names.clone(), current: names, pending: Vec::new() });
        }
        after
    }
}

impl DataOp {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::SetLen(len) => content.resize(*len, 0),
        }
    }

    fn end(&self, before: usize) -> usize {
        match self {
            Self::Write { offset, bytes } => before.max(offset + bytes.len()),
            Self::SetLen(len) => *len,
        }
    }
}

impl Node {
    /// A content that may be found after a power cut.
    fn survivor(&self, rng: &mut Rng) -> Arc<Vec<u8>> {
        let count = self.pending.len();
        let (common, scattered) = match rng.u8(0..4) {
            _ if count == 0 => return self.durable.clone(),
            0 => (0, false),
            1 => (count, false),
            2 => (rng.usize(0..=count), false),
            _ => (rng.usize(0..=count), true),
        };
        // The length after the first `common` operations, and the longest it ever was.
        let (mut len, mut longest, mut at) = (self.durable.len(), self.durable.len(), self.durable.len());
        for (number, op) in self.pending.iter().enumerate() {
            at = op.end(at);
            longest = longest.max(at);
            if number < common {
                len = at;
            }
        }
        let mut content = Vec::clone(&self.durable);
        let old = content.len();
        content.resize(longest, 0);
        if rng.u8(0..4) == 0 {
            rng.fill(&mut content[old..]);
        }
        let sector = if rng.bool() { 512 } else { 4096 };
        let mut versions: BTreeMap<usize, usize> = BTreeMap::new();
        for (number, op) in self.pending.iter().enumerate() {
            match &**op {
                DataOp::Write { offset, bytes } => {
                    let end = offset + bytes.len();
                    let mut from = *offset;
                    while from < end {
                        let number_of_sector = from / sector;
                        let to = ((number_of_sector + 1) * sector).min(end);
                        let version = *versions.entry(number_of_sector).or_insert_with(|| match scattered {
                            true => [0, count, rng.usize(0..=count)][rng.usize(0..3)],
                            false => common,
                        });
                        if number < version {
                            content[from..to].copy_from_slice(&bytes[from - offset..to - offset]);
                        }
                        from = to;
                    }
                }
                DataOp::SetLen(to) if number < common => content[(*to).min(longest)..].fill(0),
                DataOp::SetLen(_) => {}
            }
        }
        content.truncate(len);
        Arc::new(content)
    }
}

impl Folder {
    /// Names that may be found after a power cut.
    fn survivor(&self, rng: &mut Rng) -> BTreeMap<OsString, u64> {
        let count = self.pending.len();
        let mut names = self.durable.clone();
        let mode = rng.u8(0..4);
        let prefix = rng.usize(0..=count);
        for (number, op) in self.pending.iter().enumerate() {
            let kept = match mode {
                0 => false,
                1 => true,
                2 => number < prefix,
                _ => rng.bool(),
            };
            if !kept {
                continue;
            }
            match op {
                NameOp::Link(name, node) => {
                    names.insert(name.clone(), *node);
                }
                NameOp::Unlink(name) => {
                    names.remove(name);
                }
                NameOp::Rename(from, to, node) => {
                    names.remove(from);
                    names.insert(to.clone(), *node);
                }
            }
        }
        names
    }
}
