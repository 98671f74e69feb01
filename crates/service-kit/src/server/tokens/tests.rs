use super::*;

fn open(tokens: &Tokens, folder: &Path) -> (PathBuf, TokenList) {
    let path = folder.join("tokens.toml");
    tokens.write(&path).unwrap();
    let list = TokenList::open(&path).unwrap();
    (path, list)
}

#[test]
fn a_token_is_good_until_it_expires_or_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut tokens = Tokens::default();
    let laptop = tokens
        .create("laptop", Scope::Use, now, Some(Duration::from_secs(60)))
        .unwrap();
    let old = tokens.create("old", Scope::Operate, now, None).unwrap();
    tokens.revoke("old", now).unwrap();
    let (path, list) = open(&tokens, folder.path());
    let standing = |token: &SecretString, at| list.standing(token.expose_secret().as_bytes(), at);

    assert_eq!(
        standing(&laptop, now),
        Standing::Good("laptop".into(), Scope::Use)
    );
    let end = now + Duration::from_secs(60);
    assert_eq!(standing(&laptop, end), Standing::Expired("laptop".into()));
    assert_eq!(standing(&old, now), Standing::Revoked("old".into()));
    assert_eq!(list.standing(b"guess", now), Standing::Unknown);

    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.contains(laptop.expose_secret()), "only the digest is kept");
    assert_eq!(toml::from_str::<Tokens>(&text).unwrap(), tokens);
}

#[test]
fn names_are_used_once_until_they_are_free() {
    let now = SystemTime::now();
    let mut tokens = Tokens::default();
    tokens.create("a", Scope::Read, now, None).unwrap();
    assert!(matches!(
        tokens.create("a", Scope::Read, now, None),
        Err(TokensError::Exists { .. })
    ));
    tokens.revoke("a", now).unwrap();
    assert!(matches!(
        tokens.revoke("a", now),
        Err(TokensError::Unknown { .. })
    ));
    tokens.create("a", Scope::Read, now, None).unwrap();
    for name in ["", "two words", "a/b", &"x".repeat(65)] {
        assert!(matches!(
            tokens.create(name, Scope::Read, now, None),
            Err(TokensError::Name { .. })
        ));
    }
}

#[test]
fn a_change_is_heard_and_a_broken_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let mut tokens = Tokens::default();
    let secret = tokens.create("a", Scope::Read, now, None).unwrap();
    let (path, list) = open(&tokens, folder.path());
    let standing = || list.standing(secret.expose_secret().as_bytes(), now);

    std::fs::write(&path, "[[token]]\nname = ").unwrap();
    let look_again = || list.shared.state.lock().looked = Instant::now() - LOOK_EVERY;
    look_again();
    assert_eq!(standing(), Standing::Good("a".into(), Scope::Read));

    tokens.revoke("a", now).unwrap();
    tokens.write(&path).unwrap();
    look_again();
    assert_eq!(standing(), Standing::Revoked("a".into()));
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = open(&Tokens::default(), folder.path());
    assert_eq!(
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_file_of_tokens_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    assert!(matches!(Tokens::read(&path), Err(TokensError::Read { .. })));
    for text in [
        "[[token]]\nname = \"a\"",
        "x = 1",
        "[[token]]\nname='a'\nscope='all'\nsha256='00'\ncreated='now'",
    ] {
        std::fs::write(&path, text).unwrap();
        assert!(
            matches!(Tokens::read(&path), Err(TokensError::Syntax { .. })),
            "{text}"
        );
    }
}
