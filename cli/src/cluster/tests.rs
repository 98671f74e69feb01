use super::*;

fn init(folder: &Path, hosts: &[&str]) -> Result<ClusterFolder, ClusterError> {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    ClusterFolder::init(folder, &hosts, Timestamp::now())
}

#[test]
fn a_cluster_has_all_that_its_hosts_need_for_nobody_else_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/cluster");
    let cluster = init(&path, &["desk,192.168.1.5", "attic"]).unwrap();
    let names: Vec<_> = cluster
        .hosts()
        .unwrap()
        .into_iter()
        .map(|host| (host.name, host.facts.names))
        .collect();
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        names,
        [
            ("attic".into(), of(&["attic", "localhost", "127.0.0.1", "::1"])),
            (
                "desk".into(),
                of(&["desk", "192.168.1.5", "localhost", "127.0.0.1", "::1"])
            ),
        ]
    );
    for file in ["ca.pem", "cert.pem", "key.pem", "tokens.toml"] {
        assert!(cluster.host_folder("desk").join(file).is_file(), "{file}");
    }
    #[cfg(unix)]
    for file in ["ca.key", "tokens.toml", "join-token", "hosts/desk/key.pem"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path.join(file)), 0o600, "{file}");
        assert_eq!(mode(path.join(file).parent().unwrap()), 0o700, "{file}");
    }
    rbee_service_kit::server::read_token(&cluster.join_token()).unwrap();
}

#[test]
fn a_cluster_is_made_once_and_hosts_are_added_once() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        ClusterFolder::open(folder.path()),
        Err(ClusterError::Missing { .. })
    ));
    let cluster = init(folder.path(), &["desk"]).unwrap();
    assert!(matches!(
        init(folder.path(), &["desk"]),
        Err(ClusterError::Exists { .. })
    ));
    let now = Timestamp::now();
    cluster.add_host("attic", now).unwrap();
    assert!(matches!(
        cluster.add_host("attic", now),
        Err(ClusterError::HostExists { .. })
    ));
    for bad in ["", "a/b", "..", "a b", "desk,", "x\ny"] {
        let refused = cluster.add_host(bad, now);
        assert!(matches!(refused, Err(ClusterError::HostName { .. })), "{bad:?}");
    }
}

#[test]
fn rotating_makes_new_keys_for_the_same_names() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = init(folder.path(), &["desk"]).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|file| cluster.host_folder("desk").join(file));
    let before = [read(&cert).unwrap(), read(&key).unwrap()];
    let ca = read(&cluster.ca()).unwrap();
    let later = Timestamp::now() + jiff::SignedDuration::from_hours(24 * 300);
    let rotated = cluster.rotate(later).unwrap();
    assert_eq!(rotated.len(), 1);
    assert_eq!(rotated[0].facts.names[0], "desk");
    assert!(rotated[0].facts.ends > later);
    assert_ne!(read(&cert).unwrap(), before[0]);
    assert_ne!(read(&key).unwrap(), before[1]);
    assert_eq!(read(&cluster.ca()).unwrap(), ca);
}

#[test]
fn tokens_change_for_all_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = init(folder.path(), &["desk"]).unwrap();
    cluster
        .change_tokens(|tokens| tokens.create("ada", Scope::Use, SystemTime::now(), None))
        .unwrap();
    let copy = Tokens::read(&cluster.host_folder("desk").join("tokens.toml")).unwrap();
    let names: Vec<_> = copy.named.iter().map(|token| token.name.as_str()).collect();
    assert_eq!(names, [JOIN, "ada"]);
    assert_eq!(copy, Tokens::read(&cluster.tokens_file()).unwrap());
}
