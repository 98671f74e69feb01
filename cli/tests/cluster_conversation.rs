//! A conversation at a terminal, on a real model.

mod common;

use common::terminal::Terminal;
use common::{Cluster, assert_worker_is_built};
use rbee_testkit::models;

const PROMPT: &str = "› ";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

#[test]
fn real_model_conversation_at_a_terminal() {
    assert_worker_is_built();
    let cluster = Cluster::start();
    let model = cluster.import(&models::path(models::QWEN), "qwen");
    cluster.spawn(&model);
    let mut chat = cluster.command(&["chat", "local:qwen", "--temperature", "0", "--max-tokens", "600"]);
    chat.env("XDG_STATE_HOME", cluster.folder().join("state"));
    let mut terminal = Terminal::run(&chat);

    terminal.wait_for("local:qwen on cpu:0");
    terminal.wait_for(PROMPT);
    terminal.press("My name is Mildred. Say only hello.\r");
    terminal.wait_for("tok/s");

    // It remembers, and a line may go on in the next.
    terminal.wait_for(PROMPT);
    terminal.press("What is\\\r");
    terminal.wait_for("… ");
    terminal.press("my name?\r");
    let answer = terminal.wait_for("tok/s");
    assert!(answer.contains("Mildred"), "{answer}");

    // Ctrl-C stops the answer and not the program.
    terminal.wait_for(PROMPT);
    terminal.press("Write the numbers from 1 to 300, separated by commas.\r");
    terminal.wait_for("commas.");
    terminal.wait_for("7");
    terminal.press(CTRL_C);
    terminal.wait_for("interrupted]");

    terminal.wait_for(PROMPT);
    terminal.press("/clear\r");
    terminal.wait_for("forgot 3 questions");
    terminal.wait_for(PROMPT);
    terminal.press("/nonsense\r");
    terminal.wait_for("there is no /nonsense");
    terminal.wait_for(PROMPT);
    terminal.press(CTRL_D);
    assert!(terminal.wait().success());

    // What was said is there to be said again.
    let history = std::fs::read_to_string(cluster.folder().join("state/rbee/chat-history")).unwrap();
    assert!(history.contains("my name?"), "{history}");
    cluster.stop();
}
