//! ACLs and passwords of a cluster, through the oracle.

use serde_json::{Value, json};

use super::KafkaCluster;

/// An ACL that allows something. Words are those of Kafka's enums: `TOPIC`, `READ`, ….
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// `User:alice`.
    pub principal: String,
    /// `READ`, `WRITE`, `DESCRIBE`, ….
    pub operation: String,
    /// `TOPIC`, `GROUP`, `CLUSTER` or `TRANSACTIONAL_ID`.
    pub resource: String,
    /// The resource's name, or how it begins.
    pub name: String,
    /// `LITERAL` or `PREFIXED`.
    pub pattern: String,
    /// `ALLOW` or `DENY`.
    pub permission: String,
}

impl Acl {
    /// Allows `principal` this `operation` on the resource of this very name; `*` is any.
    pub fn allow(principal: &str, operation: &str, resource: &str, name: &str) -> Self {
        Self {
            principal: principal.to_owned(),
            operation: operation.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            pattern: "LITERAL".to_owned(),
            permission: "ALLOW".to_owned(),
        }
    }

    /// For all names that begin with this one's.
    #[must_use]
    pub fn prefixed(mut self) -> Self {
        "PREFIXED".clone_into(&mut self.pattern);
        self
    }

    /// Forbids instead.
    #[must_use]
    pub fn deny(mut self) -> Self {
        "DENY".clone_into(&mut self.permission);
        self
    }

    fn to_json(&self) -> Value {
        json!({
            "principal": self.principal,
            "operation": self.operation,
            "resource": self.resource,
            "name": self.name,
            "pattern": self.pattern,
            "permission": self.permission,
        })
    }

    fn from_json(row: &Value) -> Self {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        Self {
            principal: text("principal"),
            operation: text("operation"),
            resource: text("resource"),
            name: text("name"),
            pattern: text("pattern"),
            permission: text("permission"),
        }
    }
}

impl KafkaCluster {
    /// Adds ACLs.
    pub async fn create_acls(&self, acls: &[Acl]) {
        for acl in acls {
            self.call("acl.create", acl.to_json()).await;
        }
    }

    /// Takes an ACL away.
    pub async fn delete_acl(&self, acl: &Acl) {
        self.call("acl.delete", acl.to_json()).await;
    }

    /// All ACLs.
    pub async fn acls(&self) -> Vec<Acl> {
        let rows = self.call("acl.list", json!({})).await;
        rows.as_array().map_or(&[][..], Vec::as_slice).iter().map(Acl::from_json).collect()
    }

    /// Gives a user a SCRAM password; `mechanism` is `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub async fn set_scram_password(&self, user: &str, mechanism: &str, password: &str) {
        self.call("scram.set", json!({"user": user, "mechanism": mechanism, "password": password})).await;
    }
}
