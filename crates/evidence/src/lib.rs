//! Evidence: shows that what was kept is still what was kept.
//!
//! Every segment that the store seals gets one line in an append-only log; the lines are the leaves of a
//! Merkle tree (RFC 6962), and after each of them the state of the whole tree is signed (a C2SP checkpoint).
//! Who holds any one checkpoint can tell later whether a byte before it was changed, taken out or put in.
//!
//! - [`merkle`] the tree: leaf and interior hashes, a root that is computed as leaves arrive.
//! - [`proof`] inclusion and consistency proofs, how they are made and how they are checked.
//! - [`note`] signed notes, [`checkpoint`] the text that is signed.
//! - [`seal`] the line of a segment, [`removal`] the line of one that is gone; [`log`] the files on disk; [`verify`](mod@verify) checks them all again.
//!
//! This crate knows neither events nor the store: a segment is a file with a name. [`merkle`], [`proof`],
//! [`note`] and [`checkpoint`] do no I/O at all; the rest reaches the disk through `base::Vfs` only.
//! What is on disk is specified in `docs/formats/evidence.md`.
//!
//! What it cannot tell: without a checkpoint that was kept elsewhere, somebody who holds the key can write
//! the whole folder anew. [`verify::Options::remembered`] takes checkpoints that were kept elsewhere.

pub mod checkpoint;
pub mod log;
pub mod merkle;
pub mod note;
pub mod proof;
mod records;
pub mod removal;
pub mod seal;
pub mod verify;

pub use checkpoint::Checkpoint;
pub use log::SealLog;
pub use merkle::{Frontier, Hash};
pub use note::{Signer, Verifier};
pub use removal::SegmentRemoval;
pub use seal::{SegmentSeal, seal_segment};
pub use verify::{Report, check_keys, verify};
