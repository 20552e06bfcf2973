//! Reads a catalog whose writer was killed in the middle of a commit, without changing a file.
//!
//! SQLite undoes such a commit with the rollback journal that lies beside the file, but only for somebody who
//! may write. Here it is undone on a copy in memory. The layout is that of SQLite's file format
//! specification, section 3, "The Rollback Journal".

use sqlx::sqlite::SqliteConnection;
use std::io;
use std::path::Path;
use taffrail_base::{Error, ErrorKind, RealVfs, Result, Vfs};

const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// SQLite's code for a read that would have to undo a commit first.
const READONLY_ROLLBACK: &str = "776";

/// How often it is tried when somebody else undoes the commit meanwhile.
const ATTEMPTS: usize = 10;

/// The file as it was before the commit that was never finished; `None` if there is no such commit.
pub(super) async fn rolled_back(connection: &mut SqliteConnection, path: &Path) -> Result<Option<Vec<u8>>> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-journal");
    let beside = Path::new(&beside);
    for _ in 0..ATTEMPTS {
        let told = match sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await {
            Ok(_) => return Ok(None),
            Err(told) => told,
        };
        if told.as_database_error().and_then(|e| e.code()).is_none_or(|code| code != READONLY_ROLLBACK) {
            // Whoever asks next is told the same.
            return Ok(None);
        }
        let read = |path: &Path| match RealVfs.read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(path.display(), e)),
        };
        // A writer that starts now changes the file before it removes the journal.
        if let (Some(before), Some(image), Some(after)) = (read(beside)?, read(path)?, read(beside)?)
            && before == after
        {
            return undo(image, &before)
                .map(Some)
                .ok_or_else(|| Error::corrupt(beside.display(), "not the rollback journal that it should be"));
        }
    }
    Err(Error::new(ErrorKind::Busy, format!("{} keeps changing", path.display())).with_hint("try again"))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Puts back the pages that the journal holds.
fn undo(mut image: Vec<u8>, journal: &[u8]) -> Option<Vec<u8>> {
    let page = u32_at(journal, 24)? as usize;
    let sector = u32_at(journal, 20)? as usize;
    let pages_before = u32_at(journal, 16)? as usize;
    if !page.is_power_of_two() || !(512..=65_536).contains(&page) || !(32..=65_536).contains(&sector) {
        return None;
    }
    let mut at = 0;
    // One header for each time that the journal was synced.
    while journal.get(at..at + 8) == Some(&MAGIC) {
        let count = u32_at(journal, at + 8)?;
        let nonce = u32_at(journal, at + 12)?;
        at += sector;
        for _ in 0..count {
            // A record that is cut off or was never synced stands for a page that was never changed.
            let Some(number) = u32_at(journal, at) else { break };
            let (Some(bytes), Some(sum)) = (journal.get(at + 4..at + 4 + page), u32_at(journal, at + 4 + page)) else { break };
            if checksum(nonce, bytes) != sum {
                break;
            }
            let start = (number as usize).checked_sub(1)?.checked_mul(page)?;
            if number as usize <= pages_before {
                if image.len() < start + page {
                    image.resize(start + page, 0);
                }
                image[start..start + page].copy_from_slice(bytes);
            }
            at += page + 8;
        }
        at = at.next_multiple_of(sector);
    }
    image.resize(pages_before * page, 0);
    Some(image)
}

fn checksum(nonce: u32, page: &[u8]) -> u32 {
    let sampled = (1..).map(|step| page.len().checked_sub(200 * step)).map_while(|at| at.filter(|at| *at > 0));
    sampled.fold(nonce, |sum, at| sum.wrapping_add(u32::from(page[at])))
}
