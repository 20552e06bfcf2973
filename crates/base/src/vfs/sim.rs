//! The simulated file system: keeps what is durable apart from what is only pending, and can lose power.
//!
//! The model is harsher than any one real file system and never harsher than what the contract of
//! [`Vfs`](super::Vfs) allows. Every call counts; a test can have the n-th call fail, be done and still
//! reported as failed, or be the moment of a power cut. The same seed and the same calls give the same run.

mod calls;
mod disk;
#[cfg(test)]
mod tests;

pub use calls::{Call, Fault, Op};

use super::{FileIdentity, Metadata, Vfs, VfsFile};
use calls::{Rule, Target};
use disk::Disk;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which syncs do nothing and report success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Those of files.
    pub data: bool,
    /// Those of folders.
    pub names: bool,
}

/// A simulated file system; clones share it.
#[derive(Clone, Debug)]
pub struct SimVfs {
    machine: Arc<Mutex<Machine>>,
}

#[derive(Debug)]
struct Machine {
    disk: Disk,
    rng: fastrand::Rng,
    calls: u64,
    crash_at: Option<u64>,
    dead: bool,
    faults: BTreeMap<u64, Fault>,
    ignored: Ignored,
    capacity: Option<u64>,
    locks: BTreeSet<PathBuf>,
    rule: Option<Rule>,
    trace: Option<Vec<Call>>,
    moments: Option<Vec<Moment>>,
    /// What the calls did that the contract of [`Vfs`](super::Vfs) forbids.
    breaches: Vec<String>,
    /// Only half of what a read or write asks for is done.
    half: bool,
}

/// The simulated disk between two calls of a recorded run, with all that is pending.
#[derive(Clone, Debug)]
pub struct Moment {
    /// How many calls were made before it.
    pub calls: u64,
    disk: Disk,
    ignored: Ignored,
}

impl Moment {
    /// The file system as it may be found when the power went at this moment; `seed` says which of the ways.
    pub fn power_cycle(&self, seed: u64) -> SimVfs {
        let mut rng = fastrand::Rng::with_seed(seed);
        let disk = self.disk.survive(&mut rng);
        SimVfs::with_disk(disk, rng, self.ignored)
    }
}

#[derive(Debug)]
struct SimFile {
    machine: Arc<Mutex<Machine>>,
    node: u64,
    writable: bool,
}

struct SimLock {
    machine: Arc<Mutex<Machine>>,
    path: PathBuf,
}

/// The error of every call during and after a power cut.
fn power_cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "simulated power cut")
}

/// Whether an error is that of a simulated power cut.
pub fn is_power_cut(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionAborted
}

impl SimVfs {
    /// An empty file system with one folder, `/`.
    pub fn new(seed: u64) -> Self {
        Self::with_disk(Disk::new(), fastrand::Rng::with_seed(seed), Ignored::default())
    }

    fn with_disk(disk: Disk, rng: fastrand::Rng, ignored: Ignored) -> Self {
        let machine = Machine {
            disk,
            rng,
            calls: 0,
            crash_at: None,
            dead: false,
            faults: BTreeMap::new(),
            ignored,
            capacity: None,
            locks: BTreeSet::new(),
            rule: None,
            trace: None,
            moments: None,
            breaches: Vec::new(),
            half: false,
        };
        Self { machine: Arc::new(Mutex::new(machine)) }
    }

    /// Makes syncs do nothing and report success: what a program without them would be. A crash test that
    /// does not fail with it proves nothing.
    pub fn ignore_sync(&self, ignored: Ignored) {
        self.machine.lock().ignored = ignored;
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.machine.lock().calls
    }

    /// Cuts the power at the `n`-th call from now (1 is the next one): whether that call is still done is
    /// chance, and it and every later one fail until [`SimVfs::power_cycle`].
    pub fn crash_after(&self, n: u64) {
        let mut machine = self.machine.lock();
        machine.crash_at = Some(machine.calls + n);
    }

    /// Whether the power is off.
    pub fn is_dead(&self) -> bool {
        self.machine.lock().dead
    }

    /// Has the `n`-th call from now (1 is the next one) go wrong.
    pub fn fail_call(&self, n: u64, fault: Fault) {
        let mut machine = self.machine.lock();
        let at = machine.calls + n;
        machine.faults.insert(at, fault);
    }

    /// Has `rule` say of every call from now on whether it goes wrong: for troubles that last, like a disk
    /// that was made read-only or a process that has no file handles left.
    pub fn fail_where(&self, rule: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        self.machine.lock().rule = Some(Rule(Box::new(rule)));
    }

