//! Inputs and outputs: what brings events in and sends them on.
