//! Transforms that send a record elsewhere: `RegexRouter`, `TimestampRouter`.

use connect_api::ConnectError;
use connect_api::config::TypedConfig;

use super::super::catalog::{Made, Problem, Side};
use super::super::java_date::Format;
use super::super::pattern::Pattern;
use super::change;

/// `RegexRouter`: a topic that matches as a whole gets its first match replaced.
pub(in super::super) fn regex_router(config: &TypedConfig, _: Side) -> Result<Made, Problem> {
    let pattern = Pattern::from_config("regex", config.string("regex"))?;
    let replacement = config.string("replacement").to_owned();
    change(move |record| {
        if let Some(topic) = pattern.replace(&record.topic, &replacement) {
            record.topic = topic.into();
        }
        Ok(())
    })
}

/// `TimestampRouter`: the record's time becomes part of the topic.
pub(in super::super) fn timestamp_router(config: &TypedConfig, _: Side) -> Result<Made, Problem> {
    let (topic_format, pattern) = (config.string("topic.format").to_owned(), config.string("timestamp.format"));
    let format = Format::parse(pattern).map_err(|reason| {
        let key = "timestamp.format";
        Problem::new(key, format!("Invalid value {pattern} for configuration {key}: {reason}"))
    })?;
    change(move |record| {
        let time = record.timestamp_ms.and_then(|timestamp_ms| format.format(timestamp_ms));
        let time =
            time.ok_or_else(|| ConnectError::fatal(format!("Timestamp missing on record for {}", record.topic)))?;
        record.topic = topic_format.replace("${topic}", &record.topic).replace("${timestamp}", &time).into();
        Ok(())
    })
}
