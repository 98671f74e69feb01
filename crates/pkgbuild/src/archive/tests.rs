#![cfg(unix)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

const LIMITS: UnpackLimits = UnpackLimits {
    bytes: 1 << 30,
    entries: 1000,
};

/// A header as an attacker writes it, without the checks of the crate.
fn header(kind: EntryType, path: &[u8], link: &[u8], size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.set_entry_type(kind);
    header.set_mode(0o6777);
    header.set_mtime(1_000_000_000);
    header.set_size(size);
    header.set_cksum();
    header
}

type Entries<'a> = &'a [(EntryType, &'a str, &'a str)];

/// The link's place is the content of a file.
fn tar(entries: Entries<'_>) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for &(kind, path, content) in entries {
        let (link, content) = match kind {
            EntryType::Regular | EntryType::XHeader | EntryType::GNULongName => ("", content),
            _ => (content, ""),
        };
        let header = header(kind, path.as_bytes(), link.as_bytes(), content.len() as u64);
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

struct Place {
    _parent: tempfile::TempDir,
    folder: PathBuf,
}

fn place() -> Place {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("sources");
    fs::create_dir(&folder).unwrap();
    Place {
        _parent: parent,
        folder,
    }
}

impl Place {
    fn unpack(&self, bytes: &[u8], format: Format, limits: UnpackLimits) -> Result<(), String> {
        let archive = self.folder.parent().unwrap().join("archive");
        fs::write(&archive, bytes).unwrap();
        let result = unpack(
            &archive,
            format,
            &self.folder,
            limits,
            &mut Used::default(),
            &|| false,
        );
        fs::remove_file(&archive).unwrap();
        let beside = fs::read_dir(self.folder.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1, "something is outside the folder");
        result
    }
}

use EntryType as E;

#[test]
fn an_archive_is_unpacked_in_every_format() {
    let tar = tar(&[
        (E::XGlobalHeader, "pax_global_header", ""),
        (E::Directory, "./tool-1.0/", ""),
        (E::Regular, "./tool-1.0/bin/tool", "#!/bin/sh"),
        (E::Link, "tool-1.0/bin/tool2", "tool-1.0/bin/tool"),
        (E::Symlink, "tool-1.0/current", "bin/tool"),
        (E::Symlink, "tool-1.0/lib/up", "../bin"),
        (E::XHeader, "pax", "29 path=tool-1.0/a long name\n"),
        (E::Regular, "short", "long"),
        (E::GNULongName, "././@LongLink", "tool-1.0/another\0"),
        (E::Regular, "short", "another"),
    ]);
    let half = tar.len() / 2;
    let frames = [zstd(&tar[..half]), zstd(&tar[half..])].concat();
    for (bytes, format) in [
        (tar.clone(), Format::Tar),
        (gzip(&tar), Format::TarGzip),
        (zstd(&tar), Format::TarZstd),
        (frames, Format::TarZstd),
    ] {
        let place = place();
        place.unpack(&bytes, format, LIMITS).unwrap();
        let tool = place.folder.join("tool-1.0");
        for name in ["bin/tool", "bin/tool2", "current", "lib/up/tool"] {
            assert_eq!(fs::read(tool.join(name)).unwrap(), b"#!/bin/sh", "{name}");
        }
        assert_eq!(fs::read(tool.join("a long name")).unwrap(), b"long");
        assert_eq!(fs::read(tool.join("another")).unwrap(), b"another");
        let metadata = fs::metadata(tool.join("bin/tool")).unwrap();
        assert_eq!(
            metadata.permissions().mode() & 0o7777,
            0o755,
            "no set-user-id, not for all to write"
        );
        assert_eq!(
            metadata.modified().unwrap(),
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)
        );
    }
}

