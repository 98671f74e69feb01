//! The real window as a process, read and used through its hook.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::command;
use super::screen::Screen;

/// How long anything may take on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How often is looked.
const POLL: Duration = Duration::from_millis(20);

/// A window. Dropping it ends it without asking.
#[derive(Debug)]
pub struct Keeper<'a> {
    process: Child,
    hook: BufReader<UnixStream>,
    folder: PathBuf,
    screen: &'a Screen,
}

/// How a window is started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The program.
    pub program: &'a Path,
    /// Where it keeps what is its own.
    pub folder: &'a Path,
    /// The server, if it is told one.
    pub server: Option<&'a str>,
    /// Width and height.
    pub size: (u32, u32),
}

impl<'a> Keeper<'a> {
    /// Starts a window and waits until it can be read.
    pub fn start(screen: &'a Screen, start: Start<'_>) -> Self {
        std::fs::create_dir_all(start.folder.join("home")).expect("writable");
        let socket = start.folder.join("hook");
        let _ = std::fs::remove_file(&socket);
        let mut window = command(start.program);
        for variable in [
            "WAYLAND_DISPLAY",
            "XDG_CONFIG_HOME",
            "XDG_CACHE_HOME",
            "XDG_DATA_HOME",
        ] {
            window.env_remove(variable);
        }
        window
            .env("DISPLAY", screen.display())
            .env("GDK_BACKEND", "x11")
            .env("HOME", start.folder.join("home"))
            .env("RBEE_KEEPER_HOOK", &socket)
            .arg("--folder")
            .arg(start.folder)
            .arg(format!("--size={}x{}", start.size.0, start.size.1))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(start.folder.join("log")).expect("writable"));
        if let Some(server) = start.server {
            window.args(["--server", server]);
        }
        let mut process = window
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", start.program.display()));
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            if let Ok(stream) = UnixStream::connect(&socket) {
                break stream;
            }
            if let Some(status) = process.try_wait().expect("it is our child") {
                let log = std::fs::read_to_string(start.folder.join("log")).unwrap_or_default();
                panic!("the window ended with {status}: {log}");
            }
            assert!(Instant::now() < deadline, "the window does not listen");
            std::thread::sleep(POLL);
        };
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time that is not 0");
        Self {
            process,
            hook: BufReader::new(stream),
            folder: start.folder.to_path_buf(),
            screen,
        }
    }

    /// Its process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Asks the hook; what it says does not work comes as an error.
    pub fn ask(&mut self, request: &Value) -> Result<Value, String> {
        let mut exchange = || {
            self.hook.get_mut().write_all(format!("{request}\n").as_bytes())?;
            let mut line = String::new();
            self.hook.read_line(&mut line)?;
            Ok::<_, std::io::Error>(line)
        };
        let line = exchange().map_err(|error| format!("the window does not answer: {error}"))?;
        let answer: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line:?}"))?;
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["ok"].clone()),
        }
    }

    #[track_caller]
    fn must(&mut self, request: &Value) -> Value {
        match self.ask(request) {
            Ok(answer) => answer,
            Err(error) => self.fail(&format!("{request}: {error}")),
        }
    }

    /// What is seen of the first element that a selector finds; empty where there is none.
    pub fn text(&mut self, at: &str) -> String {
        let told = self.ask(&json!({"do": "text", "at": at}));
        told.ok()
            .and_then(|text| text.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// How many elements a selector finds.
    #[track_caller]
    pub fn count(&mut self, at: &str) -> u64 {
        self.must(&json!({"do": "count", "at": at}))
            .as_u64()
            .expect("a number")
    }

    /// An attribute, if it is there.
    pub fn attribute(&mut self, at: &str, name: &str) -> Option<String> {
        let told = self.ask(&json!({"do": "attribute", "at": at, "name": name}));
        told.ok().and_then(|value| value.as_str().map(str::to_owned))
    }

    /// Left, top, width and height.
    #[track_caller]
    pub fn area(&mut self, at: &str) -> [f64; 4] {
        let told = self.must(&json!({"do": "rect", "at": at}));
        serde_json::from_value(told).expect("four numbers")
    }

    /// Presses what a selector finds.
    #[track_caller]
    pub fn click(&mut self, at: &str) {
        self.must(&json!({"do": "click", "at": at}));
    }

    /// Presses the button with these words within what a selector finds.
    #[track_caller]
    pub fn press(&mut self, within: &str, words: &str) {
        let script = format!(
            "document.querySelector('[data-wanted]')?.removeAttribute('data-wanted'); \
             const wanted = [...document.querySelectorAll({} + ' button')].find((one) => one.innerText.trim() === {}); \
             if (!wanted) throw new Error('no such button'); wanted.dataset.wanted = '';",
            json!(within),
            json!(words)
        );
        self.must(&json!({"do": "eval", "script": script}));
        self.click("[data-wanted]");
    }

    /// Puts a text into a field.
    #[track_caller]
    pub fn write(&mut self, at: &str, text: &str) {
        self.must(&json!({"do": "type", "at": at, "text": text}));
    }

    /// The selector of the field with this label.
    #[track_caller]
    pub fn labelled(&mut self, label: &str) -> String {
        let script = format!(
            "return [...document.querySelectorAll('label')].find((one) => one.textContent.trim() === {})?.htmlFor",
            json!(label)
        );
        let id = self.must(&json!({"do": "eval", "script": script}));
        match id.as_str() {
            Some(id) => format!("#{id}"),
            None => self.fail(&format!("no field has the label {label}")),
        }
    }

    /// Presses keys together: `["Control", "Shift", "T"]`.
    #[track_caller]
    pub fn keys(&mut self, keys: &[&str]) {
        let held = |one: &str| keys.contains(&one);
        let key = keys.last().expect("one key at least");
        self.must(&json!({"do": "key", "key": key, "ctrl": held("Control"), "shift": held("Shift")}));
    }

    /// Drags what a selector finds to a point.
    #[track_caller]
    pub fn drag(&mut self, at: &str, to: (f64, f64)) {
        self.must(&json!({"do": "drag", "at": at, "to": [to.0, to.1]}));
    }

    /// What a script answers.
    #[track_caller]
    pub fn eval(&mut self, script: &str) -> Value {
        self.must(&json!({"do": "eval", "script": script}))
    }

    /// Looks until there is an answer.
    #[track_caller]
    pub fn wait_for<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if Instant::now() > deadline {
                self.fail(&format!("not within {PATIENCE:?}: {what}"));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Looks until it is so.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> bool) {
        self.wait_for(what, |keeper| look(keeper).then_some(()));
    }

    /// Writes what is seen on the screen into a PNG.
    pub fn picture(&self, file: &Path) {
        self.screen.picture(file);
    }

    /// Closes it as its corner's button does, and waits until it has left.
    #[track_caller]
    pub fn close(mut self) -> ExitStatus {
        self.screen.close_windows();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("it is our child") {
                return status;
            }
            if Instant::now() > deadline {
                self.fail("the window does not close");
            }
            std::thread::sleep(POLL);
        }
    }

    /// Panics with all that helps.
    #[track_caller]
    pub fn fail(&mut self, what: &str) -> ! {
        let kept = std::env::temp_dir().join(format!("rbee-keeper-{}.png", std::process::id()));
        self.screen.picture(&kept);
        let text = self.text("body");
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!(
            "{what}\n--- the window ({}) ---\n{text}\n--- its log ---\n{log}",
            kept.display()
        )
    }
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
