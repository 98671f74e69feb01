use super::*;

const SPAWN: &str = "/rbee.hive.v1.HiveService/SpawnWorker";

fn headers(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
}

fn from_config(server: &ServerConfig) -> Result<Auth, AuthError> {
    Auth::from_config(server, &TlsConfig::default(), &AuthConfig::default()).map(|(auth, _)| auth)
}

#[test]
fn only_the_right_token_is_let_in() {
    let auth = Auth::Token(SecretString::from("0123456789abcdef"));
    let check = |headers: &HeaderMap| auth.check(SPAWN, headers, false);
    assert!(check(&headers("Bearer 0123456789abcdef")).is_ok());
    assert!(check(&headers("bearer 0123456789abcdef")).is_ok());
    for (wrong, why) in [
        ("Bearer 0123456789abcdeg", reason::TOKEN_UNKNOWN),
        ("Bearer 0123456789abcde", reason::TOKEN_UNKNOWN),
        ("Bearer ", reason::TOKEN_UNKNOWN),
        ("Basic 0123456789abcdef", reason::UNAUTHENTICATED),
        ("x", reason::UNAUTHENTICATED),
    ] {
        assert_eq!(check(&headers(wrong)).unwrap_err().reason(), why, "{wrong}");
    }
    assert!(check(&HeaderMap::new()).is_err());
    assert!(Auth::Open.check(SPAWN, &HeaderMap::new(), false).is_ok());
}

#[test]
fn a_call_that_is_in_no_table_is_nobodys_to_make() {
    let auth = Auth::Token(SecretString::from("0123456789abcdef"));
    let refusal = auth.check(
        "/rbee.hive.v1.HiveService/Explode",
        &headers("Bearer 0123456789abcdef"),
        true,
    );
    assert_eq!(refusal.unwrap_err().reason(), reason::METHOD_UNKNOWN);
}

#[test]
fn a_token_of_the_list_is_good_for_its_scope() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let mut tokens = tokens::Tokens::default();
    let secret = tokens
        .create("phone", Scope::Use, SystemTime::now(), None)
        .unwrap();
    tokens.write(&path).unwrap();
    let named = AuthConfig {
        tokens_file: Some(path),
    };
    let (auth, tls) = Auth::from_config(&ServerConfig::default(), &TlsConfig::default(), &named).unwrap();
    assert!(tls.is_none());
    let shown = headers(&format!("Bearer {}", secret.expose_secret()));

    let chat = auth
        .check("/rbee.worker.v1.TextService/Chat", &shown, false)
        .unwrap();
    assert_eq!(chat.name.as_deref(), Some("phone"));
    auth.check("/rbee.catalog.v1.ModelService/ListModels", &shown, false)
        .unwrap();
    // Also where the connection is a service's: it may pass on what others show.
    let refusal = auth.check(SPAWN, &shown, true).unwrap_err();
    assert_eq!(refusal.reason(), reason::SCOPE_INSUFFICIENT);
    assert!(refusal.message().contains("`operate`"), "{}", refusal.message());

    auth.check(SPAWN, &HeaderMap::new(), true)
        .expect("a service may do everything");
    let own = format!("Bearer {}", auth.token().unwrap().expose_secret());
    auth.check(SPAWN, &headers(&own), false)
        .expect("the process itself");
    auth.check("/grpc.health.v1.Health/Check", &HeaderMap::new(), false)
        .expect("probes need no token");
}

#[test]
fn beyond_loopback_is_refused_unless_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "0123456789abcdef\n").unwrap();
    let loopback = ServerConfig::default();
    assert!(matches!(from_config(&loopback), Ok(Auth::Open)));

    let open = ServerConfig {
        listen: "0.0.0.0:7220".parse().unwrap(),
        ..ServerConfig::default()
    };
    assert!(matches!(from_config(&open), Err(AuthError::Insecure { .. })));
    let with_token = ServerConfig {
        token_file: Some(token_file),
        ..open.clone()
    };
    assert!(matches!(
        from_config(&with_token),
        Err(AuthError::Insecure { .. })
    ));

    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["desk".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let [cert, key_file] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&cert, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let tls = TlsConfig {
        cert: Some(cert),
        key: Some(key_file),
        client_ca: None,
    };
    let none = AuthConfig::default();
    let anybody = Auth::from_config(&open, &tls, &none).unwrap_err();
    assert!(
        anybody.to_string().contains("would be from anybody;"),
        "{anybody}"
    );
    assert!(matches!(
        Auth::from_config(&with_token, &tls, &none),
        Ok((Auth::Listed(_), Some(_)))
    ));

    let allowed = ServerConfig {
        allow_insecure: true,
        ..with_token
    };
    let auth = from_config(&allowed).unwrap();
    auth.check(SPAWN, &headers("Bearer 0123456789abcdef"), false)
        .unwrap();
    assert!(auth.check(SPAWN, &HeaderMap::new(), false).is_err());
}

#[test]
fn a_token_file_must_hold_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    for (content, good) in [
        ("0123456789abcdef\r\n", true),
        ("", false),
        ("short", false),
        ("0123456789abcdef\nmore", false),
        ("with blank 0123456789", false),
    ] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(read_token(&path).is_ok(), good, "{content:?}");
    }
}
