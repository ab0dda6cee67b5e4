//! Records as specs write and read them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

/// A record to write, or the content of one that was read. Everything that can be absent in Kafka can be absent here;
/// headers keep their order, and their names may repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Names and values, in order.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// Milliseconds since 1970; `None` when writing means now.
    pub timestamp_ms: Option<i64>,
}

impl Record {
    /// A record with a key and a value.
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }

    /// A record without a key.
    pub fn value(value: impl Into<Bytes>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// A record with a key and no value.
    pub fn tombstone(key: impl Into<Bytes>) -> Self {
        Self { key: Some(key.into()), ..Self::default() }
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.to_owned(), Some(value.into())));
        self
    }

    /// With one header more, which has no value.
    #[must_use]
    pub fn null_header(mut self, name: &str) -> Self {
        self.headers.push((name.to_owned(), None));
        self
    }

    /// With this timestamp, in milliseconds.
    #[must_use]
    pub fn at(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// `n` records without key, with the values `0`, `1`, …
    pub fn numbered(n: usize) -> Vec<Self> {
        (0..n).map(|i| Self::value(i.to_string())).collect()
    }

    pub(crate) fn to_json(&self) -> Value {
        let headers: Vec<Value> =
            self.headers.iter().map(|(name, value)| json!([name, base64(value.as_ref())])).collect();
        json!({
            "k": base64(self.key.as_ref()),
            "v": base64(self.value.as_ref()),
            "h": headers,
            "ts": self.timestamp_ms,
        })
    }
}

/// Whose clock gave a record its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// Records of message format 0.
    None,
    /// The producer's.
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

/// A record as a consumer saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Where it was read.
    pub topic: String,
    /// Where it was read.
    pub partition: i32,
    /// Where it was read.
    pub offset: i64,
    /// Whose clock.
    pub timestamp_type: TimestampType,
    /// The leader epoch of its batch.
    pub leader_epoch: Option<i32>,
    /// What it holds, the timestamp included.
    pub record: Record,
}

impl Consumed {
    /// The value as text; panics for a tombstone.
    pub fn text(&self) -> String {
        let value = self.record.value.as_ref().unwrap_or_else(|| panic!("no value: {self:?}"));
        String::from_utf8_lossy(value).into_owned()
    }

    pub(crate) fn from_json(row: &Value) -> Self {
        let headers = row["h"].as_array().map_or(&[][..], Vec::as_slice);
        Self {
            topic: row["t"].as_str().unwrap_or_default().to_owned(),
            partition: int(&row["p"]),
            offset: row["o"].as_i64().unwrap_or(-1),
            timestamp_type: match row["tt"].as_str() {
                Some("CreateTime") => TimestampType::CreateTime,
                Some("LogAppendTime") => TimestampType::LogAppendTime,
                _ => TimestampType::None,
            },
            leader_epoch: row.get("le").map(int),
            record: Record {
                key: unbase64(&row["k"]),
                value: unbase64(&row["v"]),
                headers: headers
                    .iter()
                    .map(|header| (header[0].as_str().unwrap_or_default().to_owned(), unbase64(&header[1])))
                    .collect(),
                timestamp_ms: row["ts"].as_i64(),
            },
        }
    }
}

pub(crate) fn int(value: &Value) -> i32 {
    value.as_i64().and_then(|n| i32::try_from(n).ok()).unwrap_or_else(|| panic!("not an int: {value}"))
}

fn base64(bytes: Option<&Bytes>) -> Option<String> {
    bytes.map(|bytes| STANDARD.encode(bytes))
}

fn unbase64(text: &Value) -> Option<Bytes> {
    let text = text.as_str()?;
    Some(STANDARD.decode(text).unwrap_or_else(|e| panic!("not base64: {text}: {e}")).into())
}
