//! `portage demo`: two embedded clusters, a group of workers, the three connectors, live traffic, and a measured verdict.
//!
//! The workers are child processes of this program (`portage worker`), so that a killed one is a killed process. Everything
//! is on loopback, and in memory but for the workers' files and logs in a temporary folder.
//!
//! | file | idea |
//! |---|---|
//! | `options`, `stage` | what was asked for; clusters, workers and connectors being set up |
//! | `workers`, `rest`, `connectors` | child processes, and what they are told |
//! | `traffic`, `consumers` | applications on the source: rskafka writes and reads, groups commit |
//! | `watch`, `picture` | what is measured while it runs, as a value |
//! | `output`, `screen`, `keys` | how that is shown: lines, JSON, or a live screen |
//! | `verdict`, `readback`, `compare` | both sides read back with rskafka, and compared |

mod compare;
mod connectors;
mod consumers;
mod keys;
mod options;
mod output;
mod picture;
mod readback;
mod rest;
mod screen;
mod stage;
mod traffic;
mod verdict;
mod watch;
mod workers;

use std::time::Duration;

use connect_runtime::loggers::Loggers;
use tokio::time::Instant;

use crate::exit;
use crate::signals::Signals;
use keys::{Key, Keys};
pub(crate) use options::Demo;
use output::Output;
use stage::Stage;
use watch::Watch;

/// How long records and offsets may take to be on the target after the applications have stopped.
const DRAIN: Duration = Duration::from_secs(60);
/// How often the picture is taken.
const FRAME: Duration = Duration::from_millis(250);

/// Runs the demo, and answers with the exit code.
pub(crate) async fn run(options: Demo, loggers: &Loggers) -> u8 {
    // The workers log to files; what our clients here have to say would go through the picture.
    loggers.set("root", "ERROR", 0);
    let mut output = Output::new(&options);
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => {
            output.failed(&format!("cannot listen for signals: {error}"));
            return exit::FAILED;
        }
    };
    let set = tokio::select! {
        set = Stage::set(&options, &mut output) => set,
        () = signals.next() => Err("stopped before everything was up".to_owned()),
    };
    let mut stage = match set {
        Ok(stage) => stage,
        Err(error) => {
            output.failed(&error);
            return exit::FAILED;
        }
    };
    let ended = play(&mut stage, &options, &mut output, &mut signals).await;
    let verdict = match ended {
        Ok(()) => tokio::select! {
            judged = stage.judge(&mut output) => judged,
            () = signals.next() => Err("stopped before both sides were compared".to_owned()),
        },
        Err(error) => Err(error),
    };
    match verdict {
        Ok(verdict) => {
            output.verdict(&verdict);
            let good = verdict.is_good();
            stage.clear(good).await;
            if good { exit::OK } else { exit::FAILED }
        }
        Err(error) => {
            output.failed(&format!("{error}; the workers' logs are in {}", stage.folder().display()));
            stage.clear(false).await;
            exit::FAILED
        }
    }
}

/// Shows what happens until it is to end.
async fn play(stage: &mut Stage, options: &Demo, output: &mut Output, signals: &mut Signals) -> Result<(), String> {
    let mut keys = Keys::listen(output.is_live());
    let mut watch = Watch::new();
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let began = Instant::now();
    loop {
        tokio::select! {
            _ = frames.tick() => {}
            key = keys.next(signals) => match key {
                Key::Quit => return Ok(()),
                Key::Kill => stage.workers.kill_busiest(watch.picture()),
                Key::Restart => stage.workers.restart_dead()?,
            },
        }
        let picture = watch.look(stage).await?;
        output.show(picture);
        if options.duration.is_some_and(|duration| began.elapsed() >= duration) {
            return Ok(());
        }
        if options.exit_when_caught_up && stage.traffic.is_done() && picture.is_caught_up() {
            return Ok(());
        }
    }
}