    /// Takes back every fault and power cut that has not happened yet.
    pub fn clear_faults(&self) {
        let mut machine = self.machine.lock();
        machine.faults.clear();
        machine.rule = None;
        machine.crash_at = None;
    }

    /// Notes every call from now on; gives those noted so far.
    pub fn trace(&self) -> Vec<Call> {
        self.machine.lock().trace.replace(Vec::new()).unwrap_or_default()
    }

    /// Keeps the disk before every call from now on that follows a change; gives those kept so far and the
    /// disk as it is now.
    pub fn record(&self) -> Vec<Moment> {
        let mut machine = self.machine.lock();
        machine.keep_moment();
        machine.moments.replace(Vec::new()).unwrap_or_default()
    }

    /// What was done against the contract of [`Vfs`](super::Vfs): a file that was written or synced although
    /// a sync of it had failed.
    pub fn breaches(&self) -> Vec<String> {
        self.machine.lock().breaches.clone()
    }

    /// Bytes that fit on the disk; writes beyond fail with `StorageFull`. `None` lifts the bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.machine.lock().capacity = bytes;
    }

    /// Bytes in all files.
    pub fn used_bytes(&self) -> u64 {
        self.machine.lock().disk.used()
    }

    /// The file system as it may be found when the power is back: all that was synced, and any part of what
    /// was not. Cuts the power if it was still on; this one stays dead.
    pub fn power_cycle(&self) -> Self {
        let mut machine = self.machine.lock();
        machine.dead = true;
        let mut rng = machine.rng.fork();
        let disk = machine.disk.survive(&mut rng);
        Self::with_disk(disk, rng, machine.ignored)
    }

    /// An independent file system with the same files, all of them durable.
    pub fn copy(&self) -> Self {
        let mut machine = self.machine.lock();
        let rng = machine.rng.fork();
        Self::with_disk(machine.disk.copy(), rng, machine.ignored)
    }

    /// Changes a file's stored bytes behind the program's back (a flipped bit, a lost page).
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.machine.lock().disk.damage(path, change)
    }
}

enum Verdict {
    Go,
    Fault(Fault),
}

impl Machine {
    fn keep_moment(&mut self) {
        let Some(moments) = &mut self.moments else { return };
        if moments.last().is_none_or(|last| last.disk.changes() != self.disk.changes()) {
            moments.push(Moment { calls: self.calls, disk: self.disk.record(), ignored: self.ignored });
        }
    }

    fn verdict(&mut self, op: Op, target: Target<'_>) -> io::Result<Verdict> {
        if self.dead {
            return Err(power_cut());
        }
        self.keep_moment();
        self.calls += 1;
        let mut fault = self.faults.remove(&self.calls);
        if self.rule.is_some() || self.trace.is_some() {
            let path = match target {
                Target::Path(path) => path.to_owned(),
                Target::Node(node) => self.disk.name_of(node),
            };
            let call = Call { number: self.calls, op, path };
            fault = fault.or_else(|| self.rule.as_ref().and_then(|rule| (rule.0)(&call)));
            self.trace.iter_mut().for_each(|trace| trace.push(call.clone()));
        }
        if self.crash_at.is_some_and(|at| self.calls >= at) {
            fault = Some(Fault::Crash);
        }
        Ok(fault.map_or(Verdict::Go, Verdict::Fault))
    }

    /// Runs one call under its verdict.
    fn call<T>(&mut self, op: Op, target: Target<'_>, act: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let verdict = self.verdict(op, target)?;
        self.watch(op, target);
        let fault = match verdict {
            Verdict::Go => return act(self),
            Verdict::Fault(fault) => fault,
        };
        if let (Op::Sync, Target::Node(node)) = (op, target) {
            // What reached the disk is decided now; nothing brings back what did not.
            match fault {
                Fault::DoneButFailed(_) => self.disk.set_failed(node),
                Fault::Crash => {}
                _ => self.disk.fail_sync(node, &mut self.rng),
            }
        }
        match fault {
            Fault::Crash => {
                self.dead = true;
                if self.rng.bool() {
                    let _ = act(self);
                }
                Err(power_cut())
            }
            Fault::Error(kind) => Err(io::Error::new(kind, "simulated fault")),
            Fault::Os(number) => Err(io::Error::from_raw_os_error(number)),
            Fault::DoneButFailed(kind) => {
                act(self)?;
                Err(io::Error::new(kind, "simulated fault, though done"))
            }
            Fault::Short(kind) if op.has_bytes() => {
                self.half = true;
                let done = act(self);
                self.half = false;
                // A short read is no failure; the caller asks for the rest.
                if op == Op::Read { done } else { done.and(Err(io::Error::new(kind, "simulated fault, half done"))) }
            }
            Fault::Short(kind) => Err(io::Error::new(kind, "simulated fault")),
        }
    }

