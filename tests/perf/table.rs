//! Figures as Markdown: medians of the rounds, and how the subjects compare.

use std::fmt::Write as _;

use crate::run::Figures;
use crate::subject::Subject;

const HEAD: &str = "\
| | MB/s | records/s | CPU s/GB | target broker CPU s/GB | peak RSS MiB | first record s | last record s | CPU s to the first record |
|---|---|---|---|---|---|---|---|---|
";

/// A workload's table, and its ratios below.
pub(crate) fn table(title: &str, runs: &[(Subject, Vec<Figures>)]) -> String {
    let mut text = format!("**{title}**\n\n{HEAD}");
    for (subject, figures) in runs.iter().filter(|(_, figures)| !figures.is_empty()) {
        let cell = |of: fn(&Figures) -> f64, digits: usize| format!("{:.digits$}", median(figures, of));
        let cells = [
            cell(|run| run.mb_per_s, 0),
            cell(|run| run.records_per_s, 0),
            cell(|run| run.cpu_s_per_gb, 2),
            cell(|run| run.target_cpu_s_per_gb, 2),
            cell(|run| run.peak_rss_mib, 0),
            cell(|run| run.first_record_s, 2),
            cell(|run| run.last_record_s, 1),
            cell(|run| run.start_cpu_s, 2),
        ];
        // Writing to a string can't fail.
        let _ = writeln!(text, "| {} | {} |", subject.title(), cells.join(" | "));
    }
    text.push('\n');
    let of = |wanted: Subject| {
        runs.iter().find(|(subject, figures)| *subject == wanted && !figures.is_empty()).map(|(_, figures)| figures)
    };
    let Some(portage) = of(Subject::Portage) else { return text };
    let others = runs.iter().filter(|(subject, figures)| *subject != Subject::Portage && !figures.is_empty());
    for (subject, figures) in others {
        let share = |of: fn(&Figures) -> f64| median(portage, of) / median(figures, of);
        let _ = writeln!(
            text,
            "Portage : {}: CPU {:.3}, target broker's CPU {:.2}, throughput {:.2}, memory {:.3}.",
            subject.title(),
            share(|run| run.cpu_s_per_gb),
            share(|run| run.target_cpu_s_per_gb),
            share(|run| run.mb_per_s),
            share(|run| run.peak_rss_mib),
        );
    }
    text
}

/// The middle one, or the mean of the two in the middle.
fn median(runs: &[Figures], of: fn(&Figures) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count => f64::midpoint(values[(count - 1) / 2], values[count / 2]),
    }
}