#[test]
fn no_archive_leaves_its_folder() {
    let cases: &[(Entries<'_>, &str)] = &[
        (&[(E::Regular, "../evil", "x")], "leads out"),
        (&[(E::Regular, "a/../../evil", "x")], "leads out"),
        (&[(E::Regular, "/tmp/evil", "x")], "absolute"),
        (&[(E::Directory, "../evil", "")], "leads out"),
        (&[(E::Regular, "a\\..\\evil", "x")], "backslash"),
        (&[(E::Symlink, "a", "/etc")], "not to what is beside it"),
        (&[(E::Symlink, "a", "../outside")], "leads out"),
        (&[(E::Symlink, "a/b", "../../outside")], "leads out"),
        (&[(E::Symlink, "a", "")], "not to what is beside it"),
        // Each of the two looks harmless; together they would lead out.
        (
            &[(E::Symlink, "a/b", ".."), (E::Symlink, "c", "a/b/../..")],
            "leads out",
        ),
        // Through a link that the archive made first.
        (
            &[
                (E::Symlink, "a", "b"),
                (E::Regular, "a", "x"),
                (E::Regular, "a/c", "x"),
            ],
            "there twice",
        ),
        (&[(E::Symlink, "a", "b"), (E::Symlink, "a/c", "d")], "there twice"),
        (&[(E::Link, "a", "../outside")], "leads out"),
        (&[(E::Link, "a", "/etc/passwd")], "absolute"),
        (&[(E::Link, "a", "missing")], "no file of the archive"),
        (&[(E::Regular, "a", "x"), (E::Regular, "a", "y")], "there twice"),
        (&[(E::Regular, "a", "x"), (E::Regular, "a/b", "y")], "there twice"),
        (&[(E::Char, "a", "")], "device"),
        (&[(E::Block, "a", "")], "device"),
        (&[(E::Fifo, "a", "")], "pipe"),
        (&[(E::GNUSparse, "a", "")], "sparse"),
        (&[(E::new(b'Z'), "a", "")], "of a kind"),
        (&[(E::Regular, ".", "x")], "of a kind"),
        (
            &[(E::XHeader, "p", "16 path=../evil\n"), (E::Regular, "a", "x")],
            "leads out",
        ),
        (
            &[(E::GNULongName, "L", "../evil\0"), (E::Regular, "a", "x")],
            "leads out",
        ),
        (
            &[(E::XHeader, "p", "11 size=99\n"), (E::Regular, "a", "x")],
            "too large",
        ),
        (&[(E::XHeader, "p", "22 GNU.sparse.major=1\n")], "sparse"),
    ];
    for (entries, words) in cases {
        let place = place();
        let result = place.unpack(&tar(entries), Format::Tar, LIMITS);
        let problem = result.expect_err(words);
        assert!(problem.contains(words), "{entries:?}: {problem}");
    }
}

#[test]
fn what_was_there_before_is_not_written_through() {
    let place = place();
    // As a repository among the sources might have it.
    std::os::unix::fs::symlink("..", place.folder.join("up")).unwrap();
    let problem = place
        .unpack(&tar(&[(E::Regular, "up/evil", "x")]), Format::Tar, LIMITS)
        .unwrap_err();
    assert!(problem.contains("there twice"), "{problem}");
}

#[test]
fn a_disk_is_not_filled() {
    let zeros = vec![0; 80 << 20];
    let mut builder = Builder::new(Vec::new());
    builder
        .append(
            &header(E::Regular, b"zeros", b"", zeros.len() as u64),
            zeros.as_slice(),
        )
        .unwrap();
    let bomb = builder.into_inner().unwrap();
    let problem = place().unpack(&gzip(&bomb), Format::TarGzip, LIMITS).unwrap_err();
    assert!(problem.contains("200 times its size"), "{problem}");
    let few = UnpackLimits {
        bytes: 1 << 20,
        ..LIMITS
    };
    let problem = place().unpack(&bomb, Format::Tar, few).unwrap_err();
    assert!(problem.contains("more than 1048576 bytes"), "{problem}");
    let names: Vec<String> = (0..20).map(|number| format!("file{number}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (E::Regular, name.as_str(), "")).collect();
    let few = UnpackLimits {
        entries: 10,
        ..LIMITS
    };
    let problem = place().unpack(&tar(&entries), Format::Tar, few).unwrap_err();
    assert!(problem.contains("more than 10 entries"), "{problem}");
    // A header that says it is followed by more than there is takes no memory.
    for kind in [E::XHeader, E::GNULongName, E::Regular] {
        let mut bytes = header(kind, b"a", b"", 7 << 30).as_bytes().to_vec();
        bytes.resize(4096, 0);
        assert!(place().unpack(&bytes, Format::Tar, LIMITS).is_err(), "{kind:?}");
    }
}

#[test]
fn damage_is_noticed() {
    let whole = tar(&[(E::Regular, "a", &"x".repeat(3000)), (E::Regular, "b", "y")]);
    for (bytes, format) in [
        (whole[..1000].to_vec(), Format::Tar),
        (gzip(&whole)[..60].to_vec(), Format::TarGzip),
        (zstd(&whole)[..40].to_vec(), Format::TarZstd),
        (b"<html>not found</html>".to_vec(), Format::Tar),
        (b"<html>not found</html>".to_vec(), Format::TarGzip),
        (b"<html>not found</html>".to_vec(), Format::TarZstd),
        (Vec::new(), Format::Tar),
    ] {
        assert!(place().unpack(&bytes, format, LIMITS).is_err(), "{format:?}");
    }
    let mut bent = whole;
    bent[0] ^= 1;
    assert!(place().unpack(&bent, Format::Tar, LIMITS).is_err());
}

#[test]
fn cancelling_ends_it() {
    let place = place();
    let archive = place.folder.join("archive");
    fs::write(&archive, tar(&[(E::Regular, "a", "x")])).unwrap();
    let target = place.folder.join("into");
    fs::create_dir(&target).unwrap();
    let result = unpack(
        &archive,
        Format::Tar,
        &target,
        LIMITS,
        &mut Used::default(),
        &|| true,
    );
    assert!(result.unwrap_err().contains("cancelled"));
}

#[test]
fn only_known_names_are_archives() {
    assert_eq!(format_of("a.tar.gz"), Ok(Some(Format::TarGzip)));
    assert_eq!(format_of("A.TGZ"), Ok(Some(Format::TarGzip)));
    assert_eq!(format_of("a.tar.zst"), Ok(Some(Format::TarZstd)));
    assert_eq!(format_of("a.tar"), Ok(Some(Format::Tar)));
    assert_eq!(format_of("a.gz"), Ok(None));
    assert_eq!(format_of("a.patch"), Ok(None));
    assert!(format_of("a.zip").is_err() && format_of("a.tar.xz").is_err());
}
