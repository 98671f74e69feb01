//! Starts the real program as a hive does, and reads what it says.

use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use image::{DynamicImage, ImageFormat, RgbImage};
use rbee_proto::worker::v1 as proto;
use rbee_proto::worker::v1::generate_image_response::Event;
use rbee_proto::worker::v1::image_service_client::ImageServiceClient;
use rbee_proto::worker::v1::worker_service_client::WorkerServiceClient;
use rbee_service_kit::RemoteFault;
use rbee_service_kit::client::{ClientChannel, unix_channel};
use secrecy::SecretString;
use tempfile::TempDir;
use tonic::Streaming;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sd-worker-rbee-cpu");
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// How long anything may take that is expected to happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A tiny model of the family SD 1.5 with random weights: its pictures are coloured noise.
pub(crate) fn tiny() -> PathBuf {
    fixture("sd15-tiny/model.safetensors")
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    rbee_testkit::models::fixture(&format!("sd/{name}"))
}

/// A running worker, killed when dropped.
pub(crate) struct Worker {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    statuses: mpsc::Receiver<serde_json::Value>,
    pub(crate) socket: PathBuf,
    /// Where it looks for add-ons.
    pub(crate) add_ons: PathBuf,
    _folder: TempDir,
}

impl Worker {
    /// Starts a worker of the tiny model and waits until it is ready.
    pub(crate) fn ready(more: &[&str]) -> Self {
        let worker = Self::start(&tiny(), more);
        worker.until("ready");
        worker
    }

    /// Starts a worker and gives it the token.
    pub(crate) fn start(model: &Path, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (socket, add_ons) = (folder.path().join("w.sock"), folder.path().join("add-ons"));
        std::fs::create_dir(&add_ons).unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .args(["--worker-id", "w1", "--model-id", "local:tiny"])
            .arg("--model")
            .arg(model)
            .arg("--add-ons")
            .arg(&add_ons);
        command.arg("--socket").arg(&socket).args(more);
        command.env_remove("RBEE_LOG").env_remove("RBEE_OTLP_ENDPOINT");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(format!("{TOKEN}\n").as_bytes()).unwrap();
        let statuses = statuses(child.stdout.take().unwrap());
        Self {
            child,
            stdin: Some(stdin),
            statuses,
            socket,
            add_ons,
            _folder: folder,
        }
    }

    /// Waits for a status line of this kind, and fails if the worker says another end before.
    pub(crate) fn until(&self, event: &str) -> serde_json::Value {
        loop {
            let status = self
                .statuses
                .recv_timeout(DEADLINE)
                .expect("the worker says how far it is");
            if status["event"] == event {
                return status;
            }
            assert_eq!(status["event"], "loading", "{status}");
        }
    }

    /// Ends its stdin, as a hive that dies does.
    pub(crate) fn abandon(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn terminate(&self) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    /// Waits until it has left: its exit code, and how long that took from now.
    pub(crate) async fn left(&mut self) -> (Option<i32>, Duration) {
        let since = Instant::now();
        while since.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), since.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the worker did not leave");
    }

