//! The fold of the offsets topic: what each connector has stored for each source partition.
//!
//! The last value wins per *key bytes*, as in the topic itself. A partition may be there in more than one order of fields
//! (another program wrote it once); it is still one partition. The form that was asked for wins over the others, then the
//! one written last.

use std::collections::BTreeMap;

use bytes::Bytes;
use connect_api::{SourceOffset, SourcePartition};
use connect_herder::service::StoredOffsets;
use serde_json::Value;

use super::offset_key::{self, BadKey, Canonical};

/// Stored offsets of every connector. Offsets outlive their connector, so names may be of connectors that are gone.
#[derive(Debug, Default)]
pub(crate) struct OffsetView {
    connectors: BTreeMap<String, BTreeMap<Canonical, Vec<Form>>>,
}

/// One way in which a partition stands in the topic. The form written last is the last in its list.
#[derive(Debug)]
struct Form {
    key: Bytes,
    partition: SourcePartition,
    offset: SourceOffset,
}

/// Why a record of the offsets topic says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadOffset {
    /// The key is of another shape. The record is skipped.
    #[error("its key can't be read: {0}")]
    Key(BadKey),
    /// The value is not an object. The partition counts as if nothing had been stored, as with Java.
    #[error("its value is neither null nor an object")]
    Value,
}

impl OffsetView {
    /// Takes the next record.
    pub(crate) fn apply(&mut self, key: &Bytes, value: Option<&[u8]>) -> Result<(), BadOffset> {
        let (connector, partition) = offset_key::decode(key).map_err(BadOffset::Key)?;
        let offset = match value.map(serde_json::from_slice::<Value>) {
            None | Some(Ok(Value::Null)) => Ok(None),
            Some(Ok(Value::Object(fields))) => Ok(Some(SourceOffset::new(fields))),
            Some(_) => Err(BadOffset::Value),
        };
        let partitions = self.connectors.entry(connector).or_default();
        let canonical = offset_key::canonical(&partition);
        let forms = partitions.entry(canonical.clone()).or_default();
        forms.retain(|form| form.key != key);
        if let Ok(Some(offset)) = &offset {
            forms.push(Form { key: key.clone(), partition, offset: offset.clone() });
        }
        if forms.is_empty() {
            partitions.remove(&canonical);
        }
        offset.map(drop)
    }

    /// What is stored for a partition.
    pub(crate) fn get(&self, connector: &str, partition: &SourcePartition) -> Option<&SourceOffset> {
        let forms = self.forms(connector, partition);
        let key = offset_key::encode(connector, partition);
        forms.iter().find(|form| form.key == key).or(forms.last()).map(|form| &form.offset)
    }

    /// Everything that is stored for a connector.
    pub(crate) fn all(&self, connector: &str) -> StoredOffsets {
        let partitions = self.connectors.get(connector).into_iter().flat_map(BTreeMap::values);
        partitions.filter_map(|forms| forms.last()).map(|form| (form.partition.clone(), form.offset.clone())).collect()
    }

    /// The records that store an offset, or with `None` forget one: an existing key is written as it stands, so that
    /// compaction leaves one value a partition; to forget, every form of it has to go.
    pub(crate) fn records_for(
        &self,
        connector: &str,
        partition: &SourcePartition,
        offset: Option<&SourceOffset>,
    ) -> Vec<(Bytes, Option<Bytes>)> {
        let forms = self.forms(connector, partition);
        let given = Bytes::from(offset_key::encode(connector, partition));
        match offset {
            Some(offset) => {
                let exists = forms.iter().any(|form| form.key == given);
                let key = forms.last().filter(|_| !exists).map_or(given, |form| form.key.clone());
                vec![(key, Some(offset.to_json().into()))]
            }
            None if forms.is_empty() => vec![(given, None)],
            None => forms.iter().map(|form| (form.key.clone(), None)).collect(),
        }
    }

