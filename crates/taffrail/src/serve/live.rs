//! The live line: events per second, total, sources. On a terminal one line is drawn again and again; elsewhere a
//! line is written when something has arrived, not more often than every five seconds.

use crate::app::App;
use crate::cli::terminal;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Draws until it is aborted.
pub async fn run(app: Arc<App>) {
    let terminal = terminal::stderr_is_terminal();
    let mut tick = tokio::time::interval(if terminal { Duration::from_millis(500) } else { Duration::from_secs(5) });
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tick.tick().await;
    // Counted once: looking into the store twice a second would cost more than the line is worth.
    let held_before: u64 =
        app.store.stat().iter().map(|index| index.events).sum::<u64>().saturating_sub(app.meters.events.load(Ordering::Relaxed));
    let mut before = (app.clock.monotonic_nanos(), 0u64, 0u64);
    loop {
        tick.tick().await;
        let now = (app.clock.monotonic_nanos(), app.meters.events.load(Ordering::Relaxed), app.meters.bytes.load(Ordering::Relaxed));
        let seconds = (now.0 - before.0).max(1) as f64 / 1e9;
        let (events, bytes) = ((now.1 - before.1) as f64 / seconds, (now.2 - before.2) as f64 / seconds);
        let quiet = now.1 == before.1;
        before = now;
        if quiet && !terminal {
            continue;
        }
        let held = held_before + now.1;
        let line = format!(
            "{:>9} events/s  {:>7.1} MB/s  {} new, {} in all  {} sources",
            grouped(events.round() as u64),
            bytes / 1e6,
            grouped(now.1),
            grouped(held),
            grouped(app.meters.sources() as u64)
        );
        let mut out = std::io::stderr().lock();
        // Nobody to read it is no reason to stop collecting.
        let _ = if terminal { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }
}

/// Leaves the drawn line standing.
pub fn end() {
    if terminal::stderr_is_terminal() {
        let _ = writeln!(std::io::stderr());
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_apart() {
        assert_eq!(["0", "999", "1,000", "12,345,678"].map(String::from), [0, 999, 1_000, 12_345_678].map(super::grouped));
    }
}
