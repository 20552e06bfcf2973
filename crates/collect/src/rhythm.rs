//! When a source sends: how long ago, how fast, how late, and whether it has been silent for longer than it ever is. Pure;
//! the silence that is usual is learnt from the source itself, and forgotten slowly.

/// Pauses that are known before silence means anything.
const PAUSES_MIN: u32 = 10;

/// Time over which they came: who sends all of a night's work in a moment is not silent after it.
const HEARD_MIN: i64 = 300_000_000_000;

/// Silence shorter than this is never told.
const SILENCE_MIN: i64 = 60_000_000_000;

/// So many times the longest pause is silence.
const SILENCE_FACTOR: i64 = 3;

/// The longest pause counts half after this time: nights and weekends are remembered, what was long ago is not.
const HALF_LIFE: f64 = 7.0 * 86_400e9;

/// Time over which rates are averaged, in seconds.
const RATE_SECONDS: f64 = 60.0;

/// The least delay is that of the last two of these: a clock that was set right is seen after one.
const SKEW_WINDOW: i64 = 300_000_000_000;

/// Events that were stored together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// When they were received.
    pub received: i64,
    /// From the time of an event to when it was received: of the last, and at least.
    pub delay: Option<(i64, i64)>,
}

/// When something sends, and whether it has been silent for longer than it ever is.
#[derive(Clone, Debug, Default)]
pub struct Silence {
    first_seen: i64,
    last_seen: Option<i64>,
    pauses: u32,
    longest_pause: f64,
    silent: bool,
}

impl Silence {
    /// Something came, nanoseconds since the epoch.
    pub fn arrived(&mut self, now: i64) {
        if let Some(before) = self.last_seen {
            let pause = now.saturating_sub(before).max(0) as f64;
            self.longest_pause = pause.max(self.longest_pause * 0.5f64.powf(pause / HALF_LIFE));
            self.pauses = self.pauses.saturating_add(1);
        } else {
            self.first_seen = now;
        }
        self.last_seen = self.last_seen.max(Some(now));
    }

    /// Time has passed. Gives a silence that has become too long, in nanoseconds, or `None` within when it is over.
    pub fn tick(&mut self, now: i64) -> Option<Option<i64>> {
        let last_seen = self.last_seen?;
        let silence = now.saturating_sub(last_seen);
        let is_known = self.pauses >= PAUSES_MIN && last_seen.saturating_sub(self.first_seen) >= HEARD_MIN;
        let silent = is_known && silence > SILENCE_MIN.max((self.longest_pause as i64).saturating_mul(SILENCE_FACTOR));
        let turned = silent != self.silent;
        self.silent = silent;
        turned.then_some(silent.then_some(silence))
    }

    /// When something came last, nanoseconds since the epoch.
    pub fn last_seen(&self) -> Option<i64> {
        self.last_seen
    }

    /// The longest pause that is remembered, in nanoseconds.
    pub fn usual_pause(&self) -> Option<i64> {
        (self.pauses > 0).then_some(self.longest_pause as i64)
    }

    /// Whether it has been silent for longer than is usual.
    pub fn is_silent(&self) -> bool {
        self.silent
    }
}

/// What is known of a source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rhythm {
    silence: Silence,
    lag: Option<i64>,
    least: Option<i64>,
    least_before: Option<i64>,
    window_since: i64,
    rate: f64,
    counted: u64,
}

/// When and how a source sends, as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pulse {
    /// When events of it were last stored, or it said that it is there, nanoseconds since the epoch.
    pub last_seen: Option<i64>,
    /// Events in a thousand seconds, averaged over the last minute.
    pub rate_millis: u64,
    /// From the time of its last event to when that was received.
    pub lag_nanos: Option<i64>,
    /// The least that this was lately: by so much its clock is behind ours, at most; less than nothing is a clock that is ahead.
    pub skew_nanos: Option<i64>,
    /// The longest pause between two of its arrivals that is remembered.
    pub usual_pause_nanos: Option<i64>,
    /// Whether it has been silent for longer than is usual.
    pub silent: bool,
}

