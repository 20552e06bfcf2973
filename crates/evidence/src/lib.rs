//! Merkle trees, checkpoints and proofs over sealed segments, and their verifier.
