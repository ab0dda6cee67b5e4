//! What no file may say, and links in Markdown that lead nowhere.

use std::path::{Component, Path, PathBuf};

use super::File;

/// Folders of whoever wrote a file, which mean nothing elsewhere. Put together here, so that this file is free of them.
const MACHINE_PATHS: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

pub(super) fn faults(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        faults.extend(path_faults(file));
        if file.has_extension("md") {
            faults.extend(link_faults(file, |path| files.iter().any(|file| file.path.starts_with(path))));
        }
    }
    faults
}

fn path_faults(file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    for (line, number) in file.text.lines().zip(1..) {
        if let Some(path) = MACHINE_PATHS.iter().find(|path| names_folder(line, path)) {
            faults.push(format!("{}:{number}: {path} is a path of one machine", file.path.display()));
        }
    }
    faults
}

/// Does `line` name this folder at the root, not one of that name further down?
fn names_folder(line: &str, folder: &str) -> bool {
    let is_root = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~$}".contains(c));
    line.match_indices(folder).any(|(at, _)| is_root(at))
}

fn link_faults(file: &File, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let mut faults = Vec::new();
    for (line, number) in file.text.lines().zip(1..) {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split(['#', ' ']).next().unwrap_or_default();
            let elsewhere = target.is_empty() || target.contains(':');
            if !elsewhere && !exists(&normal(&folder.join(target))) {
                faults.push(format!("{}:{number}: {target} does not exist", file.path.display()));
            }
        }
    }
    faults
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.to_owned() }
    }

    #[test]
    fn a_relative_link_must_lead_to_a_file_or_folder() {
        let page =
            file("docs/a.md", "[b](b.md#top) [up](../README.md) [gone](gone.md) [web](https://x.y/z) [here](#h)\n");
        let files = [page, file("docs/b.md", ""), file("README.md", "[docs](docs)")];

        assert_eq!(faults(&files), ["docs/a.md:1: gone.md does not exist"]);
    }

    #[test]
    fn a_path_of_a_machine_is_a_fault() {
        let named = format!("see {}x/notes", MACHINE_PATHS[0]);
        let further_down = format!("see target{}x", MACHINE_PATHS[0]);

        assert_eq!(path_faults(&file("a.txt", &named)).len(), 1);
        assert_eq!(path_faults(&file("a.txt", &further_down)).len(), 0);
    }
}
