//! Apache Kafka itself, fetched once by its Maven coordinates into `target/kafka/<version>/`.
//!
//! ```text
//! libs/*.jar       brokers, Connect, MirrorMaker, tools and what they need
//! harness-*.jar    tests/harness/java, compiled
//! kafka-*.jsa      a class data archive: halves the time a JVM needs to start
//! java.args        how to run any class of them: java @target/kafka/4.3.0/java.args kafka.tools.StorageTool …
//! ```
//!
//! Maven runs with its user's own settings. A lock file keeps parallel test processes from fetching twice; each part is
//! complete when its stamp is there.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::workspace;

/// The version of Apache Kafka that the specs hold us to.
pub const KAFKA_VERSION: &str = "4.3.0";

const ARTIFACTS: &[(&str, &str, &str)] = &[
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
    ("org.apache.kafka", "connect-runtime", KAFKA_VERSION),
    ("org.apache.kafka", "connect-json", KAFKA_VERSION),
    ("org.apache.kafka", "connect-file", KAFKA_VERSION),
    ("org.apache.kafka", "connect-transforms", KAFKA_VERSION),
    ("org.apache.kafka", "connect-mirror", KAFKA_VERSION),
    ("org.apache.kafka", "connect-basic-auth-extension", KAFKA_VERSION),
    // Kafka's slf4j 1.7 has to be given a log4j to write to.
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
];

const WHAT_TO_INSTALL: &str = "the specs run against real Apache Kafka and need Java 17 or newer (a JDK) and Maven; \
     on Debian: apt-get install -y openjdk-17-jdk-headless maven";

/// `target/kafka/4.3.0`, complete. The first call of a process makes sure of that; a cold one downloads about 55 MB.
pub fn dist() -> &'static Path {
    // Kept as a result, so that what is missing is found once and told to every spec.
    static DIST: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    DIST.get_or_init(complete).as_ref().unwrap_or_else(|missing| panic!("{missing}"))
}

fn complete() -> Result<PathBuf, String> {
    let folder = workspace::target().join("kafka").join(KAFKA_VERSION);
    let locked = fs::create_dir_all(&folder).and_then(|()| {
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    });
    let _held = locked.map_err(|e| format!("cannot lock {}: {e}", folder.display()))?;
    fetch(&folder)?;
    compile(&folder)?;
    Ok(folder)
}

/// `java` with the classes of [`dist`], a heap of `heap_mb`, and nothing else yet.
pub fn java(heap_mb: u32) -> Command {
    let mut java = Command::new("java");
    java.arg(format!("-Xmx{heap_mb}m")).arg(format!("@{}", dist().join("java.args").display()));
    java
}

/// `java` with the options that Kafka's own scripts give it (`kafka-run-class.sh`), and this heap: for measuring, where the
/// quick starts of [`java`] would slow down what runs for longer.
pub fn java_as_shipped(heap: &[&str]) -> Command {
    let file = dist().join("java.args");
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("cannot read {}: {e}", file.display()));
    // What is ours begins with -X; the class path and the properties stay.
    let arguments = text.lines().filter(|line| !line.starts_with("-X"));
    let mut java = Command::new("java");
    java.args(heap).args(arguments.map(|argument| argument.trim_matches('"')));
    java.args(["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"]);
    java.arg("-XX:+ExplicitGCInvokesConcurrent");
    java
}

fn fetch(folder: &Path) -> Result<(), String> {
    let pom = pom();
    let stamp = folder.join("libs.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|fetched| fetched == pom) {
        return Ok(());
    }
    eprintln!("fetching Apache Kafka {KAFKA_VERSION} into {}", folder.display());
    let libs = folder.join("libs");
    let _ = fs::remove_dir_all(&libs);
    write(&folder.join("pom.xml"), &pom)?;
    let mut maven = Command::new("mvn");
    maven
        .args(["--batch-mode", "--quiet", "--file"])
        .arg(folder.join("pom.xml"))
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", libs.display()));
    run("fetching the jars with Maven", &mut maven)?;
    write(&stamp, &pom)
}

fn pom() -> String {
    let dependencies: String = ARTIFACTS
        .iter()
        .map(|(group, artifact, version)| {
            format!(
                "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>\n"
            )
        })
        .collect();
    format!(
        r#"<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>specs</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
{dependencies}  </dependencies>
</project>
"#
    )
}