    /// Notes what the contract forbids.
    fn watch(&mut self, op: Op, target: Target<'_>) {
        if let (Op::Sync | Op::Write | Op::SetLen, Target::Node(node)) = (op, target)
            && self.disk.has_failed(node)
        {
            let name = self.disk.name_of(node);
            self.breaches.push(format!("call {}: {op:?} of {} after a sync of it had failed", self.calls, name.display()));
        }
    }
}

impl SimVfs {
    fn call<T>(&self, op: Op, path: &Path, act: impl FnOnce(&mut Machine) -> io::Result<T>) -> io::Result<T> {
        self.machine.lock().call(op, Target::Path(path), act)
    }

    fn file(&self, node: u64, writable: bool) -> Box<dyn VfsFile> {
        Box::new(SimFile { machine: self.machine.clone(), node, writable })
    }
}

impl SimFile {
    fn call<T>(&self, op: Op, act: impl FnOnce(&mut Machine) -> io::Result<T>) -> io::Result<T> {
        self.machine.lock().call(op, Target::Node(self.node), act)
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(Op::Read, |m| {
            let len = if m.half { buffer.len().div_ceil(2) } else { buffer.len() };
            Ok(m.disk.read(self.node, &mut buffer[..len], offset))
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.call(Op::Write, |m| {
            if !self.writable {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let bytes = if m.half { &bytes[..bytes.len() / 2] } else { bytes };
            // As much as fits is written before the error, as a short write would leave it.
            let len = m.disk.len(self.node);
            let free = m.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(m.disk.used()));
            let fits = len.saturating_add(free).saturating_sub(offset).min(bytes.len() as u64) as usize;
            m.disk.write(self.node, &bytes[..fits], offset);
            if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(Op::Sync, |m| {
            match m.ignored.data {
                true => m.disk.count_change(),
                false => m.disk.sync_data(self.node),
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(Op::SetLen, |m| {
            m.disk.set_len(self.node, len);
            Ok(())
        })
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.call(Op::FileMetadata, |m| Ok(m.known(self.node)))
    }
}

impl Machine {
    fn known(&self, node: u64) -> Metadata {
        Metadata {
            len: self.disk.len(node),
            is_dir: false,
            is_file: true,
            identity: FileIdentity { device: 1, inode: node, ..FileIdentity::default() },
            modified_nanos: self.disk.modified(node),
        }
    }
}

impl Vfs for SimVfs {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let node = self.call(Op::Create, path, |m| m.disk.create(path))?;
        Ok(self.file(node, true))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let node = self.call(Op::OpenRead, path, |m| m.disk.find(path))?;
        Ok(self.file(node, false))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let node = self.call(Op::OpenWrite, path, |m| m.disk.find(path))?;
        Ok(self.file(node, true))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Op::Rename, from, |m| m.disk.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(Op::Remove, path, |m| m.disk.remove(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call(Op::CreateDirs, path, |m| {
            m.disk.create_folders(path);
            Ok(())
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.call(Op::ReadDir, path, |m| m.disk.list(path))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.call(Op::Metadata, path, |m| match m.disk.is_folder(path) {
            true => Ok(Metadata {
                len: 0,
                is_dir: true,
                is_file: false,
                identity: FileIdentity { device: 1, ..FileIdentity::default() },
                modified_nanos: 0,
            }),
            false => m.disk.find(path).map(|node| m.known(node)),
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call(Op::SyncDir, path, |m| match m.ignored.names {
            true => {
                m.disk.count_change();
                Ok(())
            }
            false => m.disk.sync_folder(path),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut machine = self.machine.lock();
        let busy = machine.locks.contains(path);
        let done = machine.call(Op::Lock, Target::Path(path), |m| match () {
            () if busy => Err(io::ErrorKind::WouldBlock.into()),
            () if m.disk.find(path).is_err() => m.disk.create(path).map(drop),
            () => Ok(()),
        });
        if done.is_ok() {
            machine.locks.insert(path.to_owned());
        }
        // A lock that was reported as failed is given up: a process would close the file.
        done.map(|()| Box::new(SimLock { machine: self.machine.clone(), path: path.to_owned() }) as Box<dyn Send + Sync>)
    }

    fn available_bytes(&self, path: &Path) -> io::Result<u64> {
        self.call(Op::AvailableBytes, path, |m| Ok(m.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(m.disk.used()))))
    }

    fn total_bytes(&self, path: &Path) -> io::Result<u64> {
        self.call(Op::AvailableBytes, path, |m| Ok(m.capacity.unwrap_or(u64::MAX)))
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.machine.lock().locks.remove(&self.path);
    }
}
