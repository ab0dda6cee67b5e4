//! The command line.

use std::path::PathBuf;

use crate::subject::Subject;
use crate::workload::{WORKLOADS, Workload};

pub(crate) const USAGE: &str = "\
usage: perf [compare | steady] [--quick] [--seconds N] [--rounds N] [--workloads NAME,…] [--subjects NAME,…] [--out FILE]

  Without `compare`: Portage and the bare loop, three workloads, one round. With it: MirrorMaker 2 too, all workloads,
  three rounds. `steady`: latency of Portage and MirrorMaker 2 at 20,000 records a second, for a minute each.

  workloads: 1kb-none 1kb-zstd 100b-lz4 16kb-batches 1mb-batches 10kb-records 200-partitions
  subjects:  mm2 mm2-tuned portage bare";

/// What to do.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) rounds: usize,
    /// How long each subject mirrors a steady flow, if that is what is measured.
    pub(crate) steady_s: Option<u64>,
    pub(crate) out: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut words = words.peekable();
        let compare = words.next_if(|word| word == "compare").is_some();
        let mut options = Self {
            workloads: WORKLOADS[..if compare { WORKLOADS.len() } else { 3 }].to_vec(),
            subjects: if compare { Subject::ALL.to_vec() } else { vec![Subject::Portage, Subject::Bare] },
            rounds: if compare { 3 } else { 1 },
            steady_s: None,
            out: None,
        };
        if words.next_if(|word| word == "steady").is_some() {
            options.workloads = Vec::new();
            options.subjects = vec![Subject::Mm2, Subject::Portage];
            options.steady_s = Some(60);
        }
        let mut divisor = 1;
        while let Some(word) = words.next() {
            if word == "--quick" {
                divisor = 4;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} wants a value, or is unknown"))?;
            match word.as_str() {
                "--rounds" => options.rounds = value.parse().map_err(|_| format!("--rounds {value} is no number"))?,
                "--workloads" => {
                    let known = |name: &str| WORKLOADS.into_iter().find(|workload| workload.name == name);
                    options.workloads = pick("workload", &value, known)?;
                }
                "--subjects" => {
                    let known = |name: &str| Subject::ALL.into_iter().find(|subject| subject.name() == name);
                    options.subjects = pick("subject", &value, known)?;
                }
                "--seconds" => {
                    let seconds = value.parse().map_err(|_| format!("--seconds {value} is no number"))?;
                    options.steady_s = Some(seconds);
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
