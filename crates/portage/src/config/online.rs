//! What only the clusters of a file know: asked with the clients that its connectors would have. Nothing is changed there.

use std::collections::BTreeMap;

use connect_runtime::worker_config::WorkerConfig;
use kafka_client::admin::{AclFilter, Admin, ConfigEntry, ConfigResource};
use kafka_client::{ClientConfig, ClientError, Cluster, ErrorCode};
use mirror::config::{ClientRole, client_config};
use mirror_files::check::clusters::{ClusterFacts, NoAcls, between, wanted};
use mirror_files::check::factors::{Factor, Side, factors, too_large};
use mirror_files::{Connector, Finding};

use super::worker;
use crate::mirror::load::Mirroring;

/// The most topics whose settings are asked for.
const TOPICS_MAX: usize = 2_000;

/// A cluster that answers.
struct Answering {
    cluster: Cluster,
    brokers: usize,
    facts: ClusterFacts,
}

/// What is wrong between a file and its clusters.
pub(super) async fn online(mirroring: &Mirroring) -> Vec<Finding> {
    let mut clusters: BTreeMap<(Side, String), Option<Answering>> = BTreeMap::new();
    let mut findings = Vec::new();
    for flow in &mirroring.flows {
        let Ok(worker) = worker(mirroring, flow) else { continue };
        let all = factors(flow);
        for connector in &flow.connectors {
            let mut asked = Vec::new();
            for (side, role) in [(Side::Source, ClientRole::SourceAdmin), (Side::Target, ClientRole::TargetAdmin)] {
                let name = if side == Side::Source { "source" } else { "target" };
                let Some(address) = connector.settings.given(&format!("{name}.cluster.bootstrap.servers")) else {
                    continue;
                };
                let known = (side, address.text.clone());
                if !clusters.contains_key(&known) {
                    let answer = connect(&worker, connector, role).await;
                    if let Err(error) = &answer {
                        let what = format!("the {name} cluster at {} does not answer: {error}", address.text);
                        findings.push(Finding::error(address.line, what, "correct the address or the credentials"));
                    }
                    clusters.insert(known.clone(), answer.ok());
                }
                if let Some(Some(answering)) = clusters.get(&known) {
                    // The worker's topics are on the target of all its connectors.
                    let mine = |factor: &&Factor| {
                        factor.of == connector.name || side == Side::Target && factor.of == "the worker"
                    };
                    let mine: Vec<Factor> = all.iter().filter(mine).cloned().collect();
                    findings.extend(too_large(&mine, side, answering.brokers));
                    asked.push(known);
                }
            }
            if let [source, target] = &asked[..] {
                findings.extend(compare(connector, source, target, &mut clusters).await);
            }
        }
    }
    for answering in clusters.into_values().flatten() {
        answering.cluster.close().await;
    }
    findings
}

/// Holds a connector against its two clusters.
async fn compare(
    connector: &Connector,
    source: &(Side, String),
    target: &(Side, String),
    clusters: &mut BTreeMap<(Side, String), Option<Answering>>,
) -> Vec<Finding> {
    let topics =
        clusters.get(source).and_then(Option::as_ref).map(|source| source.facts.topics.clone()).unwrap_or_default();
    for known in [source, target] {
        if let Some(Some(Answering { cluster, facts, .. })) = clusters.get_mut(known) {
            let wanted = wanted(connector, known.0, &facts.topics, &topics);
            let missing = wanted.into_iter().filter(|topic| !facts.configs.contains_key(topic)).take(TOPICS_MAX);
            let resources: Vec<ConfigResource> = missing.map(ConfigResource::Topic).collect();
            for (resource, configs) in cluster.admin().describe_configs(&resources).await.unwrap_or_default() {
                if let ConfigResource::Topic(topic) = resource {
                    facts.configs.insert(topic, configs.map(texts).map_err(|error| error.to_string()));
                }
            }
        }
    }
    match (clusters.get(source), clusters.get(target)) {
        (Some(Some(source)), Some(Some(target))) => between(connector, &source.facts, &target.facts),
        _ => Vec::new(),
    }
}

async fn connect(worker: &WorkerConfig, connector: &Connector, role: ClientRole) -> Result<Answering, String> {
    let config = worker.resolver().resolve(&connector.settings.to_config()).map_err(|error| error.to_string())?;
    let client = ClientConfig::parse(&client_config(&config, role)).map_err(|error| error.to_string())?;
    let cluster = Cluster::connect(client).await.map_err(|error| error.to_string())?;
    let admin = cluster.admin();
    let described = match admin.describe_cluster().await {
        Ok(described) => described,
        Err(error) => {
            cluster.close().await;
            return Err(error.to_string());
        }
    };
    let facts = facts(&admin, described.brokers.keys().next().copied()).await;
    Ok(Answering { cluster, brokers: described.brokers.len(), facts })
}

/// What can be seen. What can't stays empty: the checks say so where it matters.
async fn facts(admin: &Admin, broker: Option<i32>) -> ClusterFacts {
    let topics = admin.list_topics().await.unwrap_or_default().into_keys().collect();
    let groups = admin.list_groups().await.map(|listings| listings.groups).unwrap_or_default();
    let configs = admin.describe_configs(&[ConfigResource::Broker(broker)]).await.unwrap_or_default();
    ClusterFacts {
        topics,
        configs: BTreeMap::new(),
        broker: configs.into_values().find_map(Result::ok).map(texts).unwrap_or_default(),
        groups: groups.into_iter().map(|group| (group.group_id, group.state)).collect(),
        acls: admin.describe_acls(&AclFilter::ANY).await.err().and_then(no_acls),
    }
}

fn no_acls(error: ClientError) -> Option<NoAcls> {
    match error.code()? {
        ErrorCode::SECURITY_DISABLED => Some(NoAcls::NoAuthorizer),
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED => Some(NoAcls::Forbidden),
        _ => None,
    }
}

fn texts(entries: BTreeMap<String, ConfigEntry>) -> connect_api::ConfigMap {
    entries.into_iter().filter_map(|(name, entry)| Some((name, entry.value?))).collect()
}
