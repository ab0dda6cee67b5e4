//! What a user may write into a connector's stored offsets through the REST API (KIP-875; Java: `alterOffsets` of the three
//! connectors and `MirrorUtils.validateSource*`). The texts are Java's, including the order of the fields they quote.
//!
//! A reset (no offset) is always allowed, so that rubbish can be removed. Stricter than Java in two places where Java would
//! store what it cannot read back: partitions below -2^31, and our `topicId` and `leaderEpoch` if they make no sense.

use connect_api::{ConnectError, SourceOffset, SourcePartition};
use serde_json::{Map, Value};

use crate::java_text::{map_text, value_text};
use crate::source_offsets::{
    CLUSTER, GROUP, LEADER_EPOCH, OFFSET, PARTITION, SOURCE_ALIAS, TARGET_ALIAS, TOPIC, TOPIC_ID,
};
use crate::topic_partition::TopicId;

/// Source partitions with the offsets to store; `None` resets a partition.
pub type AlteredOffsets = [(SourcePartition, Option<SourceOffset>)];

/// Checks offsets for the source connector: any offset from 0.
pub fn validate_source_offsets(offsets: &AlteredOffsets) -> Result<(), ConnectError> {
    validate(offsets, |partition, offset| {
        require_string(partition, CLUSTER)?;
        require_string(partition, TOPIC)?;
        require_partition(partition)?;
        require_offset(partition, offset, Allowed::FromZero)?;
        require_log_identity(partition, offset)
    })
}

/// Checks offsets for the checkpoint connector: only 0.
pub fn validate_checkpoint_offsets(offsets: &AlteredOffsets) -> Result<(), ConnectError> {
    validate(offsets, |partition, offset| {
        require_string(partition, GROUP)?;
        require_string(partition, TOPIC)?;
        require_partition(partition)?;
        require_offset(partition, offset, Allowed::OnlyZero)
    })
}

/// Checks offsets for the heartbeat connector: only 0.
pub fn validate_heartbeat_offsets(offsets: &AlteredOffsets) -> Result<(), ConnectError> {
    validate(offsets, |partition, offset| {
        require_string(partition, SOURCE_ALIAS)?;
        require_string(partition, TARGET_ALIAS)?;
        require_offset(partition, offset, Allowed::OnlyZero)
    })
}

type Fields = Map<String, Value>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    OnlyZero,
    FromZero,
}

fn validate(
    offsets: &AlteredOffsets,
    check: impl Fn(&Fields, &Fields) -> Result<(), String>,
) -> Result<(), ConnectError> {
    offsets
        .iter()
        .filter_map(|(partition, offset)| offset.as_ref().map(|offset| (partition, offset)))
        .try_for_each(|(partition, offset)| check(partition.fields(), offset.fields()))
        .map_err(ConnectError::fatal)
}

fn require_string(partition: &Fields, key: &str) -> Result<(), String> {
    match partition.get(key) {
        Some(Value::String(_)) => Ok(()),
        None => Err(missing(partition, key)),
        Some(value) => Err(invalid(partition, value, key, "must be a string")),
    }
}

fn require_partition(partition: &Fields) -> Result<(), String> {
    let value = partition.get(PARTITION).ok_or_else(|| missing(partition, PARTITION))?;
    match value.as_i64() {
        Some(number) if number < 0 => Err(invalid(partition, value, PARTITION, "cannot be negative")),
        Some(number) if number <= i64::from(i32::MAX) => Ok(()),
        _ => Err(invalid(partition, value, PARTITION, "must be an integer")),
    }
}

fn require_offset(partition: &Fields, offset: &Fields, allowed: Allowed) -> Result<(), String> {
    let Some(value) = offset.get(OFFSET) else {
        return Err(format!(
            "Source offset {} for source partition {} is missing the '{OFFSET}' key, which is required",
            map_text(offset),
            map_text(partition)
        ));
    };
    match (value.as_i64(), allowed) {
        (Some(0), _) => Ok(()),
        (Some(1..), Allowed::FromZero) => Ok(()),
        (Some(_), Allowed::FromZero) => {
            Err(invalid_offset(partition, offset, value, OFFSET, ", which cannot be negative"))
        }
        (Some(_), Allowed::OnlyZero) => {
            Err(invalid_offset(partition, offset, value, OFFSET, "; the only accepted value is 0"))
        }
        (None, _) => Err(invalid_offset(partition, offset, value, OFFSET, ", which must be an integer")),
    }
}

