//! The built-in predicates (KIP-585; Java: `org.apache.kafka.connect.transforms.predicates`).

use connect_api::config::TypedConfig;
use connect_api::convert::Predicate;
use connect_api::data::Value;
use connect_api::record::SourceRecord;

use super::catalog::{Made, Problem, Side};
use super::pattern::Pattern;

struct HasHeaderKey(String);

impl Predicate for HasHeaderKey {
    fn test(&self, record: &SourceRecord) -> bool {
        record.headers.iter().any(|header| header.name == self.0.as_bytes())
    }
}

struct RecordIsTombstone;

impl Predicate for RecordIsTombstone {
    fn test(&self, record: &SourceRecord) -> bool {
        record.value == Value::Null
    }
}

struct TopicNameMatches(Pattern);

impl Predicate for TopicNameMatches {
    fn test(&self, record: &SourceRecord) -> bool {
        self.0.matches(&record.topic)
    }
}

pub(super) fn has_header_key(config: &TypedConfig, _: Side) -> Result<Made, Problem> {
    Ok(Made::Predicate(Box::new(HasHeaderKey(config.string("name").to_owned()))))
}

pub(super) fn record_is_tombstone(_: &TypedConfig, _: Side) -> Result<Made, Problem> {
    Ok(Made::Predicate(Box::new(RecordIsTombstone)))
}

pub(super) fn topic_name_matches(config: &TypedConfig, _: Side) -> Result<Made, Problem> {
    let pattern = Pattern::from_config("pattern", config.string("pattern"))?;
    Ok(Made::Predicate(Box::new(TopicNameMatches(pattern))))
}
