//! `cargo xtask packaging image`: what `docker/Dockerfile` puts into its image, built and run without an engine. The binary is
//! static; in a root folder that holds nothing but what the image does (and what an engine adds: `/proc`, `/dev/null`), as the
//! image's user, it says that no worker is healthy, and runs the whole demo to its verdict. Needs root, `musl-tools` and the
//! target x86_64-unknown-linux-musl.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{cargo, root, run};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// Arguments: the root folder, then those of the program. Mounts are seen by this process alone, and end with it.
const IN_IMAGE: &str = r#"
image="$1"; shift
mount -t proc proc "$image/proc"
mount --bind /dev/null "$image/dev/null"
exec chroot --userspec=65532:65532 "$image" /usr/bin/portage "$@"
"#;

pub(crate) fn image() -> Result<(), String> {
    cargo(&["build", "--release", "--locked", "--package", "portage", "--target", TARGET])?;
    let built = root().join("target").join(TARGET).join("release/portage");
    is_static(&built)?;
    let image = root().join("target/tools/image");
    assemble(&image, &built).map_err(|error| format!("cannot assemble {}: {error}", image.display()))?;
    let program = image.join("usr/bin/portage");
    run("strip", Command::new("strip").args(["--strip-debug", "-o"]).args([&program, &built]))?;
    let size = fs::metadata(&program).map_err(|error| error.to_string())?.len();
    println!("{} is static and has {} MB", program.display(), size / 1_000_000);
    if inside(&image, &["health", "--url", "http://127.0.0.1:1"]).is_ok() {
        return Err("the health check says yes where no worker is".to_owned());
    }
    inside(&image, &["demo", "--exit-when-caught-up"])
}

fn is_static(program: &Path) -> Result<(), String> {
    let ldd = Command::new("ldd").arg(program).output().map_err(|error| format!("cannot run ldd: {error}"))?;
    let said = String::from_utf8_lossy(&[ldd.stdout, ldd.stderr].concat()).into_owned();
    let is_static = said.contains("statically linked") || said.contains("not a dynamic executable");
    if is_static { Ok(()) } else { Err(format!("{} is not static: {said}", program.display())) }
}

fn assemble(image: &Path, program: &Path) -> std::io::Result<()> {
    let _ = fs::remove_dir_all(image);
    for folder in ["usr/bin", "proc", "dev", "tmp"] {
        fs::create_dir_all(image.join(folder))?;
    }
    fs::write(image.join("dev/null"), "")?;
    // The image's own user owns it there.
    std::os::unix::fs::chown(image.join("tmp"), Some(65532), Some(65532))?;
    fs::copy(program, image.join("usr/bin/portage")).map(|_| ())
}

/// Runs the program in the root folder.
fn inside(image: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut sh = Command::new("unshare");
    run("unshare", sh.args(["--mount", "sh", "-ec", IN_IMAGE, "sh"]).arg(image).args(arguments))
}
