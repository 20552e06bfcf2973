//! What watches: rules and what is new.
