//! A button that copies, and says so.

use std::time::Duration;

use dioxus::prelude::*;

use super::button::{ControlSize, IconButton};
use super::icon::IconName;

/// How long it says that it copied.
const TOLD_FOR: Duration = Duration::from_millis(1500);

/// Where the page may not use the clipboard's own interface, the older way through a selection works.
const COPY: &str = r#"
const text = await dioxus.recv();
try {
  await navigator.clipboard.writeText(text);
} catch {
  const holder = document.createElement("textarea");
  holder.value = text;
  holder.style.position = "fixed";
  holder.style.opacity = "0";
  document.body.append(holder);
  holder.select();
  document.execCommand("copy");
  holder.remove();
}
"#;

/// Puts a text on the clipboard of this window's system.
pub fn copy_text(text: &str) {
    drop(document::eval(COPY).send(text));
}

/// Copies a text when it is pressed.
#[component]
pub fn CopyButton(
    /// What is copied, in words: `Copy the code`.
    #[props(into)]
    label: String,
    /// Gives the text when it is asked for.
    text: Callback<(), String>,
    /// Its height and width.
    #[props(default = ControlSize::Small)]
    size: ControlSize,
) -> Element {
    let mut copied = use_signal(|| false);
    let onclick = move |_| {
        copy_text(&text.call(()));
        copied.set(true);
        spawn(async move {
            tokio::time::sleep(TOLD_FOR).await;
            copied.set(false);
        });
    };
    rsx! {
        IconButton {
            icon: if copied() { IconName::Check } else { IconName::Copy },
            label: if copied() { "Copied".to_owned() } else { label },
            size,
            onclick,
        }
    }
}