    /// Bytes of memory that it has now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let statm = std::fs::read_to_string(path).unwrap();
        let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
        pages * 4096
    }

    pub(crate) fn channel(&self) -> ClientChannel {
        unix_channel(&self.socket, Some(&SecretString::from(TOKEN))).unwrap()
    }

    pub(crate) fn images(&self) -> ImageServiceClient<ClientChannel> {
        ImageServiceClient::new(self.channel()).max_decoding_message_size(64 << 20)
    }

    pub(crate) async fn info(&self) -> proto::GetInfoResponse {
        let mut client = WorkerServiceClient::new(self.channel());
        client
            .get_info(proto::GetInfoRequest {})
            .await
            .unwrap()
            .into_inner()
    }

    pub(crate) async fn load(&self) -> proto::WorkerLoad {
        self.info().await.load.unwrap()
    }

    /// Asks for its load until it is as wanted.
    pub(crate) async fn until_load(
        &self,
        what: &str,
        wanted: impl Fn(&proto::WorkerLoad) -> bool,
    ) -> proto::WorkerLoad {
        let since = Instant::now();
        loop {
            let load = self.load().await;
            if wanted(&load) {
                return load;
            }
            assert!(since.elapsed() < DEADLINE, "{what}: {load:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Begins a generation.
    pub(crate) async fn begin(
        &self,
        request: proto::GenerateImageRequest,
    ) -> Result<Streaming<proto::GenerateImageResponse>, RemoteFault> {
        match self.images().generate_image(request).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(RemoteFault::from(&status)),
        }
    }

    /// A generation to its end.
    pub(crate) async fn generate(&self, request: proto::GenerateImageRequest) -> Result<Made, RemoteFault> {
        let mut stream = self.begin(request).await?;
        let mut made = Made::default();
        loop {
            match next(&mut stream).await? {
                Event::Queued(_) => assert!(made.started.is_none(), "it waits before it begins"),
                Event::Started(started) => made.started = Some(started),
                Event::Step(step) => {
                    assert!(made.started.is_some());
                    made.steps.push(step);
                }
                Event::Preview(preview) => made.previews.push(preview),
                Event::Image(image) => made.images.push(image),
                Event::Finished(finished) => {
                    assert!(stream.message().await.unwrap().is_none());
                    made.timings = finished.timings;
                    return Ok(made);
                }
            }
        }
    }

    /// Why a request is refused, whenever that is told.
    pub(crate) async fn refused(&self, request: proto::GenerateImageRequest) -> RemoteFault {
        self.generate(request).await.expect_err("it must be refused")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next event of a stream that is not at its end.
pub(crate) async fn next(stream: &mut Streaming<proto::GenerateImageResponse>) -> Result<Event, RemoteFault> {
    let message = tokio::time::timeout(DEADLINE, stream.message())
        .await
        .expect("it goes on");
    match message {
        Ok(message) => Ok(message.expect("a stream ends with Finished").event.unwrap()),
        Err(status) => Err(RemoteFault::from(&status)),
    }
}

/// Reads until the first step is done.
pub(crate) async fn until_a_step(stream: &mut Streaming<proto::GenerateImageResponse>) -> proto::ImageStep {
    loop {
        if let Event::Step(step) = next(stream).await.unwrap() {
            return step;
        }
    }
}

/// What came of a request.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) started: Option<proto::ImageStarted>,
    pub(crate) steps: Vec<proto::ImageStep>,
    pub(crate) previews: Vec<proto::ImagePreview>,
    pub(crate) images: Vec<proto::GeneratedImage>,
    pub(crate) timings: Option<proto::ImageTimings>,
}

impl Made {
    /// The one picture's pixels.
    pub(crate) fn picture(&self) -> RgbImage {
        assert_eq!(self.images.len(), 1);
        pixels(&self.images[0].data)
    }
}

pub(crate) fn pixels(file: &[u8]) -> RgbImage {
    image::load_from_memory(file).unwrap().into_rgb8()
}

/// A small picture in few steps.
pub(crate) fn quick() -> proto::GenerateImageRequest {
    proto::GenerateImageRequest {
        prompt: "a bee on a flower".into(),
        width: Some(128),
        height: Some(128),
        steps: Some(3),
        seed: Some(7),
        ..proto::GenerateImageRequest::default()
    }
}

/// A picture that takes long.
pub(crate) fn long() -> proto::GenerateImageRequest {
    proto::GenerateImageRequest {
        width: Some(256),
        height: Some(256),
        steps: Some(200),
        ..quick()
    }
}

/// A picture's file with a gradient.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 90]));
    let mut file = Cursor::new(Vec::new());
    DynamicImage::from(picture)
        .write_to(&mut file, ImageFormat::Png)
        .unwrap();
    file.into_inner()
}

fn statuses(stdout: std::process::ChildStdout) -> mpsc::Receiver<serde_json::Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(json) = line.strip_prefix("rbee-worker: ") {
                let _ = sender.send(serde_json::from_str(json).unwrap());
            }
        }
    });
    receiver
}
