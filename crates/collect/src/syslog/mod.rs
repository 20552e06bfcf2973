//! Syslog over UDP, TCP and TLS; [`crate::relp`] is the same with acknowledgements.
//!
//! **Promise.** None: the protocol has no answer. What has arrived is kept whatever it looks like, and what the kernel
//! had to drop is counted.

pub mod tcp;
pub mod udp;
