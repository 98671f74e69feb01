//! The window's own small set of parts: plain data in, events out, operable with the keyboard, named for those who listen.
//!
//! Each part is a folder with its code and its style; [`STYLES`] is what [`crate::theme::sheet`] puts together.

mod badge;
mod button;
mod copy_button;
mod device_meter;
mod dialog;
mod empty_state;
mod failure_notice;
mod field;
mod icon;
mod identity;
mod markdown;
mod menu;
mod meter;
mod page;
mod progress;
mod segments;
mod skeleton;
mod slider;
mod splitter;
mod table;
mod tabs;
mod toast;
mod typed;

pub use badge::{Badge, Dot, StateDot, Tone};
pub use button::{Button, ButtonVariant, ControlSize, IconButton};
pub use copy_button::{CopyButton, copy_text};
pub use device_meter::{DeviceMeter, WorkerShare};
pub use dialog::{Dialog, DialogSize};
pub use empty_state::EmptyState;
pub use failure_notice::{FailureCard, FailureNotice};
pub use field::{Checkbox, Choice, Field, NumberField, SearchField, Select, Switch, TextArea, TextField};
pub use icon::{Icon, IconName};
pub use identity::use_identity;
pub use markdown::{CodeBlock, Markdown};
pub use menu::{Menu, MenuItem, MenuList};
pub use meter::{Meter, MeterPart};
pub use page::PageFrame;
pub use progress::{Progress, Spinner};
pub use segments::Segments;
pub use skeleton::Skeleton;
pub use slider::Slider;
pub use splitter::{Orientation, SplitPane, Splitter};
pub use table::{Column, Order, Table};
pub use tabs::{TabItem, Tabs};
pub use toast::{Toast, Toasts};
pub use typed::{Typed, use_typed};

/// The styles of the parts and of what is drawn with them, in the order in which they hold.
pub const STYLES: &[&str] = &[
    include_str!("components/icon/style.css"),
    include_str!("components/button/style.css"),
    include_str!("components/field/style.css"),
    include_str!("components/tabs/style.css"),
    include_str!("components/dialog/style.css"),
    include_str!("components/menu/style.css"),
    include_str!("components/slider/style.css"),
    include_str!("components/toast/style.css"),
    include_str!("components/progress/style.css"),
    include_str!("components/meter/style.css"),
    include_str!("components/table/style.css"),
    include_str!("components/splitter/style.css"),
    include_str!("components/badge/style.css"),
    include_str!("components/empty_state/style.css"),
    include_str!("components/failure_notice/style.css"),
    include_str!("components/skeleton/style.css"),
    include_str!("components/page/style.css"),
    include_str!("components/segments/style.css"),
    include_str!("components/markdown/style.css"),
    include_str!("components/device_meter/style.css"),
];
