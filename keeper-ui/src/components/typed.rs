//! Fields that a person writes in while the window is at work.
//!
//! What is typed belongs to the webview: it tells each change, and hears of none that it told itself. Were the text written
//! back after each key, as attributes are, an older text would come back while the next key is pressed, and letters
//! would be lost as soon as the machine has something else to do.

use dioxus::prelude::*;

/// Writes a text into a field, unless it is there.
const WRITE: &str = r#"
const [id, text] = await dioxus.recv();
const field = document.getElementById(id);
if (field && field.value !== text) { field.value = text; }
"#;

/// A field's text on both sides. Copied freely; copies are the same field.
#[derive(Clone, Copy, PartialEq)]
pub struct Typed {
    id: CopyValue<String>,
    first: CopyValue<String>,
    heard: CopyValue<String>,
}

impl Typed {
    /// What the field begins with: its `initial_value`.
    #[must_use]
    pub fn first(self) -> String {
        self.first.peek().clone()
    }

    /// Puts a text into the field at once. Otherwise a changed value is written when the window has drawn what else changed,
    /// which takes its time while an answer streams on a busy machine.
    pub fn write(self, text: &str) {
        self.heard(text);
        drop(document::eval(WRITE).send((self.id.peek().clone(), text.to_owned())));
    }

    /// The field told this text; it has it and need not be told.
    pub fn heard(mut self, text: &str) {
        text.clone_into(&mut self.heard.write());
    }
}

/// Keeps the field with this id at `value`, which changes by what is typed and otherwise.
pub fn use_typed(id: &str, value: &str) -> Typed {
    let typed = use_hook(|| Typed {
        id: CopyValue::new(id.to_owned()),
        first: CopyValue::new(value.to_owned()),
        heard: CopyValue::new(value.to_owned()),
    });
    let (id, value) = (id.to_owned(), value.to_owned());
    use_effect(use_reactive!(|(id, value)| {
        if *typed.heard.peek() != value {
            typed.heard(&value);
            drop(document::eval(WRITE).send((id, value)));
        }
    }));
    typed
}
