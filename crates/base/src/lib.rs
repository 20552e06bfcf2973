//! Time, chance and disk: the only way to each of them.
//!
//! Every other crate reaches the clock, randomness and files through the traits here, so that the whole
//! program can run in simulation. This crate knows nothing of events, logs or searches.

pub mod clock;
pub mod error;
pub mod id;
pub mod limits;
pub mod random;
pub mod secret;
pub mod stop;
pub mod thread;
pub mod vfs;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Error, ErrorKind, Result};
pub use id::Ulid;
pub use random::{Randomness, SeededRandomness, SystemRandomness};
pub use secret::Secret;
pub use stop::Stop;
pub use thread::yield_to_others;
pub use vfs::sim::{Call, Fault, Ignored, Moment, Op, SimVfs};
pub use vfs::{FileIdentity, Metadata, RealVfs, Vfs, VfsFile};
