//! What comes out of a file: worker groups, each with the connectors that it is to run.

use crate::settings::Settings;

/// A worker group and its connectors. MirrorMaker's dedicated mode has one for each pair of clusters, Strimzi's resource is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// `A->B`, or the name of Strimzi's resource.
    pub name: String,
    /// Source and target, where the group belongs to one pair (dedicated mode).
    pub pair: Option<(String, String)>,
    /// The worker's properties, references unresolved.
    pub worker: Settings,
    /// The connectors.
    pub connectors: Vec<Connector>,
}

/// A connector that a file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connector {
    /// Its name in the group.
    pub name: String,
    /// Its config, references unresolved, exactly as it is to be stored.
    pub settings: Settings,
    /// The state that the file wants; `None` leaves it to whoever changes it over REST.
    pub state: Option<RunState>,
}

/// `state` of a Strimzi connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Connector and tasks run.
    Running,
    /// Nothing runs, tasks stay assigned.
    Paused,
    /// There are no tasks.
    Stopped,
}

impl Connector {
    /// The class without its package: `MirrorSourceConnector`.
    #[must_use]
    pub fn class(&self) -> &str {
        let class = self.settings.get("connector.class").unwrap_or_default();
        class.rsplit('.').next().unwrap_or(class)
    }
}
