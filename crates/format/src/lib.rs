//! Bytes to events: breaking, decoding, timestamps, fields; pure.
