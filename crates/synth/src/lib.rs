//! Logs that are made up, the same from a seed on every machine: for the benchmark (`cargo xtask bench`) and for `taffrail generate`.
//!
//! - [`estate`] reads what there is: machines, words and stories, as text. What such texts may say stands at the heads of those in
//!   `benches/estate/`.
//! - [`syslog`] writes the log of an estate over three days, in the order of time.
//! - [`flow`] makes flows of a network, as a router tells them.
//! - [`live`] makes its messages one after the other, for whoever gives them times and sends them.
//! - [`random`] is chance that is the same everywhere.
//!
//! Pure: no clock, no disk, nothing of ours below it.

pub mod estate;
pub mod flow;
pub mod live;
mod place;
pub mod random;
pub mod syslog;
