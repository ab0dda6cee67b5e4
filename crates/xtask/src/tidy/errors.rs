//! Every ERROR says what to do: the text of an `error!` has what happened, a semicolon, and the remedy. Someone must act on
//! it, who has only this line.

use super::File;

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let is_ours = |file: &&File| {
        let path = &file.path;
        file.has_extension("rs")
            && (path.starts_with("crates") || path.starts_with("connectors"))
            && !path.starts_with("crates/xtask")
    };
    files.iter().filter(is_ours).flat_map(file_faults).collect()
}

fn file_faults(file: &File) -> Vec<String> {
    let calls = file.text.match_indices("error!(").filter(|(at, _)| {
        let before = file.text[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    });
    let silent = calls.filter(|(at, _)| !call(&file.text[*at..]).contains("; "));
    let line = |at: usize| file.text[..at].matches('\n').count() + 1;
    silent
        .map(|(at, _)| {
            format!("{}:{}: this ERROR does not say what to do (what; remedy)", file.path.display(), line(at))
        })
        .collect()
}

/// Up to the parenthesis that closes the call. Those in texts come in pairs.
fn call(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return &text[..at],
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_a_remedy_is_a_fault() {
        let file = |text: &str| File { path: "crates/a/src/lib.rs".into(), text: text.to_owned() };

        assert!(file_faults(&file("error!(%error, \"disk is full (again); make room\");")).is_empty());
        assert!(file_faults(&file("my_error!(\"disk is full\");")).is_empty());
        let faults = file_faults(&file("fn f() {\n    error!(path = f(), \"disk is full\"); warn!(\"a; b\");\n}"));
        assert_eq!(faults, ["crates/a/src/lib.rs:2: this ERROR does not say what to do (what; remedy)"]);
    }
}
