//! The oracle: Apache Kafka's own Java clients in one JVM per test process, spoken to in lines of JSON.
//!
//! Specs rarely use it directly; the methods of [`KafkaCluster`](crate::KafkaCluster) do. What it can is in
//! `tests/harness/java`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::process::Process;
use crate::{Properties, dist, workspace};

/// What Java answered instead of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OracleError {
    /// The exception's class, in full.
    pub class: String,
    /// Its message.
    pub message: String,
}

impl OracleError {
    /// Is it the exception with this simple name, as in `error.is("TopicExistsException")`?
    pub fn is(&self, simple_name: &str) -> bool {
        self.class.rsplit(['.', '$']).next() == Some(simple_name)
    }
}

impl std::fmt::Display for OracleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl std::error::Error for OracleError {}

type Answer = oneshot::Sender<Result<Value, OracleError>>;
type Waiting = Arc<Mutex<HashMap<u64, Answer>>>;

static ORACLE: OnceLock<Oracle> = OnceLock::new();

/// The JVM and the calls that wait for an answer of it.
#[derive(Debug)]
pub struct Oracle {
    process: Process,
    stdin: Mutex<ChildStdin>,
    waiting: Waiting,
    next_id: AtomicU64,
}

impl Oracle {
    /// The one of this test process, started by whoever asks first.
    pub fn shared() -> &'static Self {
        ORACLE.get_or_init(Self::start)
    }

    fn start() -> Self {
        let log = workspace::service_dir("oracle").join("oracle.log");
        let errors = File::create(&log).unwrap_or_else(|e| panic!("cannot write {}: {e}", log.display()));
        let mut command = dist::java(1024);
        command.args(["-Dharness.log.level=warn", "-Dharness.log.target=SYSTEM_ERR", "portage.LoadTool"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let process = Process::adopt("the oracle", &mut command, &log);
        let (stdin, stdout) = process.take_pipes();
        let waiting = Waiting::default();
        let answers = Arc::clone(&waiting);
        std::thread::spawn(move || deliver(stdout, &answers));
        Self { process, stdin: Mutex::new(stdin), waiting, next_id: AtomicU64::new(0) }
    }

    /// Asks for `call` as a client with the properties `client`; `arguments` is a JSON object.
    ///
    /// # Errors
    /// Whatever the Java client threw.
    pub async fn call(&self, call: &str, client: &Properties, arguments: Value) -> Result<Value, OracleError> {
        let (answer, answered) = oneshot::channel();
        self.write(call, client, arguments, Some(answer));
        answered.await.unwrap_or_else(|_| panic!("the oracle has ended; its log:\n{}", self.process.log_tail()))
    }

    /// Tells the running oracle something whose answer nobody waits for; for destructors.
    pub(crate) fn tell(call: &str, arguments: Value) {
        if let Some(oracle) = ORACLE.get() {
            oracle.write(call, &Properties::new(), arguments, None);
        }
    }

    /// The cluster that `client` leads to is gone: close what is open to it.
    pub(crate) fn forget(client: &Properties) {
        if let Some(oracle) = ORACLE.get() {
            oracle.write("forget", client, json!({}), None);
        }
    }

    fn write(&self, call: &str, client: &Properties, arguments: Value, answer: Option<Answer>) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut request = Map::from_iter([("id".to_owned(), json!(id)), ("call".to_owned(), json!(call))]);
        request.insert("client".to_owned(), json!(client));
        if let Value::Object(arguments) = arguments {
            request.extend(arguments);
        }
        if let Some(answer) = answer {
            lock(&self.waiting).insert(id, answer);
        }
        let line = format!("{}\n", Value::Object(request));
        let written = lock(&self.stdin).write_all(line.as_bytes());
        if written.is_err() {
            // Drops the channel, which tells the one who waits.
            lock(&self.waiting).remove(&id);
        }
    }
}

/// Hands answers to those who wait. When the JVM ends, whoever still waits is told by its dropped channel.
fn deliver(stdout: ChildStdout, waiting: &Waiting) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("the oracle said {line}: {e}"));
        let Some(waits) = answer["id"].as_u64().and_then(|id| lock(waiting).remove(&id)) else { continue };
        let result = match answer.get("error") {
            Some(error) => Err(OracleError { class: text(&error["class"]), message: text(&error["message"]) }),
            None => Ok(answer["result"].take()),
        };
        // A spec that gave up waiting is no reason to stop.
        let _ = waits.send(result);
    }
    lock(waiting).clear();
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
