//! For tests alone: a Unix socket by which another process reads the window and acts on it as a person would.
//!
//! The feature `test-hook` brings it, and `RBEE_KEEPER_HOOK` names the socket. One line in, one line out, both JSON:
//!
//! ```text
//! {"do":"text"}                                     the text that is seen, as `innerText` has it
//! {"do":"text","at":".pane[data-kind=text]"}        the same of the first element that a selector finds
//! {"do":"html","at":"main"}                         its markup
//! {"do":"count","at":".pane:not([hidden])"}         how many there are
//! {"do":"attribute","at":"html","name":"lang"}      one of its attributes, or null
//! {"do":"rect","at":"main"}                         [left, top, width, height] in pixels
//! {"do":"click","at":"button[aria-label=Send]"}     pointer events and a click in its middle
//! {"do":"type","at":"textarea","text":"Hello"}      puts the text into a field, in place of what is there
//! {"do":"key","key":"k","ctrl":true,"shift":false}  a key down and up at what has the focus, or at `at`
//! {"do":"drag","at":"#a","to":[x, y]}               pointer down in its middle, moves, and up at a point
//! {"do":"eval","script":"return 1 + 1"}             whatever else; the script's answer
//! ```
//!
//! The answer is `{"ok":…}`, or `{"error":"…"}` where nothing is found or the script fails.

use std::path::PathBuf;

use dioxus::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

/// Names the socket.
pub const VARIABLE: &str = "RBEE_KEEPER_HOOK";

/// What each request does in the page.
const SCRIPT: &str = include_str!("hook/acts.js");

type Asked = (Value, oneshot::Sender<Value>);

/// Listens as long as the window lives. Requests are carried out one after the other.
pub fn use_hook_socket() {
    use_future(|| async {
        let Some(path) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
            return;
        };
        let (asked, mut asks) = mpsc::channel::<Asked>(16);
        tokio::spawn(listen(path, asked));
        while let Some((request, answer)) = asks.recv().await {
            let _ = answer.send(carry_out(request).await);
        }
    });
}

async fn carry_out(request: Value) -> Value {
    let script = document::eval(SCRIPT);
    if let Err(error) = script.send(request) {
        return json!({ "error": error.to_string() });
    }
    match script.join::<Value>().await {
        Ok(value) => value,
        Err(error) => json!({ "error": error.to_string() }),
    }
}

async fn listen(path: PathBuf, asked: mpsc::Sender<Asked>) {
    let listener = match UnixListener::bind(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot listen on {}", path.display());
            return;
        }
    };
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, asked.clone()));
    }
}

async fn converse(stream: UnixStream, asked: mpsc::Sender<Asked>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let reply = match serde_json::from_str(&line) {
            Err(error) => json!({ "error": error.to_string() }),
            Ok(request) => {
                let (answer, answered) = oneshot::channel();
                if asked.send((request, answer)).await.is_err() {
                    return;
                }
                answered
                    .await
                    .unwrap_or_else(|_| json!({ "error": "the window is closing" }))
            }
        };
        if write.write_all(format!("{reply}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}
