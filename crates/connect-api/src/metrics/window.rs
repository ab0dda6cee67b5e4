//! Java's statistics over sliding windows (`Avg`, `Max`, `Min`, `Value`, `Rate` over two samples of 30 s), without locks.
//!
//! Each has one writer, the task that it belongs to, and any number of readers. A reader that looks just while a window is
//! begun anew may see a part of it; the next look is right again.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// One of the two windows, in milliseconds (Java: `metrics.sample.window.ms`).
const WINDOW_MS: i64 = 30_000;

/// The last value of something, and its range and average over the last 30 to 60 s.
#[derive(Debug)]
pub struct Recent {
    last: AtomicI64,
    any: AtomicU64,
    windows: [Window; 2],
}

/// What a [`Recent`] says at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The last value, however old.
    pub last: i64,
    /// Least, greatest and average of the last 30 to 60 s; `None` if there was no value.
    pub range: Option<(i64, i64, f64)>,
}

#[derive(Debug)]
struct Window {
    number: AtomicI64,
    count: AtomicU64,
    sum: AtomicI64,
    min: AtomicI64,
    max: AtomicI64,
}

impl Default for Recent {
    fn default() -> Self {
        let window = || Window {
            number: AtomicI64::new(i64::MIN),
            count: AtomicU64::new(0),
            sum: AtomicI64::new(0),
            min: AtomicI64::new(i64::MAX),
            max: AtomicI64::new(i64::MIN),
        };
        Self { last: AtomicI64::new(0), any: AtomicU64::new(0), windows: [window(), window()] }
    }
}

impl Recent {
    /// One value.
    pub fn record(&self, value: i64, now_ms: i64) {
        self.record_range(value, value, 1, now_ms);
    }

    /// `count` values between `min` and `max`, as if they lay evenly; the last of them is `min`. For the records of a batch,
    /// of which only the first and the last time are known.
    pub fn record_range(&self, min: i64, max: i64, count: u64, now_ms: i64) {
        let number = now_ms.div_euclid(WINDOW_MS);
        let window = &self.windows[slot(number)];
        if window.number.load(Relaxed) != number {
            window.begin(number);
        }
        let middle = min / 2 + max / 2 + (min % 2 + max % 2) / 2;
        let sum = middle.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
        // One writer: nothing comes between the load and the store.
        window.sum.store(window.sum.load(Relaxed).saturating_add(sum), Relaxed);
        window.count.fetch_add(count, Relaxed);
        window.min.fetch_min(min, Relaxed);
        window.max.fetch_max(max, Relaxed);
        self.last.store(min, Relaxed);
        self.any.store(1, Relaxed);
    }

    /// What it says now; `None` before the first value.
    #[must_use]
    pub fn summary(&self, now_ms: i64) -> Option<Summary> {
        Self::summary_of([self], now_ms)
    }

    /// What several say together now, as if all their values had been told to one; of their last values the greatest. `None`
    /// before the first value.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "an average of milliseconds")]
    pub fn summary_of<'a>(several: impl IntoIterator<Item = &'a Self>, now_ms: i64) -> Option<Summary> {
        let now = now_ms.div_euclid(WINDOW_MS);
        let mut last = None;
        let (mut count, mut sum, mut min, mut max) = (0_u64, 0_i64, i64::MAX, i64::MIN);
        for recent in several.into_iter().filter(|recent| recent.any.load(Relaxed) != 0) {
            last = last.max(Some(recent.last.load(Relaxed)));
            for window in recent.windows.iter().filter(|window| is_recent(window.number.load(Relaxed), now)) {
                count = count.saturating_add(window.count.load(Relaxed));
                sum = sum.saturating_add(window.sum.load(Relaxed));
                min = min.min(window.min.load(Relaxed));
                max = max.max(window.max.load(Relaxed));
            }
        }
        let range = (count > 0 && min <= max).then(|| (min, max, sum as f64 / count as f64));
        Some(Summary { last: last?, range })
    }
}

