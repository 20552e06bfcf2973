//! What was wrong with an event when it was taken in. It is kept all the same.

/// A set of problems, one bit each; the bits are part of the stored format and never change meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Problems(pub u16);

impl Problems {
    /// Nothing to report.
    pub const NONE: Self = Self(0);
    /// No time was found in it: the event time is the time it was received.
    pub const NO_TIME: Self = Self(1);
    /// A time was found that cannot be held or is absurd (year 9999): the receive time stands in.
    pub const BAD_TIME: Self = Self(2);
    /// The time had no year, or no zone, and one was inferred.
    pub const INFERRED_TIME: Self = Self(4);
    /// Not valid UTF-8.
    pub const NOT_UTF8: Self = Self(8);
    /// A part of a longer event that was split; every part but the first is marked.
    pub const CONTINUED: Self = Self(16);
    /// The format expected something else (bad syslog header, broken JSON): kept as text.
    pub const MALFORMED: Self = Self(32);
    /// Lines that go on an event which was cut off between two of its lines: it reached a limit, or had rested.
    pub const MORE_LINES: Self = Self(64);
    /// It names another machine than the one that has proved to be the sender.
    pub const OTHER_SENDER: Self = Self(128);

    const NAMES: [(Self, &'static str); 8] = [
        (Self::NO_TIME, "no_time"),
        (Self::BAD_TIME, "bad_time"),
        (Self::INFERRED_TIME, "inferred_time"),
        (Self::NOT_UTF8, "not_utf8"),
        (Self::CONTINUED, "continued"),
        (Self::MALFORMED, "malformed"),
        (Self::MORE_LINES, "more_lines"),
        (Self::OTHER_SENDER, "other_sender"),
    ];

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the problems, as the field `_problems` shows them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(p, _)| self.contains(*p)).map(|(_, name)| name)
    }
}
