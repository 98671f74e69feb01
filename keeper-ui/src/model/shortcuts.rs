//! What keys do, and what the palette lists: one table for both, and for the page that shows them.

use serde::Serialize;

use super::layout::Arrangement;
use super::workspace::Page;

/// Something that a key or the palette does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Opens the palette.
    Palette,
    /// Starts a worker.
    Spawn,
    /// Closes the tab in focus.
    CloseTab,
    /// Opens the tab that was closed last.
    ReopenTab,
    /// Shows the next tab.
    NextTab,
    /// Shows the tab before.
    PreviousTab,
    /// Shows the tab at a place, from 1; 9 is the ninth.
    ShowTab(u8),
    /// Moves the tab in focus to the left.
    MoveTabLeft,
    /// Moves the tab in focus to the right.
    MoveTabRight,
    /// Pins the tab in focus, or unpins it.
    PinTab,
    /// Shows the pane in focus alone, or with others beside it.
    Split,
    /// Puts the focus to the next pane.
    NextPane,
    /// Arranges the panes.
    Arrange(Arrangement),
    /// Shows a page.
    Open(Page),
    /// Between light, dark and the system's choice.
    NextTheme,
    /// Connects anew.
    Reconnect,
    /// Lists the keys.
    Shortcuts,
}

impl Command {
    /// What it does, in the palette's words.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Palette => "Command palette".to_owned(),
            Self::Spawn => "Start a worker".to_owned(),
            Self::CloseTab => "Close tab".to_owned(),
            Self::ReopenTab => "Reopen closed tab".to_owned(),
            Self::NextTab => "Next tab".to_owned(),
            Self::PreviousTab => "Previous tab".to_owned(),
            Self::ShowTab(place) => format!("Show tab {place}"),
            Self::MoveTabLeft => "Move tab left".to_owned(),
            Self::MoveTabRight => "Move tab right".to_owned(),
            Self::PinTab => "Pin or unpin tab".to_owned(),
            Self::Split => "Split or unsplit the window".to_owned(),
            Self::NextPane => "Go to the next pane".to_owned(),
            Self::Arrange(arrangement) => format!("Arrange: {}", arrangement.label().to_lowercase()),
            Self::Open(page) => format!("Go to {}", page.label()),
            Self::NextTheme => "Switch between light, dark and system theme".to_owned(),
            Self::Reconnect => "Reconnect to the cluster".to_owned(),
            Self::Shortcuts => "Keyboard shortcuts".to_owned(),
        }
    }

    /// The keys that do it, in words: `Ctrl+Shift+T`.
    #[must_use]
    pub fn keys(self) -> Option<String> {
        KEYS.iter().find(|keys| keys.command == self).map(Keys::words)
    }
}

/// A key with others held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// What it does.
    pub command: Command,
    /// The key as the webview names it (`KeyboardEvent.key`, in lower case).
    pub key: &'static str,
    /// Whether Ctrl (or Command) is held.
    pub ctrl: bool,
    /// Whether Shift is held.
    pub shift: bool,
}

impl Keys {
    const fn ctrl(key: &'static str, command: Command) -> Self {
        Self {
            command,
            key,
            ctrl: true,
            shift: false,
        }
    }

    const fn ctrl_shift(key: &'static str, command: Command) -> Self {
        Self {
            command,
            key,
            ctrl: true,
            shift: true,
        }
    }

    /// `Ctrl+Shift+T`.
    #[must_use]
    pub fn words(&self) -> String {
        let key = match self.key {
            "tab" => "Tab".to_owned(),
            "arrowleft" => "←".to_owned(),
            "arrowright" => "→".to_owned(),
            key => key.to_uppercase(),
        };
        let ctrl = if self.ctrl { "Ctrl+" } else { "" };
        let shift = if self.shift { "Shift+" } else { "" };
        format!("{ctrl}{shift}{key}")
    }
}

/// All keys of the window. Ctrl+1 to Ctrl+9 are with [`all_keys`].
pub const KEYS: &[Keys] = &[
    Keys::ctrl("k", Command::Palette),
    Keys::ctrl("t", Command::Spawn),
    Keys::ctrl("w", Command::CloseTab),
    Keys::ctrl_shift("t", Command::ReopenTab),
    Keys::ctrl("tab", Command::NextTab),
    Keys::ctrl_shift("tab", Command::PreviousTab),
    Keys::ctrl_shift("arrowleft", Command::MoveTabLeft),
    Keys::ctrl_shift("arrowright", Command::MoveTabRight),
    Keys::ctrl_shift("p", Command::PinTab),
    Keys::ctrl("\\", Command::Split),
    Keys {
        command: Command::NextPane,
        key: "f6",
        ctrl: false,
        shift: false,
    },
    Keys::ctrl(",", Command::Open(Page::Settings)),
    Keys::ctrl("/", Command::Shortcuts),
];

/// The digits' keys.
const DIGITS: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// All keys, those of the digits too.
pub fn all_keys() -> impl Iterator<Item = Keys> {
    let digits = (1_u8..)
        .zip(DIGITS)
        .map(|(place, key)| Keys::ctrl(key, Command::ShowTab(place)));
    KEYS.iter().copied().chain(digits)
}

/// A key as the webview is told to listen for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListenedKey {
    key: &'static str,
    ctrl: bool,
    shift: bool,
}

/// What the webview listens for, in the order of [`all_keys`].
#[must_use]
pub fn listened() -> Vec<ListenedKey> {
    all_keys()
        .map(|keys| ListenedKey {
            key: keys.key,
            ctrl: keys.ctrl,
            shift: keys.shift,
        })
        .collect()
}

/// What the palette lists besides the tabs.
#[must_use]
pub fn palette() -> Vec<Command> {
    let mut all = vec![
        Command::Spawn,
        Command::CloseTab,
        Command::ReopenTab,
        Command::PinTab,
        Command::MoveTabLeft,
        Command::MoveTabRight,
        Command::Split,
        Command::NextPane,
    ];
    all.extend(Page::ALL.map(Command::Open));
    all.extend(Arrangement::ALL.map(Command::Arrange));
    all.extend([Command::NextTheme, Command::Reconnect, Command::Shortcuts]);
    all
}

/// How well words match what was typed: each typed word must be in them, whatever the case; `None` if one is not. Less
/// is better: what begins with it comes first.
#[must_use]
pub fn rank(words: &str, typed: &str) -> Option<usize> {
    let words = words.to_lowercase();
    let mut rank = 0;
    for part in typed.to_lowercase().split_whitespace() {
        let at = words.find(part)?;
        let begins_word = at == 0 || !words[..at].ends_with(char::is_alphanumeric);
        rank += at + if begins_word { 0 } else { 100 };
    }
    Some(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_have_the_same_keys() {
        let mut all: Vec<_> = all_keys().map(|keys| keys.words()).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(Command::ReopenTab.keys().as_deref(), Some("Ctrl+Shift+T"));
    }

    #[test]
    fn what_begins_with_the_typed_words_comes_first() {
        assert!(rank("Go to Settings", "set").unwrap() < rank("Reset", "set").unwrap());
        assert_eq!(rank("Go to Settings", "go models"), None);
        assert_eq!(rank("Anything", ""), Some(0));
    }
}
