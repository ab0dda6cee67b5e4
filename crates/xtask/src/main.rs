//! Development commands, as `cargo xtask COMMAND`. Nothing but cargo is needed to start; one file per command.

use std::process::ExitCode;

mod ci;
mod clients;
mod compare;
mod image;
mod kafka;
mod packaging;
mod perf;
mod run;
mod setup;
mod test;
mod tidy;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test                 all tests: the workspace's, then the specs on real Apache Kafka; installs Java and Maven if it may
  ci                   fmt, clippy, tidy, then test
  tidy                 the rules no compiler checks: who depends on whom, where there is no clock, links, paths
  clients              a Python and a Go client of Connect against a worker
  openapi              schemathesis with openapi/connect-rest.yaml against a worker
  compare rest         what Java's Connect worker and ours answer differently to the same requests
  compare mm2          what MirrorMaker 2 and ours leave on their targets, from one file and one source
  perf [OPTIONS]       what mirroring costs between two real brokers, beside the bare loop
  perf compare [OPTIONS]  and beside MirrorMaker 2; also `perf steady`, `wan`, `curves`, `scale`, `floor`; `perf --help` lists the options
  perf micro [--save]  instructions of the hot functions beside the baseline; needs valgrind, and installs it if it may
  packaging            lints docker/ and deploy/ (Python and PyPI needed); no engine runs
  packaging image      builds the image's static binary and runs it in an empty root folder (musl and root needed)
  kafka up             two clusters on loopback to play with
  kafka status         where they are
  kafka down           end them, and their data
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["test"] => test::test(),
        ["ci"] => ci::ci(),
        ["tidy"] => tidy::tidy(),
        ["packaging"] => packaging::packaging(),
        ["packaging", "image"] => image::image(),
        ["compare", "rest"] => compare::rest(),
        ["clients"] => clients::life(),
        ["openapi"] => clients::contract(),
        ["compare", "mm2"] => compare::mm2(),
        ["perf", ref options @ ..] => perf::perf(options),
        ["kafka", "up"] => kafka::up(),
        ["kafka", "status"] => kafka::status(),
        ["kafka", "down"] => kafka::down(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
