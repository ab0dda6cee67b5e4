//! Consumer groups of a cluster, through the oracle.

use serde_json::{Value, json};

use super::records::new_handle;
use super::{KafkaCluster, Listener};
use crate::record::int;
use crate::{Consumed, Oracle, Properties};

/// A committed offset of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// Of this topic.
    pub topic: String,
    /// Of this partition.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// What the committer wrote beside it.
    pub metadata: String,
    /// The leader epoch it was committed with.
    pub leader_epoch: Option<i32>,
}

impl GroupOffset {
    /// An offset without metadata and epoch.
    pub fn new(topic: &str, partition: i32, offset: i64) -> Self {
        Self { topic: topic.to_owned(), partition, offset, metadata: String::new(), leader_epoch: None }
    }

    fn from_rows(rows: &Value) -> Vec<Self> {
        let rows = rows.as_array().map_or(&[][..], Vec::as_slice).iter();
        let mut offsets: Vec<_> = rows
            .map(|row| Self {
                topic: row["topic"].as_str().unwrap_or_default().to_owned(),
                partition: int(&row["partition"]),
                offset: row["offset"].as_i64().unwrap_or(-1),
                metadata: row["metadata"].as_str().unwrap_or_default().to_owned(),
                leader_epoch: row.get("leaderEpoch").map(int),
            })
            .collect();
        offsets.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        offsets
    }
}

impl KafkaCluster {
    /// All groups: id and state, as in `("orders-app", "Empty")`.
    pub async fn groups(&self) -> Vec<(String, String)> {
        let rows = self.call("group.list", json!({})).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = rows.as_array().map_or(&[][..], Vec::as_slice);
        rows.iter().map(|row| (text(&row["group"]), text(&row["state"]))).collect()
    }

    /// What a group has committed, by topic and partition. A group that does not exist has committed nothing.
    pub async fn group_offsets(&self, group: &str) -> Vec<GroupOffset> {
        GroupOffset::from_rows(&self.call("group.offsets", json!({"group": group})).await)
    }

    /// What Java's `RemoteClusterUtils.translateOffsets` answers for a group of the cluster `source`, asked at this cluster:
    /// the checkpoints that are here, by topic and partition.
    pub async fn translated_offsets(&self, source: &str, group: &str) -> Vec<GroupOffset> {
        GroupOffset::from_rows(&self.call("group.translated", json!({"source": source, "group": group})).await)
    }

    /// The committed offset of one partition.
    pub async fn group_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let offsets = self.group_offsets(group).await;
        offsets.iter().find(|row| row.topic == topic && row.partition == partition).map(|row| row.offset)
    }

    /// Commits offsets for a group nobody is a member of.
    pub async fn set_group_offsets(&self, group: &str, offsets: &[GroupOffset]) {
        let rows: Vec<Value> = offsets
            .iter()
            .map(|row| {
                json!({
                    "topic": row.topic,
                    "partition": row.partition,
                    "offset": row.offset,
                    "metadata": row.metadata,
                    "leaderEpoch": row.leader_epoch,
                })
            })
            .collect();
        self.call("group.alterOffsets", json!({"group": group, "offsets": rows})).await;
    }

    /// Deletes a group nobody is a member of.
    pub async fn delete_group(&self, group: &str) {
        self.call("group.delete", json!({"group": group})).await;
    }

    /// A Java consumer that joins `group` with its first [`poll`](JavaMember::poll).
    pub async fn join_group(&self, group: &str, topics: &[&str]) -> JavaMember {
        self.join_group_with(group, topics, &[]).await
    }

    /// The same with consumer settings: `("group.protocol", "consumer")` joins as KIP-848 says.
    pub async fn join_group_with(&self, group: &str, topics: &[&str], config: &[(&str, &str)]) -> JavaMember {
        let handle = new_handle("member");
        let config: Properties = config.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let arguments = json!({"handle": handle, "group": group, "topics": topics, "config": config});
        let opened = Oracle::shared().call("member.open", &self.client(Listener::Plaintext), arguments).await;
        opened.unwrap_or_else(|error| panic!("joining {group}: {error}"));
        JavaMember { handle }
    }
}

/// A live member of a group; it heartbeats by itself. Dropping it makes it leave.
#[derive(Debug)]
pub struct JavaMember {
    handle: String,
}

impl JavaMember {
    /// Polls once, up to 200 ms.
    pub async fn poll(&self) -> Vec<Consumed> {
        let rows = self.call("member.poll").await;
        rows.as_array().map_or(&[][..], Vec::as_slice).iter().map(Consumed::from_json).collect()
    }

    /// Commits what was polled.
    pub async fn commit(&self) {
        self.call("member.commit").await;
    }

    /// Leaves the group.
    pub async fn leave(self) {
        self.call("member.close").await;
    }

    async fn call(&self, call: &str) -> Value {
        let answer = Oracle::shared().call(call, &Properties::new(), json!({"handle": self.handle})).await;
        answer.unwrap_or_else(|error| panic!("{call}: {error}"))
    }
}

impl Drop for JavaMember {
    fn drop(&mut self) {
        Oracle::tell("member.close", json!({"handle": self.handle}));
    }
}
