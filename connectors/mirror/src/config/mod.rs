//! The connectors' configuration: declared keys ([`def`]), rules that span keys ([`rules`]), and which client gets which of
//! them ([`clients`]).

pub mod clients;
pub mod def;
pub mod rules;

pub use clients::{ClientRole, client_config};
pub use def::{checkpoint_config_def, heartbeat_config_def, source_config_def};
pub use rules::{source_exactly_once, validate_checkpoint, validate_source};
