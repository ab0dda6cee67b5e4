//! Prometheus' text format 0.0.4: one help and one type a name, its series below, no series twice, and no more of a name
//! than the limit. What is left out is counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use connect_api::metrics::{Family, Kind, Metric, Name};

use super::profile::{Profile, Series, series};

/// Metrics on their way into text.
pub struct Exposition<'a> {
    profiles: &'a [Profile],
    series_max: usize,
    families: BTreeMap<String, Lines>,
    dropped: u64,
}

struct Lines {
    kind: Kind,
    help: &'static str,
    /// By labels as they are written. Strands of a task say what is theirs of a number.
    values: BTreeMap<String, Vec<(usize, f64)>>,
}

impl<'a> Exposition<'a> {
    /// Nothing yet, in the names of `profiles`; at most `series_max` series of a name.
    #[must_use]
    pub fn new(profiles: &'a [Profile], series_max: usize) -> Self {
        Self { profiles, series_max, families: BTreeMap::new(), dropped: 0 }
    }

    /// One more number. Of two with the same name and labels the later one counts.
    pub fn add(&mut self, metric: &Metric<'_>) {
        self.add_of_strand(0, metric);
    }

    fn add_of_strand(&mut self, strand: usize, metric: &Metric<'_>) {
        for profile in self.profiles {
            for series in series(*profile, metric) {
                self.push(series, metric.family.help, strand);
            }
        }
    }

    /// One more number of a connector instance or of a task: a name of our own says whose it is, a bean's has labels enough.
    /// Those of different strands with the same name and labels are added up.
    pub fn add_of(&mut self, connector: &str, task: Option<&str>, strand: usize, metric: &Metric<'_>) {
        if let Name::Bean { .. } = metric.family.name {
            return self.add_of_strand(strand, metric);
        }
        let mut labels = vec![("connector", connector)];
        labels.extend(task.map(|task| ("task", task)));
        labels.extend_from_slice(metric.labels);
        self.add_of_strand(strand, &Metric { labels: &labels, ..*metric });
    }

    fn push(&mut self, series: Series, help: &'static str, strand: usize) {
        let lines = self.families.entry(series.name).or_insert_with(|| Lines {
            kind: series.kind,
            help,
            values: BTreeMap::new(),
        });
        let labels = labels_text(&series.labels);
        if lines.values.len() >= self.series_max && !lines.values.contains_key(&labels) {
            self.dropped += 1;
            return;
        }
        let parts = lines.values.entry(labels).or_default();
        match parts.iter_mut().find(|(of, _)| *of == strand) {
            Some((_, value)) => *value = series.value,
            None => parts.push((strand, series.value)),
        }
    }

    /// The text.
    #[must_use]
    pub fn finish(mut self) -> String {
        const DROPPED: Family = Family::gauge(
            "portage_metrics_series_dropped",
            "Series that were left out of this answer because of portage.metrics.series.max.",
        );
        let dropped = self.dropped;
        self.add(&DROPPED.count(&[], dropped));
        let mut text = String::new();
        for (name, lines) in &self.families {
            let kind = match lines.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            // Writing to a string can't fail.
            let _ = writeln!(text, "# HELP {name} {}", escaped_help(lines.help));
            let _ = writeln!(text, "# TYPE {name} {kind}");
            for (labels, parts) in &lines.values {
                let value: f64 = parts.iter().map(|(_, value)| value).sum();
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        }
        text
    }
}

fn labels_text(labels: &[(String, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let mut text = String::from("{");
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let _ = write!(text, "{name}=\"{}\"", escaped_value(value));
    }
    text.push('}');
    text
}

fn escaped_value(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn escaped_help(help: &str) -> String {
    help.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: Family = Family::gauge("portage_lag", "Lag.");

    #[test]
    fn a_name_has_one_head_and_no_series_twice() {
        let mut exposition = Exposition::new(&[Profile::Native], 10);

        exposition.add_of("m", Some("0"), 0, &LAG.number(&[("topic", "a\"b")], 1.0));
        exposition.add_of("m", Some("0"), 0, &LAG.number(&[("topic", "a\"b")], 2.5));
        exposition.add(&LAG.number(&[], 3.0));

        let text = exposition.finish();
        assert!(text.starts_with(
            "# HELP portage_lag Lag.\n# TYPE portage_lag gauge\nportage_lag 3\n\
             portage_lag{connector=\"m\",task=\"0\",topic=\"a\\\"b\"} 2.5\n"
        ));
        assert_eq!(text.matches("# TYPE").count(), 2, "{text}");
    }

    #[test]
    fn numbers_of_a_task_s_strands_are_added_up_as_each_said_last() {
        let mut exposition = Exposition::new(&[Profile::Native], 10);

        for (strand, value) in [(0, 1.0), (1, 2.0), (0, 4.0), (1, 8.0)] {
            exposition.add_of("m", Some("0"), strand, &LAG.number(&[], value));
        }

        let text = exposition.finish();
        assert!(text.contains("\nportage_lag{connector=\"m\",task=\"0\"} 12\n"), "{text}");
    }

    #[test]
    fn what_is_above_the_limit_is_left_out_and_counted() {
        let mut exposition = Exposition::new(&[Profile::Native], 2);

        for topic in ["a", "b", "c", "b", "d"] {
            exposition.add(&LAG.number(&[("topic", topic)], 1.0));
        }

        let text = exposition.finish();
        assert_eq!(text.matches("portage_lag{").count(), 2);
        assert!(text.contains("\nportage_metrics_series_dropped 2\n"), "{text}");
    }
}