impl Pulse {
    /// Adds another source: sums and extremes.
    pub(crate) fn add(&mut self, other: &Self) {
        self.last_seen = self.last_seen.max(other.last_seen);
        self.rate_millis += other.rate_millis;
        self.lag_nanos = self.lag_nanos.max(other.lag_nanos);
        self.silent |= other.silent;
    }
}

impl Rhythm {
    /// Events came.
    pub fn arrived(&mut self, arrival: &Arrival) {
        let now = arrival.received;
        self.silence.arrived(now);
        if let Some((last, least)) = arrival.delay {
            self.lag = Some(last);
            if now.saturating_sub(self.window_since) > SKEW_WINDOW {
                (self.least_before, self.least, self.window_since) = (self.least, None, now);
            }
            self.least = Some(self.least.map_or(least, |known| known.min(least)));
        }
    }

    /// Time has passed. Gives a silence that has become too long, or `None` within when it is over.
    pub fn tick(&mut self, now: i64, seconds: f64, received: u64) -> Option<Option<i64>> {
        let fresh = received.saturating_sub(self.counted) as f64 / seconds.max(0.001);
        self.counted = received;
        let weight = 1.0 - (-seconds / RATE_SECONDS).exp();
        self.rate += (fresh - self.rate) * weight;
        self.silence.tick(now)
    }

    /// What others see.
    pub fn pulse(&self) -> Pulse {
        let skew = match (self.least, self.least_before) {
            (Some(now), Some(before)) => Some(now.min(before)),
            (now, before) => now.or(before),
        };
        Pulse {
            last_seen: self.silence.last_seen(),
            rate_millis: (self.rate * 1_000.0).round() as u64,
            lag_nanos: self.lag,
            skew_nanos: skew,
            usual_pause_nanos: self.silence.usual_pause(),
            silent: self.silence.is_silent(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn arrive(rhythm: &mut Rhythm, at: i64) {
        rhythm.arrived(&Arrival { received: at * SECOND, delay: Some((SECOND, -SECOND)) });
    }

    #[test]
    fn a_moment_is_no_rhythm() {
        let mut silence = Silence::default();
        for at in 0..100 {
            silence.arrived(at * SECOND / 10);
        }
        assert_eq!(silence.tick(3_600 * SECOND), None);
        // Once it has come again, its pause is known.
        silence.arrived(3_600 * SECOND);
        assert_eq!((silence.tick(9_000 * SECOND), silence.tick(20_000 * SECOND)), (None, Some(Some(16_400 * SECOND))));
    }

    #[test]
    fn silence_is_what_is_longer_than_ever() {
        let mut rhythm = Rhythm::default();
        for at in 0..20 {
            arrive(&mut rhythm, at * 50);
            assert_eq!(rhythm.tick((at * 50 + 49) * SECOND, 50.0, at as u64 + 1), None);
        }
        assert_eq!(rhythm.tick((950 + 149) * SECOND, 100.0, 20), None);
        assert_eq!(rhythm.tick((950 + 160) * SECOND, 10.0, 20), Some(Some(160 * SECOND)));
        assert_eq!(rhythm.tick((950 + 170) * SECOND, 10.0, 20), None, "is told once");
        assert!(rhythm.pulse().silent);
        arrive(&mut rhythm, 950 + 600);
        assert_eq!(rhythm.tick((950 + 601) * SECOND, 10.0, 21), Some(None));
        // It has learnt: that long a pause is nothing new.
        assert_eq!(rhythm.tick((950 + 600 + 1_700) * SECOND, 10.0, 21), None);
        assert_eq!(rhythm.pulse().usual_pause_nanos, Some(600 * SECOND));
        assert_eq!((rhythm.pulse().lag_nanos, rhythm.pulse().skew_nanos), (Some(SECOND), Some(-SECOND)));
    }

    #[test]
    fn rates_follow_and_what_is_new_is_not_called_silent() {
        let mut rhythm = Rhythm::default();
        arrive(&mut rhythm, 0);
        for at in 1..60 {
            assert_eq!(rhythm.tick(at * 5 * SECOND, 5.0, at as u64 * 500), None);
        }
        assert!((99_000..=100_000).contains(&rhythm.pulse().rate_millis), "{}", rhythm.pulse().rate_millis);
        assert_eq!(rhythm.tick(86_400 * SECOND, 86_400.0, 29_500), None, "one arrival is no rhythm");
    }
}
