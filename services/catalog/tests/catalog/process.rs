//! The program `rbee-catalog`: what a client was told survives `kill -9`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::running::{DEADLINE, blob, model};
use rbee_proto::catalog::v1::model_service_client::ModelServiceClient;
use rbee_proto::catalog::v1::{CreateModelRequest, DeleteModelRequest, ListModelsRequest};
use rbee_service_kit::Target;
use rbee_service_kit::client::ClientChannel;

/// A client of its models.
pub(crate) type Models = ModelServiceClient<ClientChannel>;

/// The program, running.
pub(crate) struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts the program on a free port; its log says on which.
    pub(crate) fn start(store: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rbee-catalog"))
            .args(["--listen", "127.0.0.1:0", "--log", "info", "--store"])
            .arg(store)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| {
                line.split_once("address=")
                    .map(|(_, address)| address.trim().to_owned())
            })
            .expect("it says where it listens");
        // Its log goes on to be read, so that it never waits for a full pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, address }
    }

    pub(crate) async fn models(&self) -> Models {
        let target = Target {
            address: format!("http://{}", self.address),
            token: None,
            ..Target::default()
        };
        ModelServiceClient::new(target.connect(DEADLINE).await.unwrap())
    }

    pub(crate) fn kill(mut self) {
        // SIGKILL on Unix.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn what_a_client_was_told_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let blob = blob(folder.path(), b"weights").await;
    let mut expected: Vec<String> = Vec::new();
    for round in 0..4 {
        let process = Process::start(folder.path());
        let mut models = process.models().await;
        let listed = models
            .list_models(ListModelsRequest::default())
            .await
            .unwrap()
            .into_inner()
            .models;
        let ids: Vec<String> = listed.into_iter().map(|model| model.id).collect();
        assert_eq!(ids, expected, "round {round}");
        for number in 0..3 {
            let id = format!("local:m-{round}-{number}");
            let request = CreateModelRequest {
                model: Some(model(&id, &blob)),
                request_id: String::new(),
            };
            models.create_model(request).await.unwrap();
            expected.push(id);
        }
        let gone = expected.remove(0);
        models
            .delete_model(DeleteModelRequest { id: gone })
            .await
            .unwrap();
        process.kill();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn it_leaves_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path());
    let pid = process.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = tokio::task::spawn_blocking(move || process.child.wait().unwrap())
        .await
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn without_a_store_it_says_what_to_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_rbee-catalog"))
        .env_remove("RBEE_STORE")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--store"), "{said}");
}
