//! `clients`: other people's programs against a real worker of ours; `cargo xtask clients` and `cargo xtask openapi` run it.
//!
//! - `life`: a Python client (kafka-connect-py) and a Go client (go-kafka/connect), each from its registry, lead a mirror
//!   through its life.
//! - `contract`: schemathesis asks everything that openapi/connect-rest.yaml allows, and checks every answer against it.
//!
//! They are fetched into `target/clients`, in versions that stand beside the scripts.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use harness::{Pair, Record, Runtime, Worker, WorkerConfig, clusters, eventually, workspace};
use serde_json::{Value, json};

/// As the version of everything else that is fetched: fixed.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

#[tokio::main]
async fn main() -> ExitCode {
    let what = std::env::args().nth(1).unwrap_or_default();
    let done = match what.as_str() {
        "life" => life().await,
        "contract" => contract().await,
        _ => Err("usage: clients life | contract".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clients: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn life() -> Result<(), String> {
    let python = python(&["-r", &scripts().join("python/requirements.txt").display().to_string()])?;
    let (pair, worker) = worker("clients").await;
    let config = mirror(pair);
    let url = worker.rest().url();
    let script = scripts().join("python/life.py");
    let arguments = [url.as_str(), "python", &config.to_string()];
    run(Command::new(python.join("python")).arg(script).args(arguments))?;
    let arguments = [url.as_str(), "go", &config.to_string()];
    // Not whatever is newest: what go.mod and go.sum say.
    run(Command::new("go").current_dir(scripts().join("go")).args(["run", "-mod=readonly", "."]).args(arguments))?;
    worker.stop().await;
    Ok(())
}

async fn contract() -> Result<(), String> {
    let python = python(&[SCHEMATHESIS])?;
    let (pair, worker) = worker("contract").await;
    let rest = worker.rest();
    // So that there is something to find: the name is the example of the document.
    rest.put_connector("mirror", &mirror(pair)).await;
    eventually("the mirror runs", std::time::Duration::from_secs(60), async || {
        rest.connector_runs("mirror").await.map(drop)
    })
    .await;
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                  response_headers_conformance";
    let mut schemathesis = Command::new(python.join("schemathesis"));
    schemathesis.current_dir(workspace::target()).arg("run").arg(workspace::root().join("openapi/connect-rest.yaml"));
    schemathesis.args(["--url", &rest.url(), "--phases", "examples,coverage,fuzzing", "--checks", checks]);
    // The same questions each time.
    schemathesis.args(["--max-examples", "40", "--seed", "1", "--request-timeout", "100"]);
    run(&mut schemathesis)?;
    let health = rest.get("/health").await;
    worker.stop().await;
    if health.status == 200 { Ok(()) } else { Err(format!("the worker is not well afterwards: {}", health.body)) }
}

async fn worker(group: &str) -> (&'static Pair, Worker) {
    let pair = clusters().await;
    pair.source.create_topic("clients", 1).await;
    pair.source.produce("clients", 0, &[Record::new("key", "value")]).await;
    (pair, WorkerConfig::new(&pair.target, group).start(Runtime::Portage).await)
}

/// Every value is text, as the Go client has it.
fn mirror(pair: &Pair) -> Value {
    json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector",
        "source.cluster.alias": "origin",
        "target.cluster.alias": "target",
        "source.cluster.bootstrap.servers": pair.source.bootstrap(),
        "target.cluster.bootstrap.servers": pair.target.bootstrap(),
        "topics": "clients",
        "tasks.max": "1",
        "replication.factor": "1",
        "offset-syncs.topic.replication.factor": "1",
        "sync.topic.acls.enabled": "false",
    })
}

fn scripts() -> PathBuf {
    workspace::root().join("tests/clients")
}

/// The folder of programs of a Python environment with these packages.
fn python(packages: &[&str]) -> Result<PathBuf, String> {
    let folder = workspace::target().join("clients/python");
    let programs = folder.join("bin");
    if !programs.join("pip").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    let mut pip = Command::new(programs.join("pip"));
    run(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
    Ok(programs)
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().display().to_string();
    let status = command.stdin(Stdio::null()).status().map_err(|error| format!("{name} can't be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} failed: {status}")) }
}
