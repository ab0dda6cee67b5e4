//! What the worker is doing, in words: for requests that time out, and for `/health` (Java: `TickThreadStage`).

use super::{Herder, Phase};
use crate::ids::{Generation, Now};
use crate::view::Stage;

/// The stage of now, and the one before.
#[derive(Debug, Default)]
pub(super) struct StageLog {
    current: Option<(String, Now)>,
    last: Option<(String, Now, Now)>,
}

impl StageLog {
    /// Answers whether this is another stage than before.
    fn set(&mut self, now: Now, text: Option<String>) -> bool {
        if self.current.as_ref().map(|(current, _)| current) == text.as_ref() {
            return false;
        }
        if let Some((text, began)) = self.current.take() {
            self.last = Some((text, began, now));
        }
        self.current = text.map(|text| (text, now));
        true
    }

    /// Java's sentence for a request that was not answered in time.
    pub(super) fn timeout_text(&self, epoch_ms: i64) -> String {
        let at = |now: Now| iso8601(epoch_ms.saturating_add_unsigned(now.0));
        let stage = match (&self.current, &self.last) {
            (Some((text, began)), _) => {
                format!(" The worker is currently {text}, which began at {}.", at(*began))
            }
            (None, Some((text, began, completed))) => format!(
                " The last operation the worker completed was {text}, which began at {} and completed at {}.",
                at(*began),
                at(*completed)
            ),
            (None, None) => String::new(),
        };
        format!("Request timed out.{stage}")
    }
}

impl Herder {
    pub(super) fn update_stage(&mut self) {
        let text = self.stage_text();
        if self.stage.set(self.now, text) {
            self.version += 1;
        }
    }

    fn stage_text(&self) -> Option<String> {
        let text = match self.phase {
            Phase::New => "awaiting startup",
            Phase::Reading { .. } => "initializing and reading to the end of internal topics",
            Phase::Stopping | Phase::Stopped => "shutting down",
            Phase::Working if self.config_topic_lost => "without its config topic, which has been deleted or truncated",
            Phase::Working if self.catch_up.is_reading() => "reading to the end of the config topic",
            Phase::Working if self.catch_up.is_blocked() => "backing off as the config topic could not be read in time",
            Phase::Working if self.work.stopping().next().is_some() => return Some(self.stopping_text()),
            Phase::Working if self.coordinator_unknown_since.is_some() || !self.membership.is_settled() => {
                "ensuring membership in the cluster"
            }
            Phase::Working => return self.writer.current().map(|job| job.stage()),
        };
        Some(text.to_owned())
    }

    fn stopping_text(&self) -> String {
        let names: Vec<String> = self.work.stopping().take(3).map(ToString::to_string).collect();
        let more = self.work.stopping().count() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("stopping {}{more}", names.join(", "))
    }

    pub(super) fn view_stage(&self) -> Stage {
        let text = || self.stage_text().unwrap_or_default();
        match self.phase {
            Phase::New | Phase::Reading { .. } => Stage::Starting(text()),
            // A coordinator that is not there yet belongs to starting; one that has gone does not.
            Phase::Working if self.membership.last_completed() == Generation::NONE => Stage::Starting(text()),
            Phase::Working
                if self.config_topic_lost || self.catch_up.is_blocked() || self.coordinator_unknown_since.is_some() =>
            {
                Stage::Impaired(text())
            }
            Phase::Working if self.membership.assigned().is_none() => Stage::Starting(text()),
            Phase::Working => Stage::Ready,
            Phase::Stopping | Phase::Stopped => Stage::Stopping,
        }
    }
}

/// A moment as Java's `Instant` prints it: `2026-11-22T17:50:01.250Z`, milliseconds only if there are any.
fn iso8601(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Days to a date by counting in years that begin in March, so that the leap day is the last of a year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
    let fraction = if millis > 0 { format!(".{millis:03}") } else { String::new() };
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_printed_as_java_prints_them() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso8601(951_827_696_007), "2000-02-29T12:34:56.007Z");
        assert_eq!(iso8601(1_795_361_068_185), "2026-11-22T15:24:28.185Z");
    }

    #[test]
    fn a_timeout_names_the_stage_or_the_one_before() {
        let mut log = StageLog::default();
        assert_eq!(log.timeout_text(0), "Request timed out.");

        log.set(Now(1_000), Some("knitting".to_owned()));
        assert_eq!(
            log.timeout_text(0),
            "Request timed out. The worker is currently knitting, which began at 1970-01-01T00:00:01Z."
        );

        log.set(Now(2_500), None);
        assert_eq!(
            log.timeout_text(0),
            "Request timed out. The last operation the worker completed was knitting, which began at \
             1970-01-01T00:00:01Z and completed at 1970-01-01T00:00:02.500Z."
        );
    }
}
