//! What a producer can be told, from Kafka's keys.

use std::time::Duration;

use kafka_wire::batch::Codec;

use crate::config::{ClientConfig, ConfigError};

/// Settings of a [`Producer`](super::Producer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerOptions {
    /// `acks`: -1 (all in-sync replicas, the default) or 1 (the leader). 0 is raised to 1, because every batch here is
    /// answered with its offset.
    pub acks: i16,
    /// `enable.idempotence` (true): no duplicates by retries, five batches in flight per partition. Without it one is.
    pub idempotence: bool,
    /// `transactional.id`.
    pub transactional_id: Option<String>,
    /// `transaction.timeout.ms` (1 min): the coordinator aborts a transaction that is open for longer.
    pub transaction_timeout: Duration,
    /// `delivery.timeout.ms`: when a batch is given up. By default never (2^31 - 1 ms), as Connect has it.
    pub delivery_timeout: Duration,
    /// `request.timeout.ms` (30 s): for each request, and how long the broker may wait for its replicas.
    pub request_timeout: Duration,
    /// `retry.backoff.ms` (100).
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms` (1 s).
    pub retry_backoff_max: Duration,
    /// `max.request.size` (1 MiB): batches of several partitions share a request up to this size. One batch alone may be
    /// larger; whether it is too large is the topic's decision (`max.message.bytes`).
    pub max_request_bytes: usize,
    /// `max.in.flight.requests.per.connection` (5), to one broker.
    pub max_in_flight_requests: usize,
    /// `linger.ms` (5): how long a batch waits for those of other partitions, if at all: see `driver/broker.rs`.
    pub linger: Duration,
    /// `compression.type` (none), for records that are encoded here. Batches that pass through keep theirs.
    pub codec: Codec,
}

impl ProducerOptions {
    /// Reads Kafka's producer keys; those that are not there have Kafka's defaults, except `delivery.timeout.ms`.
    pub fn from_config(config: &ClientConfig) -> Result<Self, ConfigError> {
        let number =
            |key: &str, default: u64, least: u64| match text(config, key) {
                None => Ok(default),
                Some(value) => value.parse().ok().filter(|number| *number >= least).ok_or_else(|| {
                    ConfigError::invalid(key, value, format!("must be a whole number, at least {least}"))
                }),
            };
        let acks = match text(config, "acks") {
            None | Some("all" | "-1") => -1,
            Some("0" | "1") => 1,
            Some(other) => return Err(ConfigError::invalid("acks", other, "must be all, -1, 0 or 1")),
        };
        let idempotence = match text(config, "enable.idempotence") {
            // Kafka turns idempotence off silently when acks is not all and nobody has asked for it.
            None => acks == -1,
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(value) if value.eq_ignore_ascii_case("false") => false,
            Some(value) => return Err(ConfigError::invalid("enable.idempotence", value, "must be true or false")),
        };
        let transactional_id = text(config, "transactional.id").map(str::to_owned);
        if acks != -1 && (idempotence || transactional_id.is_some()) {
            let reason = "must be all for an idempotent or transactional producer; or set enable.idempotence=false";
            return Err(ConfigError::invalid("acks", &acks.to_string(), reason));
        }
        if transactional_id.is_some() && !idempotence {
            let reason = "must not be false with a transactional.id";
            return Err(ConfigError::invalid("enable.idempotence", "false", reason));
        }
        let codec = match text(config, "compression.type") {
            None => Codec::None,
            Some(name) => name.parse().map_err(|_| {
                ConfigError::invalid("compression.type", name, "must be one of none, gzip, snappy, lz4, zstd")
            })?,
        };
        Ok(Self {
            acks,
            idempotence,
            transactional_id,
            transaction_timeout: Duration::from_millis(number("transaction.timeout.ms", 60_000, 1)?),
            delivery_timeout: Duration::from_millis(number("delivery.timeout.ms", i32::MAX as u64, 1)?),
            request_timeout: config.request_timeout(),
            retry_backoff: config.retry_backoff(),
            retry_backoff_max: config.retry_backoff_max(),
            max_request_bytes: number("max.request.size", 1 << 20, 1)?.min(i32::MAX as u64) as usize,
            max_in_flight_requests: number("max.in.flight.requests.per.connection", 5, 1)?.min(5) as usize,
            linger: Duration::from_millis(number("linger.ms", 5, 0)?),
            codec,
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

    fn options(keys: &[(&str, &str)]) -> Result<ProducerOptions, ConfigError> {
        let keys = keys.iter().chain(&[("bootstrap.servers", "b:1")]);
        let props = keys.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        ProducerOptions::from_config(&ClientConfig::parse(&props)?)
    }

    #[test]
    fn the_defaults_are_idempotent_and_never_give_up() {
        let options = options(&[]).unwrap();

        assert!(options.idempotence && options.acks == -1);
        assert_eq!(options.delivery_timeout.as_millis(), i32::MAX as u128);
        assert_eq!((options.max_request_bytes, options.max_in_flight_requests), (1 << 20, 5));
    }

    #[test]
    fn weaker_acks_turn_idempotence_off_unless_it_was_asked_for() {
        assert!(!options(&[("acks", "1")]).unwrap().idempotence);
        assert_eq!(options(&[("acks", "0")]).unwrap().acks, 1);
        assert!(options(&[("acks", "1"), ("enable.idempotence", "true")]).is_err());
        assert!(options(&[("acks", "1"), ("transactional.id", "t")]).is_err());
        assert!(options(&[("enable.idempotence", "false"), ("transactional.id", "t")]).is_err());
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named() {
        for (key, value) in [("acks", "2"), ("compression.type", "lzma"), ("delivery.timeout.ms", "soon")] {
            let error = options(&[(key, value)]).unwrap_err();
            assert!(error.to_string().contains(key) && error.to_string().contains(value), "{error}");
        }
    }
}
