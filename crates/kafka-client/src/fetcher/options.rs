//! What a fetcher can be told, from Kafka's keys.

use crate::config::{ClientConfig, ConfigError};

/// Which records of transactions are delivered (`isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// All, the aborted ones too.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions; reading stops at the first open one.
    ReadCommitted,
}

/// What to do about a position that the log does not have any more (`auto.offset.reset`). It is reported in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetReset {
    /// Stop the partition until the caller seeks.
    #[default]
    None,
    /// Go on with the first record there is.
    Earliest,
    /// Go on with the next record to come.
    Latest,
}

/// Settings of a [`Fetcher`](super::Fetcher).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetcherOptions {
    /// `isolation.level`.
    pub isolation: Isolation,
    /// `fetch.max.wait.ms` (500): how long a broker may hold back an answer that has less than `min_bytes`.
    pub max_wait_ms: i32,
    /// `fetch.min.bytes` (1).
    pub min_bytes: i32,
    /// `fetch.max.bytes` (50 MiB): the most one response should hold; less is asked for when less comes, or when the budget
    /// is small.
    pub max_bytes: i32,
    /// `max.partition.fetch.bytes` (1 MiB): the most one response should hold of one partition. The first batch of a
    /// response is always whole.
    pub partition_max_bytes: i32,
    /// Nobody has asked for a `max.partition.fetch.bytes`: more of a partition is read at once from a broker that is far away,
    /// where a few busy partitions could not fill a response otherwise.
    pub partition_max_adapts: bool,
    /// `check.crcs` (true): compare the checksum of every batch with its bytes.
    pub check_crcs: bool,
    /// `client.rack`: read from a replica in the same rack if the brokers agree (KIP-392).
    pub client_rack: String,
    /// What to do about positions out of range.
    pub offset_reset: OffsetReset,
}

impl Default for FetcherOptions {
    fn default() -> Self {
        Self {
            isolation: Isolation::ReadUncommitted,
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 50 << 20,
            partition_max_bytes: 1 << 20,
            partition_max_adapts: true,
            check_crcs: true,
            client_rack: String::new(),
            offset_reset: OffsetReset::None,
        }
    }
}

impl FetcherOptions {
    /// Reads Kafka's consumer keys. `auto.offset.reset` is not among them: what a lost position means is for the caller to
    /// decide, record by record.
    pub fn from_config(config: &ClientConfig) -> Result<Self, ConfigError> {
        let default = Self::default();
        let number =
            |key: &str, default: i32, least: i32| match text(config, key) {
                None => Ok(default),
                Some(value) => value.parse().ok().filter(|number| *number >= least).ok_or_else(|| {
                    ConfigError::invalid(key, value, format!("must be a whole number, at least {least}"))
                }),
            };
        Ok(Self {
            isolation: match text(config, "isolation.level") {
                None | Some("read_uncommitted") => Isolation::ReadUncommitted,
                Some("read_committed") => Isolation::ReadCommitted,
                Some(other) => {
                    let reason = "must be read_committed or read_uncommitted";
                    return Err(ConfigError::invalid("isolation.level", other, reason));
                }
            },
            max_wait_ms: number("fetch.max.wait.ms", default.max_wait_ms, 0)?,
            min_bytes: number("fetch.min.bytes", default.min_bytes, 0)?,
            max_bytes: number("fetch.max.bytes", default.max_bytes, 1)?,
            partition_max_bytes: number("max.partition.fetch.bytes", default.partition_max_bytes, 1)?,
            partition_max_adapts: text(config, "max.partition.fetch.bytes").is_none(),
            check_crcs: match text(config, "check.crcs") {
                None => true,
                Some(value) if value.eq_ignore_ascii_case("true") => true,
                Some(value) if value.eq_ignore_ascii_case("false") => false,
                Some(value) => return Err(ConfigError::invalid("check.crcs", value, "must be true or false")),
            },
            client_rack: text(config, "client.rack").unwrap_or_default().to_owned(),
            offset_reset: default.offset_reset,
        })
    }
}

/// The value of `key`; an empty one counts as absent.
fn text<'a>(config: &'a ClientConfig, key: &str) -> Option<&'a str> {
    config.get(key).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(keys: &[(&str, &str)]) -> Result<FetcherOptions, ConfigError> {
        let keys = keys.iter().chain(&[("bootstrap.servers", "b:1")]);
        let props = keys.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        FetcherOptions::from_config(&ClientConfig::parse(&props)?)
    }

    #[test]
    fn the_defaults_are_kafkas() {
        assert_eq!(options(&[]).unwrap(), FetcherOptions::default());
    }

    #[test]
    fn keys_are_read_and_bad_values_are_named() {
        let read = options(&[("isolation.level", "read_committed"), ("check.crcs", "false")]).unwrap();
        assert_eq!((read.isolation, read.check_crcs), (Isolation::ReadCommitted, false));

        assert!(!options(&[("max.partition.fetch.bytes", "1048576")]).unwrap().partition_max_adapts);

        let error = options(&[("fetch.max.bytes", "-1")]).unwrap_err().to_string();
        assert!(error.contains("fetch.max.bytes") && error.contains("-1"), "{error}");
    }
}
