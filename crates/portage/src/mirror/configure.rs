//! The leader of a group gives it the connectors of the file (Java: `MirrorHerder`).
//!
//! A connector whose stored config is the file's already is left alone, so that a group changes hands without a restart.

use std::time::Duration;

use connect_api::record::{SourceOffset, SourcePartition};
use connect_herder::config_log::TargetState;
use connect_herder::ids::ConnectorName;
use connect_herder::service::HerderService;
use connect_herder::view::{ClusterView, Stage};
use connect_herder::{Command, HerderError};
use connect_rest::{offsets_from_json, offsets_to_json};
use connect_runtime::service::Service;
use mirror_files::strimzi::{OffsetsAction, OffsetsRequest};
use mirror_files::{Connector, RunState};
use tracing::{error, info, warn};

use super::config_maps::Texts;

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// What becomes of connectors of the group that the file does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retire {
    /// They stay.
    Nothing,
    /// Those that are named as Strimzi names connectors are removed, as its operator would; their offsets stay.
    OfFlows,
}

/// Configures the group each time this worker comes to lead it, until the worker is gone. What the file wants done with
/// offsets is done once.
pub(super) async fn keep_configured(
    service: Service,
    connectors: Vec<Connector>,
    retire: Retire,
    mut offsets: Option<(OffsetsRequest, Texts)>,
) {
    let mut views = service.views();
    while views.wait_for(|view| leads(view)).await.is_ok() {
        let mut done = configure(&service, &connectors, retire).await;
        if let (Ok(()), Some((request, config_maps))) = (&done, &offsets) {
            done = carry_out(&service, request, config_maps).await;
            if done.is_ok() {
                offsets = None;
            }
        }
        if done.is_err() {
            tokio::time::sleep(PAUSE).await;
        } else if views.wait_for(|view| !leads(view)).await.is_err() {
            return;
        }
    }
}

fn leads(view: &ClusterView) -> bool {
    view.group.is_leader() && view.stage == Stage::Ready
}

/// Not all is done, and may be if tried again.
struct Unfinished;

async fn configure(service: &Service, connectors: &[Connector], retire: Retire) -> Result<(), Unfinished> {
    for name in service.view().config.connectors().filter(|name| is_retired(name, connectors, retire)) {
        match service.submit(Command::DeleteConnector(name.clone())).await {
            Ok(_) => info!(connector = %name, "connector removed: the file has it no more"),
            Err(error) => {
                warn!(connector = %name, %error, "connector is not removed yet");
                return Err(Unfinished);
            }
        }
    }
    for connector in connectors {
        match bring_about(service, connector).await {
            Ok(()) => {}
            Err(HerderError::BadRequest(message)) => {
                error!(
                    connector = connector.name,
                    error = message,
                    "connector is refused; correct the file and start again"
                );
            }
            Err(error) => {
                warn!(connector = connector.name, %error, "connector is not configured yet");
                return Err(Unfinished);
            }
        }
    }
    Ok(())
}

/// Does what Strimzi's operator does when a resource is annotated with `strimzi.io/connector-offsets`.
async fn carry_out(service: &Service, request: &OffsetsRequest, config_maps: &Texts) -> Result<(), Unfinished> {
    let name = ConnectorName::from(request.connector.as_str());
    let only_read = matches!(request.action, OffsetsAction::List(_));
    let may = |view: &ClusterView| {
        let stopped = view.config.target_state(&name) == Some(TargetState::Stopped);
        view.config.contains(&name) && (only_read || stopped && view.config.task_count(&name) == 0)
    };
    let mut views = service.views();
    // The last task may still be stopping; and what the worker has refused is never there.
    let ready = views.wait_for(|view| may(view) || !leads(view)).await;
    if !ready.is_ok_and(|view| may(&view)) {
        return Err(Unfinished);
    }
    let done = match &request.action {
        OffsetsAction::List(place) => match service.offsets(&name).await {
            Ok(offsets) => config_maps.put(place, &format!("{:#}\n", offsets_to_json(&offsets))),
            Err(error) => Err(error.to_string()),
        },
        OffsetsAction::Alter(place) => match config_maps.get(place).and_then(|text| offsets_from_json(&text)) {
            Ok(offsets) => alter(service, name, Some(offsets)).await,
            Err(error) => Err(error),
        },
        OffsetsAction::Reset => alter(service, name, None).await,
    };
    match done {
        Ok(()) => info!(connector = request.connector, "offsets of the connector are done as the file asks"),
        Err(error) => error!(
            connector = request.connector,
            error, "offsets are not done as the file asks; see to this and start again"
        ),
    }
    Ok(())
}

async fn alter(
    service: &Service,
    name: ConnectorName,
    offsets: Option<Vec<(SourcePartition, Option<SourceOffset>)>>,
) -> Result<(), String> {
    let done = service.submit(Command::AlterOffsets { name, offsets }).await;
    done.map(|_| ()).map_err(|error| error.to_string())
}

fn is_retired(name: &ConnectorName, connectors: &[Connector], retire: Retire) -> bool {
    const SUFFIXES: [&str; 3] = [".MirrorSourceConnector", ".MirrorHeartbeatConnector", ".MirrorCheckpointConnector"];
    let flow = SUFFIXES.iter().find_map(|suffix| name.as_str().strip_suffix(suffix));
    let wanted = connectors.iter().any(|connector| connector.name == name.as_str());
    retire == Retire::OfFlows && !wanted && flow.is_some_and(|flow| flow.contains("->"))
}

async fn bring_about(service: &Service, connector: &Connector) -> Result<(), HerderError> {
    let name = ConnectorName::from(connector.name.as_str());
    let (wanted, state) = (connector.settings.to_config(), connector.state.map(target_state));
    let view = service.view();
    if view.config.connector_config(&name).is_none_or(|stored| **stored != wanted) {
        let command = Command::PutConnector { name: name.clone(), config: wanted, initial_state: state, replace: true };
        service.submit(command).await?;
        info!(connector = connector.name, "connector configured");
    }
    let Some(state) = state.filter(|state| service.view().config.target_state(&name) != Some(*state)) else {
        return Ok(());
    };
    let command = match state {
        TargetState::Stopped => Command::StopConnector(name),
        state => Command::SetTargetState { name, state },
    };
    service.submit(command).await.map(|_| ())
}

fn target_state(state: RunState) -> TargetState {
    match state {
        RunState::Running => TargetState::Started,
        RunState::Paused => TargetState::Paused,
        RunState::Stopped => TargetState::Stopped,
    }
}
