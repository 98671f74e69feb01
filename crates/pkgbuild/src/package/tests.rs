use super::*;

const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

type Entries<'a> = Vec<(&'a str, &'a [&'a str])>;

fn minimal<'a>() -> Entries<'a> {
    vec![
        ("pkgname", &["tool"]),
        ("pkgver", &["1.0"]),
        ("pkgrel", &["1"]),
        ("arch", &["x86_64", "aarch64"]),
        ("package()", &[""]),
    ]
}

/// The minimal PKGBUILD with these in place of its own.
fn package(more: Entries<'_>) -> Result<Package, String> {
    let mut entries = minimal();
    entries.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    entries.extend(more);
    Package::new(&Variables::of(&entries), "x86_64")
}

#[test]
fn the_least_that_is_a_package() {
    let package = package(vec![]).unwrap();
    assert_eq!(package.name.as_str(), "tool");
    assert_eq!(package.version.to_string(), "1.0-1");
    assert!(package.sources.is_empty());
    assert_eq!(package.functions, Functions::default());
}

#[test]
fn what_is_missing_is_named() {
    for (name, values, words) in [
        ("pkgname", &[][..], "does not set pkgname"),
        ("pkgname", &["a", "b"], "several packages"),
        ("pkgname", &["A/b"], "not a package name"),
        ("pkgver", &[], "does not set pkgver"),
        ("pkgver", &["1-2"], "hyphens"),
        ("pkgrel", &[""], "does not set pkgrel"),
        ("epoch", &["one"], "whole number"),
        ("arch", &[], "does not set arch"),
        ("package()", &[], "no package()"),
        ("validpgpkeys", &["x"], "PGP"),
    ] {
        let problem = package(vec![(name, values)]).unwrap_err();
        assert!(problem.contains(words), "{problem}");
    }
}

#[test]
fn every_file_has_a_checksum_and_no_repository_has_one() {
    let git = "git+https://example.org/tool";
    for (entries, words) in [
        (vec![("source", &["a"][..])], "no checksum"),
        (
            vec![("source", &["a"][..]), ("md5sums", &["x"])],
            "md5sums, which don't do",
        ),
        (vec![("source", &["a"][..]), ("sha256sums", &["SKIP"])], "SKIP"),
        (
            vec![("source", &["a", "b"][..]), ("sha256sums", &[SUM])],
            "one for each",
        ),
        (
            vec![("source", &["a"][..]), ("b2sums", &[SUM])],
            "128 hexadecimal digits",
        ),
        (
            vec![("source", &[git][..]), ("sha256sums", &[SUM])],
            "must be SKIP",
        ),
        (
            vec![("source_x86_64", &["a"][..]), ("sha256sums", &[SUM])],
            "but source has 0",
        ),
        (
            vec![("source", &["a", "A"][..]), ("sha256sums", &[SUM, SUM])],
            "two sources",
        ),
    ] {
        let problem = package(entries).unwrap_err();
        assert!(problem.contains(words), "{problem}");
    }
    let package = package(vec![
        ("source", &["a", git]),
        ("sha256sums", &[SUM, "SKIP"]),
        ("source_x86_64", &["https://example.org/x86.tar.gz"]),
        ("sha256sums_x86_64", &[SUM]),
        ("source_aarch64", &["https://example.org/arm.tar.gz"]),
        ("sha256sums_aarch64", &[SUM]),
        ("noextract", &["x86.tar.gz"]),
        ("prepare()", &[""]),
    ])
    .unwrap();
    let names: Vec<&str> = package
        .sources
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    assert_eq!(names, ["a", "tool", "x86.tar.gz"]);
    assert!(package.functions.prepare && !package.functions.build);
}

#[test]
fn one_skip_beside_a_digest_is_no_hole() {
    let package = package(vec![
        ("source", &["a"]),
        ("sha256sums", &["SKIP"]),
        ("b2sums", &[&"0".repeat(128)]),
    ])
    .unwrap();
    let Origin::Local { checksums } = &package.sources[0].origin else {
        panic!("{package:?}");
    };
    let mismatch = checksums.checker().finish().unwrap_err();
    assert_eq!(mismatch.algorithm, Algorithm::Blake2b);
}

#[test]
fn platforms_are_told_apart() {
    let linux = Platform::new("linux", "x86_64").unwrap();
    let mac = Platform::new("macos", "aarch64").unwrap();
    let any = package(vec![("arch", &["any"])]).unwrap();
    assert!(any.suits(&linux) && any.suits(&mac));
    let metal = package(vec![("arch", &["aarch64"]), ("_os", &["macos"])]).unwrap();
    assert!(!metal.suits(&linux) && metal.suits(&mac));
    assert!(!metal.suits(&Platform::new("linux", "aarch64").unwrap()));
    assert_eq!(metal.platforms(), "macos on aarch64");
}
