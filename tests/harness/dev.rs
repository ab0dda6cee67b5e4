//! `kafka-dev FOLDER`: two clusters that stay until this program is ended; `cargo xtask kafka up` runs it.
//!
//! Once they answer it writes `FOLDER/state`: its own pid, then what a person wants to know about them.

use std::path::PathBuf;
use std::{fs, future, io};

use harness::dist;

const SOURCE_PORT: u16 = 19092;
const TARGET_PORT: u16 = 29092;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: kafka-dev FOLDER"));
    };
    let lab = harness::lab().await;
    let source = lab.cluster("source").ports_from(SOURCE_PORT);
    let target = lab.cluster("target").ports_from(TARGET_PORT);
    let (source, target) = tokio::join!(source.start(), target.start());

    let state = format!(
        "{}\nsource: {}\ntarget: {}\ntools:  java @{} org.apache.kafka.tools.TopicCommand --bootstrap-server {} --list\n",
        std::process::id(),
        source.bootstrap(),
        target.bootstrap(),
        dist::dist().join("java.args").display(),
        source.bootstrap(),
    );
    // Renamed into place: whoever sees it sees all of it.
    let unfinished = folder.join("state.new");
    fs::write(&unfinished, state)?;
    fs::rename(&unfinished, folder.join("state"))?;
    future::pending::<()>().await;
    Ok(())
}
