//! The command line.

use std::path::PathBuf;

use crate::subject::Subject;
use crate::workload::{WORKLOADS, Workload};

pub(crate) const USAGE: &str = "\
usage: perf [compare | steady | wan | curves | floor] [--quick] [--seconds N] [--rounds N] [--workloads NAME,…] [--subjects NAME,…]
            [--round-trip MS] [--no-windows] [--out FILE]

  Without a command: Portage and the bare loop, three workloads, one round.
  compare    MirrorMaker 2 too, all workloads, one round; some ten minutes
  steady     latency of Portage and MirrorMaker 2 at 20,000 records a second, for a minute each
  wan        Portage and MirrorMaker 2 with a source that is 100 ms of round trip away
  floor      what carrying bytes between two sockets takes by itself
  curves     what Portage takes with 1 to 3,000 partitions, 1 to 10 connectors, records of 100 B to 1 MB, and at rest

  --seconds  the longest that a run is watched from its first record on (20), or the time of `steady` (60)
  --quick    a quarter of the records
  --no-windows  with a round trip: as many bytes under way as anybody likes to send. Without it, as on a real wire, not more
             than the receiver has room for by default
  workloads: 1kb-none 1kb-zstd 100b-lz4 16kb-batches 1mb-batches 10kb-records 1-record-batches 200-partitions
  subjects:  mm2 mm2-tuned portage portage-2-tasks portage-2-threads bare";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Workloads,
    Steady,
    Curves,
}

/// What to do.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) command: Command,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    /// How far away the source is.
    pub(crate) round_trip_ms: u64,
    /// Whether receive buffers count at that distance.
    pub(crate) windows: bool,
    pub(crate) out: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut words = words.peekable();
        let mut options = Self {
            command: Command::Workloads,
            workloads: WORKLOADS[..3].to_vec(),
            subjects: vec![Subject::Portage, Subject::Bare],
            rounds: 1,
            seconds: 20,
            round_trip_ms: 0,
            windows: true,
            out: None,
        };
        match words.next_if(|word| !word.starts_with('-')).as_deref() {
            None => {}
            Some("compare") => {
                options.workloads = WORKLOADS.to_vec();
                options.subjects = vec![Subject::Mm2, Subject::Portage, Subject::Bare];
            }
            Some("steady") => {
                options.command = Command::Steady;
                options.subjects = vec![Subject::Mm2, Subject::Portage];
                options.seconds = 60;
            }
            Some("wan") => {
                options.workloads = WORKLOADS[..1].to_vec();
                options.subjects = vec![Subject::Mm2, Subject::Portage, Subject::Bare];
                options.round_trip_ms = 100;
            }
            Some("curves") => options.command = Command::Curves,
            Some(other) => return Err(format!("{other} is no command")),
        }
        let mut divisor = 1;
        while let Some(word) = words.next() {
            if word == "--quick" {
                divisor = 4;
                continue;
            }
            if word == "--no-windows" {
                options.windows = false;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} wants a value, or is unknown"))?;
            let number = || value.parse().map_err(|_| format!("{word} {value} is no number"));
            match word.as_str() {
                "--rounds" => options.rounds = number()? as usize,
                "--seconds" => options.seconds = number()?,
                "--round-trip" => options.round_trip_ms = number()?,
                "--workloads" => {
                    let known = |name: &str| WORKLOADS.into_iter().find(|workload| workload.name == name);
                    options.workloads = pick("workload", &value, known)?;
                }
                "--subjects" => {
                    let known = |name: &str| Subject::ALL.into_iter().find(|subject| subject.name() == name);
                    options.subjects = pick("subject", &value, known)?;
                }
                "--out" => options.out = Some(value.into()),
                other => return Err(format!("{other} is unknown")),
            }
        }
        options.workloads = options.workloads.into_iter().map(|workload| workload.divided_by(divisor)).collect();
        Ok(options)
    }
}

fn pick<T>(what: &str, names: &str, known: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    names.split(',').map(|name| known(name).ok_or_else(|| format!("there is no {what} {name}"))).collect()
}
