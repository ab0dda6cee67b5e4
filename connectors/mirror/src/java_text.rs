//! How Java prints a JSON value that it holds as maps and boxes: needed where an error text quotes a map.
//!
//! `JsonConverter` puts objects into a `HashMap`, so fields come out in the order of that class's buckets: a function of
//! the keys' hashes and, for keys of one bucket, of the order in which they went in.

use std::fmt::Write;

use serde_json::{Map, Value};

/// `java.util.HashMap.toString()` of a map that was filled in the order of `fields`.
pub(crate) fn map_text(fields: &Map<String, Value>) -> String {
    let mut text = String::new();
    write_map(&mut text, fields);
    text
}

/// `String.valueOf` of a value.
pub(crate) fn value_text(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_map(text: &mut String, fields: &Map<String, Value>) {
    text.push('{');
    for (index, key) in hash_map_order(fields.keys().map(String::as_str)).into_iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(key);
        text.push('=');
        write_value(text, fields.get(key).unwrap_or(&Value::Null));
    }
    text.push('}');
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::String(string) => text.push_str(string),
        Value::Object(fields) => write_map(text, fields),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(double) => text.push_str(&double_text(double)),
            None => {
                // Writing to a String cannot fail.
                let _ = write!(text, "{number}");
            }
        },
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
    }
}

/// `Double.toString`: plain from a thousandth to ten million, with an exponent outside.
fn double_text(double: f64) -> String {
    let magnitude = double.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{double:?}");
    }
    let text = format!("{double:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// The order in which a `java.util.HashMap` that was filled in the given order is iterated.
fn hash_map_order<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut keys: Vec<&str> = keys.collect();
    let mut capacity = 16_usize;
    while keys.len() > capacity / 4 * 3 {
        capacity *= 2;
    }
    // Stable: keys of one bucket stay in the order of insertion.
    keys.sort_by_key(|key| bucket(key, capacity));
    keys
}

fn bucket(key: &str, capacity: usize) -> usize {
    let hash = key.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ (hash >> 16)) as usize & (capacity - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(keys: &[&'static str]) -> Vec<&'static str> {
        hash_map_order(keys.iter().copied())
    }

    // The orders are what the 4.3.0 connectors write into the offsets topic.
    #[test]
    fn the_fields_of_source_partitions_come_in_the_order_of_java() {
        assert_eq!(order(&["topic", "partition", "cluster"]), ["cluster", "partition", "topic"]);
        assert_eq!(order(&["group", "topic", "partition"]), ["partition", "topic", "group"]);
        assert_eq!(order(&["targetClusterAlias", "sourceClusterAlias"]), ["sourceClusterAlias", "targetClusterAlias"]);
    }

    #[test]
    fn keys_of_one_bucket_keep_the_order_of_insertion() {
        assert_eq!(order(&["BB", "Aa"]), ["BB", "Aa"]);
        assert_eq!(order(&["Aa", "BB"]), ["Aa", "BB"]);
    }
}
