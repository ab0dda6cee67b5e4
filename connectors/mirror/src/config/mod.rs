//! The connectors' configuration beyond single keys ([`config_def`](crate::config_def) declares those): rules that span
//! keys ([`rules`]), and which client gets which of them ([`clients`]).

pub mod clients;
pub mod rules;

pub use clients::{ClientKind, ClientRole, check_clients, client_config};
pub use rules::{
    principal_rules, removed_keys, source_exactly_once, validate_checkpoint, validate_heartbeat, validate_source,
};
