//! A real Prometheus: the one of the `PATH`, or Debian's package unpacked into the target folder (nothing is installed, and
//! no daemon starts).
//!
//! ```no_run
//! # use harness::prometheus::{Prometheus, check_metrics};
//! # async fn spec(worker: &harness::Worker) {
//! check_metrics(&worker.rest().get("/metrics?profile=native").await.body);
//! let prometheus = Prometheus::start(&[worker.rest().url()], &[("namespace", "kafka")]).await;
//! prometheus.gets("sum(portage_mirror_records_total)").await;
//! # }
//! ```

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::{Rest, eventually, free_port, workspace};

const SOON: Duration = Duration::from_secs(30);

/// A running Prometheus. Dropping it kills it.
#[derive(Debug)]
pub struct Prometheus {
    rest: Rest,
    _process: Process,
}

impl Prometheus {
    /// Scrapes `/metrics` of these URLs every second; every series gets these labels, as relabelling adds them.
    pub async fn start(urls: &[String], labels: &[(&str, &str)]) -> Self {
        let folder = workspace::service_dir("prometheus");
        let file = folder.join("prometheus.yml");
        write(&file, &config(urls, labels));
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program("prometheus"));
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn");
        let process = Process::spawn("prometheus", &mut command, &folder.join("prometheus.log"));
        let rest = Rest::new(&address);
        eventually("prometheus is ready", SOON, async || match rest.try_send("GET", "/-/ready", None).await {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}; its log ends:\n{}", process.log_tail())),
        })
        .await;
        Self { rest, _process: process }
    }

    /// The values of a PromQL query now, in the order of the answer.
    pub async fn query(&self, promql: &str) -> Vec<f64> {
        let answer = self.rest.get(&format!("/api/v1/query?query={}", encoded(promql))).await.expect(200);
        let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |series: &Value| series["value"][1].as_str()?.parse().ok();
        result.iter().filter_map(value).collect()
    }

    /// Waits until a query has at least one value that is a number, and gives all of them.
    pub async fn gets(&self, promql: &str) -> Vec<f64> {
        eventually(&format!("prometheus has data for {promql}"), SOON, async || {
            let values = self.query(promql).await;
            if values.iter().any(|value| value.is_finite()) { Ok(values) } else { Err(format!("{values:?}")) }
        })
        .await
    }

    /// Waits until the last scrape of every target was good.
    pub async fn scrapes(&self) {
        eventually("every target is scraped", SOON, async || {
            let targets = self.rest.get("/api/v1/targets").await.expect(200);
            let active = targets["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
            let good = !active.is_empty() && active.iter().all(|target| target["health"] == "up");
            if good { Ok(()) } else { Err(format!("{active:?}")) }
        })
        .await;
    }
}

fn config(urls: &[String], labels: &[(&str, &str)]) -> String {
    let targets: Vec<&str> = urls.iter().map(|url| url.trim_start_matches("http://")).collect();
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    let config = serde_json::json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "portage", "static_configs": [{"targets": targets, "labels": labels}]}],
    });
    // YAML is a superset of JSON.
    config.to_string()
}

/// `promtool check metrics`: panics unless the text can be parsed and keeps every rule of Prometheus for names.
pub fn check_metrics(text: &str) {
    let mut promtool = Command::new(program("promtool"));
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = promtool.spawn().unwrap_or_else(|e| panic!("cannot run promtool: {e}"));
    if let Some(mut stdin) = running.stdin.take() {
        let _ = stdin.write_all(text.as_bytes());
    }
    let ended = running.wait_with_output().unwrap_or_else(|e| panic!("promtool did not end: {e}"));
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.trim().is_empty(), "promtool:\n{said}\n{text}");
}

/// `prometheus` or `promtool`.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    installed.unwrap_or_else(|| unpacked().join("usr/bin").join(name))
}

/// Debian's package, fetched and unpacked once.
fn unpacked() -> &'static Path {
    static UNPACKED: OnceLock<PathBuf> = OnceLock::new();
    UNPACKED.get_or_init(|| {
        let folder = workspace::target().join("tools/prometheus");
        if !folder.join("usr/bin/prometheus").is_file() {
            std::fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("cannot make {}: {e}", folder.display()));
            let fetch = "apt-get download prometheus || { apt-get update && apt-get download prometheus; } \
                         && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb";
            let fetched = Command::new("sh").args(["-c", fetch]).current_dir(&folder).output();
            let good = fetched.as_ref().is_ok_and(|output| output.status.success());
            assert!(good, "no prometheus on the PATH, and Debian's can't be fetched: install it. {fetched:?}");
        }
        folder
    })
}

fn encoded(query: &str) -> String {
    query
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
}
