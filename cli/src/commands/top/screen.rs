//! The live view: a screen of its own, which is given back however this ends.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;
use tokio::time::MissedTickBehavior;
use tokio_stream::StreamExt as _;

use super::feeds::Feeds;
use crate::failure::{Doing, Failure};
use crate::output::Output;
use crate::render::human;
use crate::render::top::{Model, Sort, View, draw};

/// Time between two frames when something new was told: many hives must not make it flicker.
const FRAME: Duration = Duration::from_millis(200);
/// Rows of one press of a page key.
const PAGE: usize = 10;

/// Whether there is a terminal to draw on and to read keys from.
pub(super) fn is_possible(output: Output) -> bool {
    use std::io::IsTerminal as _;
    let dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    output.is_terminal && io::stdin().is_terminal() && !dumb
}

/// The screen. Dropping it gives the terminal back as it was; after a panic that is done before the message is
/// written, by a hook that ratatui sets.
struct Screen(DefaultTerminal);

impl Screen {
    fn enter() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone can't be given back.
        let _ = ratatui::try_restore();
    }
}

/// What a key does.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Leave,
    Pause,
    SortBy { right: bool },
    Reverse,
    Scroll(isize),
}

/// How it is watched now.
struct Watching {
    /// What is known.
    model: Model,
    /// What is shown instead while it is paused.
    paused: Option<Model>,
    sort: Sort,
    scrolled: usize,
}

impl Watching {
    fn wish(&mut self, wish: &Wish) {
        match wish {
            Wish::Leave => {}
            Wish::Pause => {
                self.paused = match self.paused.take() {
                    Some(_) => None,
                    None => Some(self.model.clone()),
                };
            }
            Wish::SortBy { right } => self.sort = self.sort.moved(*right),
            Wish::Reverse => self.sort = self.sort.reversed(),
            Wish::Scroll(rows) => self.scrolled = self.scrolled.saturating_add_signed(*rows),
        }
    }
}

/// Draws what is told until the user leaves.
pub(super) async fn show(mut feeds: Feeds, sort: Sort, server: &str) -> Result<(), Failure> {
    let mut screen = Screen::enter().doing(|| "can't draw on the terminal".into())?;
    let mut keys = EventStream::new();
    let mut leave = Leave::new().doing(|| "can't listen to signals".into())?;
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut watching = Watching {
        model: Model::default(),
        paused: None,
        sort,
        scrolled: 0,
    };
    loop {
        // Each branch only waits for something that stays there: none loses anything when another one wins.
        tokio::select! {
            biased;
            () = leave.asked() => return Ok(()),
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) => match wish(key) {
                    Some(Wish::Leave) => return Ok(()),
                    Some(wish) => watching.wish(&wish),
                    None => continue,
                },
                // Another size, say: the next frame fits it.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).doing(|| "can't read keys".into()),
                None => return Ok(()),
            },
            _ = frames.tick() => {}
            update = feeds.next(&watching.model) => {
                watching.model.apply(update);
                continue;
            }
        }
        frame(&mut screen, &mut watching, server).doing(|| "can't draw on the terminal".into())?;
    }
}

fn frame(screen: &mut Screen, watching: &mut Watching, server: &str) -> io::Result<()> {
    let view = View {
        model: watching.paused.as_ref().unwrap_or(&watching.model),
        server,
        now: human::now(),
        paused: watching.paused.is_some(),
        sort: watching.sort,
        scrolled: watching.scrolled,
    };
    let mut scrolled = 0;
    screen.0.draw(|frame| {
        let area = frame.area();
        scrolled = draw(&view, area, frame.buffer_mut());
    })?;
    watching.scrolled = scrolled;
    Ok(())
}

fn wish(key: KeyEvent) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let page = PAGE as isize;
    Some(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Wish::Leave,
        KeyCode::Char('q') | KeyCode::Esc => Wish::Leave,
        KeyCode::Char('p' | ' ') => Wish::Pause,
        KeyCode::Right | KeyCode::Char('>' | 'l') => Wish::SortBy { right: true },
        KeyCode::Left | KeyCode::Char('<' | 'h') => Wish::SortBy { right: false },
        KeyCode::Char('r') => Wish::Reverse,
        KeyCode::Down | KeyCode::Char('j') => Wish::Scroll(1),
        KeyCode::Up | KeyCode::Char('k') => Wish::Scroll(-1),
        KeyCode::PageDown => Wish::Scroll(page),
        KeyCode::PageUp => Wish::Scroll(-page),
        KeyCode::Home => Wish::Scroll(isize::MIN),
        KeyCode::End => Wish::Scroll(isize::MAX),
        _ => return None,
    })
}

/// Signals that end a process: they must not leave the terminal as it is now.
#[cfg(unix)]
struct Leave {
    term: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Leave {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn asked(&mut self) {
        // Signals that come while nobody waits are kept.
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Leave;

#[cfg(not(unix))]
impl Leave {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn asked(&mut self) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::top::Column;

    #[test]
    fn keys_do_what_the_last_line_says() {
        let press = |code| wish(KeyEvent::new(code, KeyModifiers::NONE));
        assert_eq!(press(KeyCode::Char('q')), Some(Wish::Leave));
        assert_eq!(press(KeyCode::Char('p')), Some(Wish::Pause));
        assert_eq!(press(KeyCode::Char('r')), Some(Wish::Reverse));
        assert_eq!(press(KeyCode::Right), Some(Wish::SortBy { right: true }));
        assert_eq!(press(KeyCode::Up), Some(Wish::Scroll(-1)));
        assert_eq!(press(KeyCode::Char('x')), None);
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(wish(ctrl_c), Some(Wish::Leave));
        assert_eq!(press(KeyCode::Char('c')), None);
    }

    #[test]
    fn pausing_twice_goes_on() {
        let mut watching = Watching {
            model: Model::default(),
            paused: None,
            sort: Sort::by(Column::Device),
            scrolled: 0,
        };
        watching.wish(&Wish::Pause);
        assert!(watching.paused.is_some());
        watching.wish(&Wish::Pause);
        assert!(watching.paused.is_none());
        watching.wish(&Wish::Scroll(-3));
        assert_eq!(watching.scrolled, 0);
    }
}
