//! Numbers that plugins show (KIP-877). A plugin counts as it likes, in plain atomics, and is asked when somebody looks:
//! nothing is locked and nothing is sent while records move.
//!
//! A [`Family`] names a number, either as an attribute of the JMX bean that Java has for it, so that existing dashboards
//! find it whatever exporter they were made for, or by a Prometheus name of our own. [`Recent`] and [`Meter`] are Java's
//! statistics over the last half minute.

mod client;
mod window;

pub use client::{ClientKind, ClientNumbers};
pub use window::{Meter, Recent, Summary};

/// Something that can say its numbers at any time, from any thread. Given to the worker once
/// (`SourceTaskContext::publish`), which holds it weakly: what the plugin drops is not shown any more.
pub trait MetricSource: Send + Sync + 'static {
    /// Tells every number to `sink`. Must not block. `now_ms` is the moment of the look, milliseconds since 1970.
    fn collect(&self, now_ms: i64, sink: &mut dyn FnMut(Metric<'_>));
}

/// One number of a family at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Metric<'a> {
    /// What it is.
    pub family: &'a Family,
    /// What tells it from the others of its family, in a fixed order. Names are lower case with `-` as in JMX; the worker
    /// adds connector and task to the families of our own. Values must be bounded in number: topics, partitions, groups.
    pub labels: &'a [(&'static str, &'a str)],
    /// The number or word.
    pub value: Value<'a>,
}

/// What a metric says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A number. What is not known is not told: no `NaN`.
    Number(f64),
    /// A word, as Java's `status` attributes.
    Word(&'a str),
}

/// A kind of number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: Name,
    /// How it moves.
    pub kind: Kind,
    /// One sentence for people.
    pub help: &'static str,
}

/// The name of a [`Family`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// An attribute of a JMX bean, as `kafka.connect:type=connector-task-metrics` has `offset-commit-avg-time-ms`.
    Bean {
        /// `kafka.connect`
        domain: &'static str,
        /// `connector-task-metrics`
        bean: &'static str,
        /// `offset-commit-avg-time-ms`
        attribute: &'static str,
    },
    /// A name in Prometheus' manner: `portage_…`, base units, `_total` for counters.
    Own(&'static str),
}

/// How a number moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only upwards, from 0 at the start of whatever counts.
    Counter,
    /// Up and down.
    Gauge,
}

impl Family {
    /// An attribute of a bean. It is a counter if Java ends its name with `-total`.
    #[must_use]
    pub const fn bean(domain: &'static str, bean: &'static str, attribute: &'static str, help: &'static str) -> Self {
        let kind = if ends_with_total(attribute) { Kind::Counter } else { Kind::Gauge };
        Self { name: Name::Bean { domain, bean, attribute }, kind, help }
    }

    /// A counter of our own.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name: Name::Own(name), kind: Kind::Counter, help }
    }

    /// A gauge of our own.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name: Name::Own(name), kind: Kind::Gauge, help }
    }

    /// A number of this family.
    #[must_use]
    pub const fn number<'a>(&'a self, labels: &'a [(&'static str, &'a str)], value: f64) -> Metric<'a> {
        Metric { family: self, labels, value: Value::Number(value) }
    }

    /// A count of this family.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53, as every number in Prometheus")]
    pub const fn count<'a>(&'a self, labels: &'a [(&'static str, &'a str)], value: u64) -> Metric<'a> {
        self.number(labels, value as f64)
    }

    /// A word of this family.
    #[must_use]
    pub const fn word<'a>(&'a self, labels: &'a [(&'static str, &'a str)], value: &'a str) -> Metric<'a> {
        Metric { family: self, labels, value: Value::Word(value) }
    }
}

const fn ends_with_total(name: &str) -> bool {
    const END: &[u8] = b"-total";
    let name = name.as_bytes();
    let mut index = 0;
    while index < END.len() {
        if name.len() < END.len() || name[name.len() - END.len() + index] != END[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_calls_total_is_a_counter() {
        const TOTAL: Family = Family::bean("kafka.connect", "source-task-metrics", "source-record-poll-total", "");
        const RATE: Family = Family::bean("kafka.connect", "source-task-metrics", "source-record-poll-rate", "");

        assert_eq!((TOTAL.kind, RATE.kind), (Kind::Counter, Kind::Gauge));
    }
}
