//! What `portage demo` can be told.

use std::time::Duration;

use clap::{Args, ValueEnum};

/// Records that are written in all when the demo is to end by itself.
const RECORDS_TO_CATCH_UP_WITH: u64 = 50_000;

/// `portage demo`
#[derive(Debug, Clone, Args)]
pub(crate) struct Demo {
    /// The port of the source cluster on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 19092)]
    pub(crate) source_port: u16,

    /// The port of the target cluster on 127.0.0.1; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 29092)]
    pub(crate) target_port: u16,

    /// The REST port of the first worker; the others take the next ones. 0 takes free ones.
    #[arg(long, value_name = "PORT", default_value_t = 8083)]
    pub(crate) rest_port: u16,

    /// How many workers.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) workers: u8,

    /// Records that the applications write each second, both topics together.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=200_000))]
    pub(crate) rate: u64,

    /// Records that the applications write in all. Without it they write until the end, or until the clusters' memory is
    /// nearly full.
    #[arg(long, value_name = "N")]
    pub(crate) records: Option<u64>,

    /// End after this time, such as 30s, 2m, 1500ms.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,

    /// End when everything that was to be written (--records, or 50000) is on the target and the groups' offsets are, too.
    #[arg(long)]
    pub(crate) exit_when_caught_up: bool,

    /// What is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A live screen on a terminal, lines elsewhere.
    Text,
    /// Lines, also on a terminal.
    Plain,
    /// One JSON object a line; the last has "event": "verdict".
    Json,
}

impl Demo {
    /// How many records are to be written, if that is limited.
    pub(crate) fn records_max(&self) -> Option<u64> {
        self.records.or(self.exit_when_caught_up.then_some(RECORDS_TO_CATCH_UP_WITH))
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("{text} is no time; write 30s, 2m or 1500ms"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs).ok_or_else(|| format!("{text} is too long")),
        _ => Err(format!("{unit} is no unit of time; use ms, s or m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        for wrong in ["", "s", "5h", "-1s", "1.5s", "999999999999999999999s"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
