//! Transforms of headers: `InsertHeader`, `DropHeaders`.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::config::TypedConfig;
use connect_api::record::RecordHeader;

use super::super::catalog::{Made, Problem, Side};
use super::super::literal;
use super::change;

/// `InsertHeader`: one more header, its value of the type that the literal looks like.
pub(in super::super) fn insert_header(config: &TypedConfig, _: Side) -> Result<Made, Problem> {
    let name = Bytes::from(config.string("header").to_owned());
    let (schema, value) = literal::parse(config.string("value.literal"));
    let header = RecordHeader { name, schema: schema.map(Arc::new), value };
    change(move |record| {
        record.headers.push(header.clone());
        Ok(())
    })
}

/// `DropHeaders`: without the headers of these names.
pub(in super::super) fn drop_headers(config: &TypedConfig, _: Side) -> Result<Made, Problem> {
    let names: Vec<String> = config.list("headers").to_vec();
    change(move |record| {
        record.headers.retain(|header| !names.iter().any(|name| header.name == name.as_bytes()));
        Ok(())
    })
}