impl Window {
    fn begin(&self, number: i64) {
        self.count.store(0, Relaxed);
        self.sum.store(0, Relaxed);
        self.min.store(i64::MAX, Relaxed);
        self.max.store(i64::MIN, Relaxed);
        self.number.store(number, Relaxed);
    }
}

/// How many of something, in all and per second over the last 30 to 60 s.
#[derive(Debug)]
pub struct Meter {
    total: AtomicU64,
    windows: [(AtomicI64, AtomicU64); 2],
}

impl Default for Meter {
    fn default() -> Self {
        let window = || (AtomicI64::new(i64::MIN), AtomicU64::new(0));
        Self { total: AtomicU64::new(0), windows: [window(), window()] }
    }
}

impl Meter {
    /// `count` more.
    pub fn add(&self, count: u64, now_ms: i64) {
        self.total.fetch_add(count, Relaxed);
        let number = now_ms.div_euclid(WINDOW_MS);
        let (of, counted) = &self.windows[slot(number)];
        if of.load(Relaxed) != number {
            counted.store(0, Relaxed);
            of.store(number, Relaxed);
        }
        counted.fetch_add(count, Relaxed);
    }

    /// All there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// How many a second: those of the running window and the one before it, over the time since that began.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    pub fn rate(&self, now_ms: i64) -> f64 {
        let now = now_ms.div_euclid(WINDOW_MS);
        let recent = self.windows.iter().filter(|(number, _)| is_recent(number.load(Relaxed), now));
        let counted: u64 = recent.map(|(_, counted)| counted.load(Relaxed)).sum();
        let elapsed_ms = now_ms - (now - 1) * WINDOW_MS;
        counted as f64 * 1000.0 / elapsed_ms as f64
    }
}

fn slot(number: i64) -> usize {
    usize::from(number.rem_euclid(2) == 1)
}

fn is_recent(number: i64, now: i64) -> bool {
    number == now || number == now - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_000_000 * WINDOW_MS;

    #[test]
    fn a_value_counts_in_its_window_and_the_next_one() {
        let recent = Recent::default();
        assert_eq!(recent.summary(T), None);
        recent.record(5, T);
        recent.record(11, T + WINDOW_MS);

        assert_eq!(recent.summary(T + WINDOW_MS), Some(Summary { last: 11, range: Some((5, 11, 8.0)) }));
        assert_eq!(recent.summary(T + 2 * WINDOW_MS), Some(Summary { last: 11, range: Some((11, 11, 11.0)) }));
        assert_eq!(recent.summary(T + 3 * WINDOW_MS), Some(Summary { last: 11, range: None }));
    }

    #[test]
    fn several_say_together_what_one_would() {
        let (one, other, silent) = (Recent::default(), Recent::default(), Recent::default());
        one.record(5, T);
        one.record(6, T);
        other.record(19, T);

        let together = Recent::summary_of([&one, &silent, &other], T);

        assert_eq!(together, Some(Summary { last: 19, range: Some((5, 19, 10.0)) }));
        assert_eq!(Recent::summary_of([&silent], T), None);
    }

    #[test]
    fn a_batch_counts_by_its_ends() {
        let recent = Recent::default();

        recent.record_range(10, 30, 4, T);
        recent.record(0, T);

        assert_eq!(recent.summary(T), Some(Summary { last: 0, range: Some((0, 30, 16.0)) }));
    }

    #[test]
    fn numbers_at_the_edge_of_the_type_do_no_harm() {
        let recent = Recent::default();

        recent.record_range(i64::MIN, i64::MAX, u64::MAX, T);
        recent.record_range(i64::MAX, i64::MAX, u64::MAX, T);

        assert!(recent.summary(T).unwrap().range.is_some());
    }

    #[test]
    fn a_rate_forgets_what_is_older_than_two_windows() {
        let meter = Meter::default();
        meter.add(60, T);

        assert!((meter.rate(T + WINDOW_MS) - 2.0).abs() < 1e-9);
        assert!((meter.rate(T + 15_000) - 60.0 / 45.0).abs() < 1e-9);
        assert_eq!((meter.rate(T + 2 * WINDOW_MS), meter.total()), (0.0, 60));
    }
}