/// Compiles the helper classes, and archives the classes that a starting broker loads.
fn compile(folder: &Path) -> Result<(), String> {
    let sources = java_sources()?;
    let mut hasher = DefaultHasher::new();
    for source in &sources {
        fs::read(source).ok().hash(&mut hasher);
    }
    (java_arguments(folder, Path::new("harness.jar"))?, LOG4J).hash(&mut hasher);
    let stamp = folder.join("harness.stamp");
    let made_from = format!("{:016x}", hasher.finish());
    if fs::read_to_string(&stamp).is_ok_and(|made| made == made_from) {
        return Ok(());
    }
    // Named by what they were made from, and the old ones only unlinked: they may be in use by a run beside this one.
    let old: Vec<_> = list(folder)?.into_iter().filter(|path| is_made_here(path)).collect();
    let (classes, jar) = (folder.join("classes"), folder.join(format!("harness-{made_from}.jar")));
    let archive = folder.join(format!("kafka-{made_from}.jsa"));
    let _ = fs::remove_dir_all(&classes);
    let mut javac = Command::new("javac");
    javac.args(["-proc:none", "-d"]).arg(&classes).arg("-cp").arg(folder.join("libs/*")).args(&sources);
    run("compiling tests/harness/java", &mut javac)?;
    run("packing tests/harness/java", Command::new("jar").arg("cf").arg(&jar).arg("-C").arg(&classes).arg("."))?;
    write(&folder.join("log4j2.xml"), LOG4J)?;
    let arguments = java_arguments(folder, &jar)?;
    let training = folder.join("training.args");
    write(&training, &format!("{arguments}-XX:ArchiveClassesAtExit=\"{}\"\n", archive.display()))?;
    train(folder, &training)?;
    write(&training, &format!("{arguments}-XX:SharedArchiveFile=\"{}\"\n", archive.display()))?;
    fs::rename(&training, folder.join("java.args")).map_err(|e| format!("cannot write java.args: {e}"))?;
    for path in old.iter().filter(|path| **path != jar && **path != archive) {
        let _ = fs::remove_file(path);
    }
    write(&stamp, &made_from)
}

fn is_made_here(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jar" || extension == "jsa")
}

fn java_sources() -> Result<Vec<PathBuf>, String> {
    let mut sources = list(&workspace::root().join("tests/harness/java"))?;
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "java"));
    Ok(sources)
}

/// Small, single-threaded where it can be, quick to start; the class path in a fixed order, which the archive wants.
fn java_arguments(folder: &Path, jar: &Path) -> Result<String, String> {
    let mut jars = list(&folder.join("libs"))?;
    jars.push(jar.to_owned());
    let class_path = jars.iter().map(|jar| jar.display().to_string()).collect::<Vec<_>>().join(":");
    let log4j = folder.join("log4j2.xml");
    Ok(format!(
        "-XX:+UseSerialGC\n-XX:TieredStopAtLevel=1\n-Xshare:auto\n-Xlog:cds=off\n-Xlog:cds+dynamic=off\n\
         -Djava.awt.headless=true\n\"-Dlog4j2.configurationFile={}\"\n-cp\n\"{class_path}\"\n",
        log4j.display()
    ))
}

const LOG4J: &str = r#"<Configuration>
  <Appenders>
    <Console name="out" target="${sys:harness.log.target:-SYSTEM_OUT}">
      <PatternLayout pattern="%d{HH:mm:ss.SSS} %-5p %m (%c{1}) [%t]%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Logger name="state.change.logger" level="warn"/>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="warn"/>
    <Root level="${sys:harness.log.level:-info}"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
"#;

/// One run of a broker that ends by itself once it is up; the JVM writes the archive as it ends.
fn train(folder: &Path, arguments: &Path) -> Result<(), String> {
    let data = folder.join("training");
    let _ = fs::remove_dir_all(&data);
    let (broker, controller) = (crate::free_port(), crate::free_port());
    let properties = format!(
        "process.roles=broker,controller\nnode.id=1\nlog.dirs={}\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\ncontroller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.cleaner.dedupe.buffer.size=4194304\n",
        data.display()
    );
    let file = folder.join("training.properties");
    write(&file, &properties)?;
    let mut java = Command::new("java");
    java.arg("-Xmx256m").arg(format!("-Dharness.train={broker}")).arg(format!("@{}", arguments.display()));
    java.arg("portage.BrokerMain").arg(&file).arg(&data).arg(crate::cluster::new_id());
    run("starting a first broker", &mut java)?;
    let _ = fs::remove_dir_all(&data);
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// Runs a tool to its end; what it said is shown only if it failed.
fn run(what: &str, tool: &mut Command) -> Result<(), String> {
    let program = tool.get_program().to_string_lossy().into_owned();
    match tool.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{what} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(format!("{what}: cannot run {program} ({error}); {WHAT_TO_INSTALL}")),
    }
}
