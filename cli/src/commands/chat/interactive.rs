//! A conversation at a terminal.

use std::path::{Path, PathBuf};

use rbee_proto::types::v1::Worker;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use super::conversation::Conversation;
use super::input::{HELP, Input, Lines, parse};
use super::setting::Setting;
use crate::args::ChatArgs;
use crate::commands::{Session, constraint, target};
use crate::connect::Cluster;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::note;
use crate::render::paint::Paint;
use crate::render::{error, plain_text};

const PROMPT: &str = "› ";
const PROMPT_GOES_ON: &str = "… ";
const HISTORY_LINES: usize = 1000;

type LineEditor = Editor<(), FileHistory>;

/// Talks until Ctrl-D or `/quit`.
pub(super) async fn run(
    arguments: &ChatArgs,
    setting: &Setting,
    cluster: &Cluster,
    mut worker: Worker,
    mut conversation: Conversation,
    session: &Session,
) -> Result<(), Failure> {
    let paint = session.output.remark_paint;
    let constraint = constraint::read(&arguments.sampling, session.output)?;
    let mut keyboard = Keyboard::open()?;
    let mut shows_stats = true;
    note(&paint.faint(&format!(
        "{} on {}. /help shows the commands, Ctrl-C stops an answer, Ctrl-D leaves.",
        plain_text::one_line(&worker.model_id),
        plain_text::one_line(&worker.device_id),
    )));

    while let Some(text) = keyboard.read().await? {
        let question = match parse(&text) {
            Input::Text(question) => question,
            Input::Nothing => continue,
            Input::Quit => break,
            Input::Help => {
                note(HELP);
                continue;
            }
            Input::Clear => {
                note(&paint.faint(&format!("forgot {} questions", conversation.len())));
                conversation.clear();
                continue;
            }
            Input::System(text) => {
                conversation.instruct(&text);
                note(&paint.faint(if text.is_empty() {
                    "no instructions"
                } else {
                    "instructions replaced"
                }));
                continue;
            }
            Input::Stats => {
                shows_stats = !shows_stats;
                note(&paint.faint(if shows_stats {
                    "statistics are shown"
                } else {
                    "statistics are hidden"
                }));
                continue;
            }
            Input::Unknown(name) => {
                note(&format!("there is no /{name}; /help shows the commands"));
                continue;
            }
        };

        if conversation.waiting_call().is_some() {
            conversation.result(question);
            if ask_for_result(&conversation, paint) {
                continue;
            }
        } else {
            conversation.ask(question);
        }
        let request = super::request(&conversation, setting, &arguments.sampling, constraint.clone());
        match super::answer(cluster, &worker, request, session).await {
            Ok(answer) => {
                conversation.answered(&answer);
                if shows_stats {
                    note(&paint.faint(&answer.line()));
                }
                ask_for_result(&conversation, paint);
            }
            Err(failure) if failure.reader_left => return Err(failure),
            Err(failure) => {
                conversation.take_back();
                note(error::text(&failure, paint).trim_end());
                // The worker may have gone; another one of the model may be there.
                if let Ok(other) = target::find(cluster, &arguments.target).await
                    && other.id != worker.id
                {
                    note(&paint.faint(&format!(
                        "now talking to worker {}",
                        plain_text::one_line(&other.id)
                    )));
                    worker = other;
                }
            }
        }
    }
    Ok(())
}

/// Says whose result the next line is, if a call waits for one.
fn ask_for_result(conversation: &Conversation, paint: Paint) -> bool {
    let Some(call) = conversation.waiting_call() else {
        return false;
    };
    note(&paint.faint(&format!(
        "write what {} gives back",
        plain_text::one_line(&call.name)
    )));
    true
}

/// The line editor, with its history on disk.
struct Keyboard {
    /// Absent while a thread waits for the user in it.
    editor: Option<LineEditor>,
    history: Option<PathBuf>,
}

impl Keyboard {
    fn open() -> Result<Self, Failure> {
        let config = Config::builder()
            .max_history_size(HISTORY_LINES)
            .map_err(|error| cannot_edit(&error))?
            .auto_add_history(false)
            .build();
        let mut editor = LineEditor::with_config(config).map_err(|error| cannot_edit(&error))?;
        let history = history_file();
        if let Some(path) = &history {
            // The first conversation has no history yet.
            let _ = editor.load_history(path);
        }
        Ok(Self {
            editor: Some(editor),
            history,
        })
    }

    /// What the user writes next; absent when they leave.
    async fn read(&mut self) -> Result<Option<String>, Failure> {
        let mut editor = self
            .editor
            .take()
            .expect("the editor is put back after each reading");
        // Reading blocks until the user has written.
        let (editor, result) = tokio::task::spawn_blocking(move || {
            let result = read_lines(&mut editor);
            (editor, result)
        })
        .await
        .map_err(|error| Failure::of_error(Exit::Failed, "the line editor failed", &error))?;
        let editor = self.editor.insert(editor);

        let text = result.map_err(|error| cannot_edit(&error))?;
        if let Some(text) = text.as_deref().filter(|text| !text.trim().is_empty()) {
            let added = editor.add_history_entry(text);
            if let (Ok(true), Some(path)) = (added, &self.history)
                && let Err(error) = save(editor, path)
            {
                tracing::warn!(%error, path = %path.display(), "cannot save the history");
            }
        }
        Ok(text)
    }
}

fn read_lines(editor: &mut LineEditor) -> rustyline::Result<Option<String>> {
    let mut lines = Lines::default();
    loop {
        let prompt = if lines.goes_on() { PROMPT_GOES_ON } else { PROMPT };
        match editor.readline(prompt) {
            Ok(line) => {
                if let Some(text) = lines.push(&line) {
                    return Ok(Some(text));
                }
            }
            Err(ReadlineError::Eof) => return Ok(None),
            // Ctrl-C at the prompt throws the line away.
            Err(ReadlineError::Interrupted) => {
                lines.clear();
                note("(Ctrl-D leaves)");
            }
            Err(error) => return Err(error),
        }
    }
}

fn save(editor: &mut LineEditor, path: &Path) -> rustyline::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    editor.save_history(path)
}

fn cannot_edit(error: &ReadlineError) -> Failure {
    Failure::of_error(Exit::Failed, "can't read from the terminal", error)
}

/// Where the history is kept: a matter of this user's, as the XDG directories say.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("rbee/chat-history"))
}
