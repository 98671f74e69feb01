//! A Debian package: an `ar` archive of a format's number, an archive of what the package says of itself, and one of its
//! files.

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::archive::{Entry, ar, tar_gz};
use crate::workspace::Workspace;

/// Debian's name of an architecture.
pub(super) fn architecture(name: &str) -> Result<&'static str> {
    match name {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("no Debian package is made for {other}"),
    }
}

/// The package as bytes.
pub(super) fn package(
    workspace: &Workspace,
    entries: &[Entry],
    version: &str,
    architecture: &str,
    time: u64,
) -> Result<Vec<u8>> {
    let programs: Vec<&Entry> = entries.iter().filter(|entry| entry.mode == 0o755).collect();
    let glibc = programs
        .iter()
        .filter_map(|entry| newest_glibc(&entry.content))
        .max()
        .context("the programs need no C library")?;
    let scripts = workspace.root.join("deploy/debian");
    let mut about = vec![
        Entry::file("control", control(version, architecture, glibc, entries)),
        Entry::file("conffiles", "/etc/rbee/environment\n"),
    ];
    for script in ["postinst", "prerm", "postrm"] {
        about.push(Entry::program(script, fs::read(scripts.join(script))?));
    }
    ar(
        &[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &tar_gz(&about, time)?),
            ("data.tar.gz", &tar_gz(entries, time)?),
        ],
        time,
    )
}

fn control(version: &str, architecture: &str, glibc: (u32, u32), entries: &[Entry]) -> String {
    let kibibytes: usize = entries
        .iter()
        .map(|entry| entry.content.len().div_ceil(1024))
        .sum();
    format!(
        "Package: rbee\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: rbee <team@rbee.dev>\n\
         Installed-Size: {kibibytes}\n\
         Depends: libc6 (>= {}.{}), libgcc-s1, adduser\n\
         Recommends: ca-certificates, bubblewrap\n\
         Section: net\n\
         Priority: optional\n\
         Homepage: https://github.com/rbee-ai/rbee\n\
         Description: your machines as one private inference cluster\n \
         A catalog knows the models, a provisioner brings them in, and a hive on each host\n \
         runs workers for text and pictures, which stream to whoever asks.\n",
        glibc.0, glibc.1
    )
}

/// The newest version of the C library that a program asks for: `GLIBC_2.34` among its names of symbols' versions.
fn newest_glibc(program: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"GLIBC_";
    program
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, window)| *window == MARK)
        .filter_map(|(at, _)| {
            let rest = &program[at + MARK.len()..];
            let end = rest
                .iter()
                .position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
            let text = std::str::from_utf8(&rest[..end]).ok()?;
            let mut numbers = text.split('.').map(str::parse::<u32>);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_c_library_counts_as_a_number() {
        let program = b"\0GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.4\0GLIBC_PRIVATE\0GLIBC_2.2.5\0";
        assert_eq!(newest_glibc(program), Some((2, 34)));
        assert_eq!(newest_glibc(b"nothing"), None);
    }

    #[test]
    fn a_package_is_what_dpkg_reads() {
        if !crate::process::succeeds("dpkg-deb", &["--version"]) {
            eprintln!("skipped: there is no dpkg-deb here");
            return;
        }
        let workspace = Workspace::find().unwrap();
        let entries = [
            Entry::program("usr/bin/rbee", b"\0GLIBC_2.34\0".to_vec()),
            Entry::file("etc/rbee/environment", "# nothing\n"),
        ];
        let packed = package(&workspace, &entries, "1.2.3", "amd64", 1_000_000_000).unwrap();
        assert_eq!(
            packed,
            package(&workspace, &entries, "1.2.3", "amd64", 1_000_000_000).unwrap()
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rbee.deb");
        std::fs::write(&file, packed).unwrap();
        let ask = |arguments: &[&str]| {
            let mut command = std::process::Command::new("dpkg-deb");
            let output = crate::process::run_quietly(command.args(arguments).arg(&file)).unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let about = ask(&["--info"]);
        assert!(about.contains("Depends: libc6 (>= 2.34)"), "{about}");
        assert!(about.contains("postinst"), "{about}");
        let files = ask(&["--contents"]);
        assert!(
            files.contains("-rwxr-xr-x root/root") && files.contains("usr/bin/rbee"),
            "{files}"
        );
        assert!(files.contains("2001-09-09"), "{files}");
    }
}
