//! Rows under headings that sort them.

use dioxus::prelude::*;

use super::icon::{Icon, IconName};

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Column {
    /// Which one, for sorting.
    pub id: &'static str,
    /// Its heading; with `hidden`, for those who listen alone.
    pub label: String,
    /// Its cells are numbers, aligned by their last digit.
    pub numeric: bool,
    /// Its heading sorts.
    pub sortable: bool,
    /// Its heading is not shown.
    pub hidden: bool,
    /// Its width as CSS says it; empty for what its cells need.
    pub width: &'static str,
}

/// In which direction a column is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Order {
    /// The least first.
    #[default]
    Ascending,
    /// The most first.
    Descending,
}

impl Order {
    /// The other one.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        }
    }
}

/// A table; its children are the rows (`tr` with `td`s).
#[component]
pub fn Table(
    /// What it lists, for those who listen.
    #[props(into)]
    caption: String,
    /// Its columns.
    columns: Vec<Column>,
    /// The column that it is sorted by, and how.
    #[props(default)]
    sorted: Option<(String, Order)>,
    /// The heading of this column was pressed.
    #[props(default)]
    onsort: EventHandler<String>,
    /// The rows.
    children: Element,
) -> Element {
    rsx! {
        table { class: "table",
            caption { class: "sr-only", "{caption}" }
            thead {
                tr {
                    for column in columns {
                        Heading { key: "{column.id}", sorted: sorted.clone(), onsort, column }
                    }
                }
            }
            tbody { {children} }
        }
    }
}

/// One heading.
#[component]
fn Heading(column: Column, sorted: Option<(String, Order)>, onsort: EventHandler<String>) -> Element {
    let order = sorted.filter(|(by, _)| by == column.id).map(|(_, order)| order);
    let width = (!column.width.is_empty()).then(|| format!("width: {}", column.width));
    rsx! {
        th {
            class: "table__heading",
            scope: "col",
            style: width,
            "data-numeric": column.numeric.then_some("true"),
            "aria-sort": order.map(Order::name),
            if column.hidden {
                span { class: "sr-only", "{column.label}" }
            } else if column.sortable {
                button {
                    class: "table__sort",
                    r#type: "button",
                    onclick: move |_| onsort.call(column.id.to_owned()),
                    "{column.label}"
                    span { class: "table__arrow", "data-state": if order.is_some() { "on" } else { "off" },
                        Icon {
                            name: if order == Some(Order::Descending) { IconName::ArrowDown } else { IconName::ArrowUp },
                            size: 12,
                        }
                    }
                }
            } else {
                "{column.label}"
            }
        }
    }
}
