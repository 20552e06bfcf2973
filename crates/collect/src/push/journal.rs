//! The systemd journal as `systemd-journal-upload` sends it: entries in the export format, in a body that may be as long as the
//! journal is. It is taken as it comes, so that nothing holds all of it.
//!
//! **Promise.** The answer of success means that every entry of the body is durable; a sender then notes how far it has come. An
//! entry that is not whole when the body ends, and anything that is not the export format, is answered with an error:
//! entries before it are kept, and come again when the sender begins again behind the last that was answered. Then their `__CURSOR` tells
//! that they are there.

use super::{Intake, invalid};
use crate::http::IngestOrigin;
use crate::journald::export::ExportReader;
use crate::journald::record;
use taffrail_base::Result;
use taffrail_event::{EventBatch, Same, Timestamp};

/// A body while it is being taken.
pub struct Upload {
    reader: ExportReader,
    intake: Intake,
    entries: u64,
}

impl Upload {
    /// At the beginning of a body that `origin` sends.
    pub fn new(origin: &IngestOrigin, received: Timestamp) -> Result<Self> {
        Ok(Self { reader: ExportReader::default(), intake: Intake::new(origin, "journald", received)?, entries: 0 })
    }

    /// Takes the next bytes and gives the batches that are full.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<EventBatch>> {
        let (intake, entries) = (&mut self.intake, &mut self.entries);
        self.reader.push(bytes, |entry| {
            match entry.text("__CURSOR") {
                Some(cursor) => _ = intake.push_as(&record(&entry), &[cursor], Same::IdAndContent),
                None => intake.push(&record(&entry)),
            }
            *entries += 1;
        });
        if self.reader.is_broken() {
            return Err(invalid(format!("behind entry {} the body is not in the journal export format", self.entries)));
        }
        Ok(self.intake.take_full())
    }

    /// What was taken and not given yet, whatever becomes of the rest.
    pub fn rest(&mut self) -> Vec<EventBatch> {
        self.intake.take_all()
    }

    /// Says whether the body has come to its end with an entry; how many there were.
    pub fn finish(&self) -> Result<u64> {
        if self.reader.is_within() {
            return Err(invalid(format!("behind entry {} the body ends within another", self.entries)));
        }
        Ok(self.entries)
    }
}
