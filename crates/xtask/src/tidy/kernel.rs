//! Where there is no clock and no I/O: words that the sources of the pure crates may not contain.

use std::path::Path;

use super::File;

const CLOCKS: &[&str] = &["Instant", "SystemTime", "chrono", "tokio"];
const SOCKETS: &[&str] = &["tokio", "TcpStream", "TcpListener", "UdpSocket"];

/// Source folders, and the words that are absent there.
const ABSENT: &[(&str, &[&str])] = &[
    ("crates/connect-herder/src", CLOCKS),
    ("connectors/mirror/src", CLOCKS),
    ("crates/connect-api/src", SOCKETS),
    ("crates/kafka-wire/src", SOCKETS),
];

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("rs")) {
        for (folder, words) in ABSENT {
            if file.path.starts_with(Path::new(folder)) {
                faults.extend(source_faults(file, words));
            }
        }
    }
    faults
}

fn source_faults(file: &File, words: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for (line, number) in file.text.lines().zip(1..) {
        let code = line.split("//").next().unwrap_or_default();
        let mut named = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(word) = named.find(|word| words.contains(word)) {
            faults.push(format!("{}:{number}: {word} has no place here", file.path.display()));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_in_the_kernel_is_a_fault_and_a_comment_about_it_is_none() {
        let text = "use std::time::{Duration, Instant};\n// no Instant\nlet instant = 1; // tokio\n".to_owned();
        let file = File { path: "crates/connect-herder/src/lib.rs".into(), text };

        assert_eq!(faults(&[file]), ["crates/connect-herder/src/lib.rs:1: Instant has no place here"]);
    }
}
