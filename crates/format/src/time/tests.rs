//! Time tests.
