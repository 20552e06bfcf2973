//! The simulated file system: keeps what is durable apart from what is only pending, and can lose power.
//!
//! The model is harsher than any one real file system and never harsher than what the contract of
//! [`Vfs`](super::Vfs) allows. Every call counts; a test can have the n-th call fail, be done and still
//! reported as failed, or be the moment of a power cut. The same seed and the same calls give the same run.

mod disk;
#[cfg(test)]
mod tests;

use super::{FileIdentity, Metadata, Vfs, VfsFile};
use disk::Disk;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and nothing was done. A failed sync loses an unknown part of what was pending, as real
    /// kernels do: syncing the same file again will not bring it back.
    Error(io::ErrorKind),
    /// It was done, and is reported as failed.
    DoneButFailed(io::ErrorKind),
}

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
        let (faults, locks) = (BTreeMap::new(), BTreeSet::new());
        let machine = Machine { disk, rng, calls: 0, crash_at: None, dead: false, faults, ignored, capacity: None, locks };
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

    /// Takes back every fault and power cut that has not happened yet.
    pub fn clear_faults(&self) {
        let mut machine = self.machine.lock();
        machine.faults.clear();
        machine.crash_at = None;
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
    Crash,
    Fault(Fault),
}

impl Machine {
    fn verdict(&mut self) -> io::Result<Verdict> {
        if self.dead {
            return Err(power_cut());
        }
        self.calls += 1;
        if self.crash_at.is_some_and(|at| self.calls >= at) {
            self.dead = true;
            return Ok(Verdict::Crash);
        }
        let fault = self.faults.remove(&self.calls);
        Ok(fault.map_or(Verdict::Go, Verdict::Fault))
    }

    /// Runs one call under its verdict; `lose` is what a plain failure does.
    fn call<T>(&mut self, act: impl FnOnce(&mut Self) -> io::Result<T>, lose: impl FnOnce(&mut Self)) -> io::Result<T> {
        match self.verdict()? {
            Verdict::Go => act(self),
            Verdict::Crash => {
                if self.rng.bool() {
                    let _ = act(self);
                }
                Err(power_cut())
            }
            Verdict::Fault(Fault::Error(kind)) => {
                lose(self);
                Err(io::Error::new(kind, "simulated fault"))
            }
            Verdict::Fault(Fault::DoneButFailed(kind)) => {
                act(self)?;
                Err(io::Error::new(kind, "simulated fault, though done"))
            }
        }
    }
}

impl SimVfs {
    fn call<T>(&self, act: impl FnOnce(&mut Machine) -> io::Result<T>) -> io::Result<T> {
        self.machine.lock().call(act, |_| {})
    }

    fn file(&self, node: u64, writable: bool) -> Box<dyn VfsFile> {
        Box::new(SimFile { machine: self.machine.clone(), node, writable })
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.machine.lock().call(|m| Ok(m.disk.read(self.node, buffer, offset)), |_| {})
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let write = |m: &mut Machine| {
            if !self.writable {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            // As much as fits is written before the error, as a short write would leave it.
            let len = m.disk.len(self.node);
            let free = m.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(m.disk.used()));
            let fits = len.saturating_add(free).saturating_sub(offset).min(bytes.len() as u64) as usize;
            m.disk.write(self.node, &bytes[..fits], offset);
            if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        };
        self.machine.lock().call(write, |_| {})
    }

    fn sync_data(&self) -> io::Result<()> {
        let sync = |m: &mut Machine| {
            if !m.ignored.data {
                m.disk.sync_data(self.node);
            }
            Ok(())
        };
        self.machine.lock().call(sync, |m| m.disk.fail_sync(self.node, &mut m.rng))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.machine.lock().call(
            |m| {
                m.disk.set_len(self.node, len);
                Ok(())
            },
            |_| {},
        )
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.machine.lock().call(|m| Ok(m.known(self.node)), |_| {})
    }
}

impl Machine {
    fn known(&self, node: u64) -> Metadata {
        Metadata {
            len: self.disk.len(node),
            is_dir: false,
            is_file: true,
            identity: FileIdentity { device: 1, inode: node },
            modified_nanos: self.disk.modified(node),
        }
    }
}

impl Vfs for SimVfs {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let node = self.call(|m| m.disk.create(path))?;
        Ok(self.file(node, true))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let node = self.call(|m| m.disk.find(path))?;
        Ok(self.file(node, false))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        let node = self.call(|m| m.disk.find(path))?;
        Ok(self.file(node, true))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|m| m.disk.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(|m| m.disk.remove(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call(|m| {
            m.disk.create_folders(path);
            Ok(())
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.call(|m| m.disk.list(path))
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.call(|m| match m.disk.is_folder(path) {
            true => {
                Ok(Metadata { len: 0, is_dir: true, is_file: false, identity: FileIdentity { device: 1, inode: 0 }, modified_nanos: 0 })
            }
            false => m.disk.find(path).map(|node| m.known(node)),
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let sync = |m: &mut Machine| if m.ignored.names { Ok(()) } else { m.disk.sync_folder(path) };
        self.machine.lock().call(sync, |_| {})
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut machine = self.machine.lock();
        let busy = machine.locks.contains(path);
        let done = machine.call(
            |m| match () {
                () if busy => Err(io::ErrorKind::WouldBlock.into()),
                () if m.disk.find(path).is_err() => m.disk.create(path).map(drop),
                () => Ok(()),
            },
            |_| {},
        );
        if done.is_ok() {
            machine.locks.insert(path.to_owned());
        }
        // A lock that was reported as failed is given up: a process would close the file.
        done.map(|()| Box::new(SimLock { machine: self.machine.clone(), path: path.to_owned() }) as Box<dyn Send + Sync>)
    }

    fn available_bytes(&self, _path: &Path) -> io::Result<u64> {
        self.call(|m| Ok(m.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(m.disk.used()))))
    }

    fn total_bytes(&self, _path: &Path) -> io::Result<u64> {
        self.call(|m| Ok(m.capacity.unwrap_or(u64::MAX)))
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.machine.lock().locks.remove(&self.path);
    }
}