    fn forms(&self, connector: &str, partition: &SourcePartition) -> &[Form] {
        let partitions = self.connectors.get(connector);
        partitions.and_then(|all| all.get(&offset_key::canonical(partition))).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const JAVA_KEY: &str = r#"["m",{"cluster":"src","partition":0,"topic":"t1"}]"#;
    const OTHER_KEY: &str = r#"["m",{"topic":"t1","partition":0,"cluster":"src"}]"#;

    fn fields(value: Value) -> serde_json::Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn java_partition() -> SourcePartition {
        SourcePartition::new(fields(json!({"cluster": "src", "partition": 0, "topic": "t1"})))
    }

    fn other_partition() -> SourcePartition {
        SourcePartition::new(fields(json!({"topic": "t1", "partition": 0, "cluster": "src"})))
    }

    fn offset(offset: i64) -> SourceOffset {
        SourceOffset::new(fields(json!({"offset": offset})))
    }

    fn view(records: &[(&'static str, Option<&str>)]) -> OffsetView {
        let mut view = OffsetView::default();
        for (key, value) in records {
            view.apply(&Bytes::from_static(key.as_bytes()), value.map(str::as_bytes)).unwrap();
        }
        view
    }

    #[test]
    fn the_last_value_of_a_key_wins() {
        let view = view(&[(JAVA_KEY, Some(r#"{"offset":1}"#)), (JAVA_KEY, Some(r#"{"offset":2}"#))]);

        assert_eq!(view.get("m", &java_partition()), Some(&offset(2)));
        assert_eq!(view.all("m"), [(java_partition(), offset(2))]);
    }

    #[test]
    fn a_tombstone_forgets() {
        for tombstone in [None, Some("null")] {
            let view = view(&[(JAVA_KEY, Some(r#"{"offset":1}"#)), (JAVA_KEY, tombstone)]);

            assert_eq!(view.get("m", &java_partition()), None);
            assert_eq!(view.all("m"), []);
        }
    }

    #[test]
    fn a_partition_is_found_whatever_the_order_of_its_fields() {
        let view = view(&[(OTHER_KEY, Some(r#"{"offset":7}"#))]);

        assert_eq!(view.get("m", &java_partition()), Some(&offset(7)));
    }

    #[test]
    fn the_order_that_was_asked_for_wins_over_a_later_other_one() {
        let view = view(&[(JAVA_KEY, Some(r#"{"offset":1}"#)), (OTHER_KEY, Some(r#"{"offset":9}"#))]);

        assert_eq!(view.get("m", &java_partition()), Some(&offset(1)));
        assert_eq!(view.get("m", &other_partition()), Some(&offset(9)));
        assert_eq!(view.all("m").len(), 1);
    }

    #[test]
    fn a_new_partition_is_written_in_the_given_order() {
        let records = view(&[]).records_for("m", &java_partition(), Some(&offset(3)));

        assert_eq!(records, [(Bytes::from(JAVA_KEY), Some(Bytes::from(r#"{"offset":3}"#)))]);
    }

    #[test]
    fn an_existing_partition_keeps_its_key_bytes() {
        let view = view(&[(OTHER_KEY, Some(r#"{"offset":1}"#))]);

        let records = view.records_for("m", &java_partition(), Some(&offset(3)));

        assert_eq!(records, [(Bytes::from(OTHER_KEY), Some(Bytes::from(r#"{"offset":3}"#)))]);
    }

    #[test]
    fn to_forget_a_partition_every_form_of_it_is_deleted() {
        let view = view(&[(JAVA_KEY, Some(r#"{"offset":1}"#)), (OTHER_KEY, Some(r#"{"offset":9}"#))]);

        let records = view.records_for("m", &java_partition(), None);

        assert_eq!(records, [(Bytes::from(JAVA_KEY), None), (Bytes::from(OTHER_KEY), None)]);
    }

    #[test]
    fn a_value_that_can_not_be_read_counts_as_none() {
        let mut view = view(&[(JAVA_KEY, Some(r#"{"offset":1}"#))]);

        let result = view.apply(&Bytes::from(JAVA_KEY), Some(b"[1]"));

        assert_eq!(result, Err(BadOffset::Value));
        assert_eq!(view.get("m", &java_partition()), None);
    }
}