fn require_log_identity(partition: &Fields, offset: &Fields) -> Result<(), String> {
    if let Some(value) = offset.get(TOPIC_ID)
        && value.as_str().is_none_or(|text| text.parse::<TopicId>().is_err())
    {
        return Err(invalid_offset(partition, offset, value, TOPIC_ID, ", which must be a topic ID"));
    }
    if let Some(value) = offset.get(LEADER_EPOCH)
        && value.as_i64().is_none_or(|epoch| !(0..=i64::from(i32::MAX)).contains(&epoch))
    {
        return Err(invalid_offset(partition, offset, value, LEADER_EPOCH, ", which must be a non-negative integer"));
    }
    Ok(())
}

fn missing(partition: &Fields, key: &str) -> String {
    format!("Source partition {} is missing the '{key}' key, which is required", map_text(partition))
}

fn invalid(partition: &Fields, value: &Value, key: &str, rule: &str) -> String {
    format!(
        "Source partition {} has an invalid value {} for the '{key}' key, which {rule}",
        map_text(partition),
        value_text(value)
    )
}

fn invalid_offset(partition: &Fields, offset: &Fields, value: &Value, key: &str, rule: &str) -> String {
    format!(
        "Source offset {} for source partition {} has an invalid value {} for the '{key}' key{rule}",
        map_text(offset),
        map_text(partition),
        value_text(value)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source_offsets::{SavedPosition, source_partition};
    use crate::topic_partition::TopicPartition;

    #[test]
    fn answers_and_texts_are_those_of_the_java_connectors() {
        let cases: Vec<(String, Fields, Option<Fields>, Option<String>)> =
            serde_json::from_str(include_str!("../golden/alter_offsets.json")).unwrap();
        assert!(cases.len() > 90);
        for (connector, partition, offset, expected) in cases {
            let case = format!("{connector} {partition:?} {offset:?}");
            let offsets = [(SourcePartition::new(partition), offset.map(SourceOffset::new))];

            let answer = match connector.as_str() {
                "source" => validate_source_offsets(&offsets),
                "checkpoint" => validate_checkpoint_offsets(&offsets),
                _ => validate_heartbeat_offsets(&offsets),
            };

            assert_eq!(answer.err().map(|error| error.to_string()), expected, "{case}");
        }
    }

    #[test]
    fn our_extra_fields_must_make_sense() {
        let partition = source_partition("A", &TopicPartition::new("t", 0));
        let offset = |json: &str| SourceOffset::new(serde_json::from_str(json).unwrap());
        let answer = |json| validate_source_offsets(&[(partition.clone(), Some(offset(json)))]);

        let position = SavedPosition { leader_epoch: Some(3), ..SavedPosition::of_offset(1) };

        assert!(validate_source_offsets(&[(partition.clone(), Some(position.to_source_offset()))]).is_ok());
        assert!(answer(r#"{"offset":1,"topicId":"x"}"#).is_err());
        assert!(answer(r#"{"offset":1,"leaderEpoch":-1}"#).is_err());
    }

    #[test]
    fn the_first_wrong_entry_is_named() {
        let good = (source_partition("A", &TopicPartition::new("t", 0)), Some(SavedPosition::of_offset(1)));
        let bad = (SourcePartition::new(Map::new()), Some(SavedPosition::of_offset(1)));
        let offsets: Vec<_> = [good, bad]
            .into_iter()
            .map(|(partition, position)| (partition, position.map(|position| position.to_source_offset())))
            .collect();

        let error = validate_source_offsets(&offsets).unwrap_err();

        assert_eq!(error.message(), "Source partition {} is missing the 'cluster' key, which is required");
    }
}
