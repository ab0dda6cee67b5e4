//! What packagers install beside the program: completions for shells, and man pages.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit;

/// Writes a shell's completions to standard output.
pub(crate) fn completions(shell: Shell) -> u8 {
    clap_complete::generate(shell, &mut Cli::command(), "portage", &mut io::stdout());
    exit::OK
}

/// Writes the man page to standard output, or one a subcommand into a folder.
pub(crate) fn man(dir: Option<&Path>) -> u8 {
    let written = match dir {
        None => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout()),
        Some(dir) => std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir)),
    };
    match written {
        Ok(()) => exit::OK,
        Err(error) => {
            eprintln!("the man page can't be written: {error}");
            exit::FAILED
        }
    }
}
