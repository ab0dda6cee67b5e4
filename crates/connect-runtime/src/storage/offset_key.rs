//! The keys of the offsets topic: `["connector",{"cluster":"src","partition":0,"topic":"t1"}]`, compact.
//!
//! Java finds an offset by the exact bytes of its key, and the order of the fields in those bytes is that of a Java
//! `HashMap` ([`java_order`]). What we write has that order; what we look up may come in any, so a partition also has a
//! [`Canonical`] form that no order changes.

use std::fmt;

use connect_api::SourcePartition;
use serde_json::{Map, Value};

/// What a source partition is, whatever the order in which its fields were written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Canonical(String);

/// Why a key of the offsets topic says nothing (Java: `OffsetUtils.processPartitionKey`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadKey(&'static str);

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The key bytes for a partition of a connector, fields in the order of `partition`.
pub(crate) fn encode(connector: &str, partition: &SourcePartition) -> String {
    format!("[{},{}]", Value::from(connector), partition.to_json())
}

/// Reads a key. Anyone may have written to the topic, so anything may come.
pub(crate) fn decode(key: &[u8]) -> Result<(String, SourcePartition), BadKey> {
    let parts: Vec<Value> = serde_json::from_slice(key).map_err(|_| BadKey("it is not a JSON list"))?;
    let [connector, partition] =
        <[Value; 2]>::try_from(parts).map_err(|_| BadKey("it is not a list of connector and partition"))?;
    match (connector, partition) {
        (Value::String(connector), Value::Object(fields)) => Ok((connector, SourcePartition::new(fields))),
        (Value::String(_), _) => Err(BadKey("its partition is not an object")),
        _ => Err(BadKey("its connector name is not text")),
    }
}

/// The form of a partition by which it is found.
pub(crate) fn canonical(partition: &SourcePartition) -> Canonical {
    Canonical(sorted(&Value::Object(partition.fields().clone())).to_string())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// The same partition with its fields in the order in which a Java `HashMap` iterates: what Java writes for a map that a
/// user gave to `PATCH /connectors/{c}/offsets`.
pub(crate) fn java_order(partition: &SourcePartition) -> SourcePartition {
    let fields = partition.fields();
    // A table of 16 buckets that doubles as soon as it is more than three quarters full.
    let mut buckets = 16;
    while fields.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    let mut order: Vec<_> = fields.iter().collect();
    // Stable: a bucket keeps the order of insertion, and so does the split of a bucket when the table grows.
    order.sort_by_key(|(name, _)| java_bucket(name, buckets));
    SourcePartition::new(order.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

fn java_bucket(name: &str, buckets: usize) -> usize {
    let hash = name.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ (hash >> 16)) as usize & (buckets - 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn partition(fields: Value) -> SourcePartition {
        match fields {
            Value::Object(fields) => SourcePartition::new(fields),
            other => panic!("{other} is not an object"),
        }
    }

    #[test]
    fn a_key_has_the_bytes_that_java_writes() {
        let key = encode("mirror-1", &partition(json!({"cluster": "src", "partition": 0, "topic": "t1"})));

        assert_eq!(key, r#"["mirror-1",{"cluster":"src","partition":0,"topic":"t1"}]"#);
    }

    #[test]
    fn keys_that_a_java_worker_has_left_are_written_again_as_they_were() {
        for line in include_str!("../../../../tests/golden/worker_offsets.jsonl").lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            let key = record["key"].as_str().unwrap();

            let (connector, partition) = decode(key.as_bytes()).unwrap();

            assert_eq!(encode(&connector, &partition), key);
        }
    }

    #[test]
    fn what_was_encoded_decodes_to_the_same() {
        let written = partition(json!({"partition": 0, "topic": "src.t1", "group": "g\"1"}));

        let (connector, read) = decode(encode("cp \"é\"", &written).as_bytes()).unwrap();

        assert_eq!((connector.as_str(), &read), ("cp \"é\"", &written));
        assert_eq!(read.to_json(), written.to_json());
    }

    #[test]
    fn keys_of_another_shape_are_refused_with_a_reason() {
        for (key, reason) in [
            ("", "it is not a JSON list"),
            ("{\"a\":1}", "it is not a JSON list"),
            ("[\"c\"]", "it is not a list of connector and partition"),
            ("[\"c\",{},1]", "it is not a list of connector and partition"),
            ("[\"c\",null]", "its partition is not an object"),
            ("[1,{}]", "its connector name is not text"),
        ] {
            assert_eq!(decode(key.as_bytes()), Err(BadKey(reason)), "{key}");
        }
    }

    #[test]
    fn the_order_of_fields_does_not_change_the_canonical_form() {
        let one = partition(json!({"topic": "t1", "cluster": "src", "deep": {"b": 1, "a": [{"y": 1, "x": 2}]}}));
        let other = partition(json!({"deep": {"a": [{"x": 2, "y": 1}], "b": 1}, "cluster": "src", "topic": "t1"}));
        let different = partition(json!({"topic": "t2", "cluster": "src", "deep": {"b": 1, "a": [{"y": 1, "x": 2}]}}));

        assert_eq!(canonical(&one), canonical(&other));
        assert_ne!(canonical(&one), canonical(&different));
    }

    /// The orders were observed in topics that Java 4.3 wrote.
    #[test]
    fn java_order_is_the_order_of_a_java_hash_map() {
        for (given, java) in [
            (
                json!({"topic": "t1", "partition": 0, "cluster": "src"}),
                r#"{"cluster":"src","partition":0,"topic":"t1"}"#,
            ),
            (json!({"group": "g1", "partition": 0, "topic": "t"}), r#"{"partition":0,"topic":"t","group":"g1"}"#),
            (
                json!({"targetClusterAlias": "tgt", "sourceClusterAlias": "src"}),
                r#"{"sourceClusterAlias":"src","targetClusterAlias":"tgt"}"#,
            ),
        ] {
            assert_eq!(java_order(&partition(given)).to_json(), java);
        }
    }
}
