//! The window's own parts, each in all that it can be.

use dioxus::prelude::*;
use rbee_keeper::components::*;

use crate::State;

pub(super) const STATES: &[State] = &[
    State::new("buttons", buttons),
    State::new("fields", fields),
    State::new("choices", choices),
    State::new("tabs", tabs),
    State::new("dialog", dialog),
    State::new("menu", menu),
    State::new("progress-and-meters", progress_and_meters),
    State::new("table", table),
    State::new("split", split),
    State::new("badges", badges),
    State::new("notices", notices),
    State::new("toasts", toasts),
    State::new("icons", icons),
    State::new("long-words", long_words),
];

const LONG: &str = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";

fn row(children: Element) -> Element {
    rsx! { div { style: "display: flex; flex-wrap: wrap; align-items: center; gap: 12px; padding: 16px", {children} } }
}

fn column(children: Element) -> Element {
    rsx! { div { style: "display: flex; flex-direction: column; gap: 16px; width: 360px; padding: 16px", {children} } }
}

fn buttons() -> Element {
    let kinds = [
        ButtonVariant::Primary,
        ButtonVariant::Quiet,
        ButtonVariant::Plain,
        ButtonVariant::Danger,
    ];
    rsx! {
        for kind in ["text", "image"] {
            section { "data-kind": kind, style: "background: var(--surface-1)",
                for size in [ControlSize::Small, ControlSize::Medium, ControlSize::Large] {
                    {row(rsx! {
                        for variant in kinds {
                            Button { variant, size, icon: IconName::Plus, "Spawn a worker" }
                        }
                        Button { variant: ButtonVariant::Primary, size, disabled: true, "Not now" }
                        Button { size, busy: true, "At work" }
                        Button { size, pressed: true, "Stays down" }
                        IconButton { size, icon: IconName::Copy, label: "Copy" }
                        IconButton { size, icon: IconName::Pin, label: "Pin", pressed: true }
                    })}
                }
            }
        }
    }
}

fn fields() -> Element {
    column(rsx! {
        TextField { label: "Address", value: "http://127.0.0.1:9600", hint: "Where rbee listens", oninput: |_| {} }
        TextField { label: "Name", value: "", placeholder: "qwen", error: "This name is taken.", oninput: |_| {} }
        TextField { label: "Token", value: "secret", kind: "password", disabled: true, oninput: |_| {} }
        TextField { label: "الاسم", value: "مرحبا بالعالم", oninput: |_| {} }
        SearchField { label: "Search models", value: "", placeholder: "Search models", oninput: |_| {} }
        SearchField { label: "Search workers", value: "量化模型", oninput: |_| {} }
        TextArea { label: "System prompt", value: "You are brief.\nYou are kind.", rows: 4, oninput: |_| {} }
        NumberField { label: "Steps", value: 20.0, min: 1.0, max: 150.0, unit: "steps", onchange: |_| {} }
        NumberField { label: "Seed", placeholder: "a new one each time", onchange: |_| {} }
    })
}

fn choices() -> Element {
    let choices = vec![
        Choice::new("euler", "Euler"),
        Choice {
            unavailable: Some("needs a GPU".to_owned()),
            ..Choice::new("dpm", "DPM++ 2M")
        },
    ];
    column(rsx! {
        Select { label: "Sampler", value: "euler", choices: choices.clone(), hint: "How noise becomes a picture", onchange: |_| {} }
        Select { label: "Sort by", value: "euler", choices, hide_label: true, disabled: true, onchange: |_| {} }
        Checkbox { label: "Also models that are not safe for work", checked: false, onchange: |_| {} }
        Checkbox { label: "Only GGUF", checked: true, hint: "Files that the text workers load fastest", onchange: |_| {} }
        Switch { label: "Live preview", checked: true, hint: "Costs a few milliseconds a step", onchange: |_| {} }
        Switch { label: "Notifications", checked: false, onchange: |_| {} }
        Slider { label: "Temperature", value: 0.7, min: 0.0, max: 2.0, step: 0.05, hint: "Higher is more surprising", oninput: |_| {} }
        Slider { label: "Context", value: 4096.0, min: 512.0, max: 32768.0, step: 512.0, text: "4,096 tokens", oninput: |_| {} }
        Slider { label: "Fixed", value: 3.0, min: 3.0, max: 3.0, step: 1.0, disabled: true, oninput: |_| {} }
    })
}

fn tabs() -> Element {
    let items = vec![
        TabItem {
            icon: Some(IconName::Market),
            ..TabItem::new("hf", "Hugging Face")
        },
        TabItem {
            count: Some(12),
            ..TabItem::new("civitai", "CivitAI")
        },
        TabItem::new("workers", "Workers"),
    ];
    rsx! {
        div { style: "padding: 16px",
            Tabs { label: "Hubs", items, selected: "civitai", onselect: |_| {},
                p { style: "padding: 16px 0", "What CivitAI has." }
            }
        }
    }
}

fn dialog() -> Element {
    rsx! {
        Dialog {
            title: "Close this worker's tab?",
            onclose: |()| {},
            footer: rsx! {
                Button { "Keep it" }
                Button { variant: ButtonVariant::Danger, "Close the tab" }
            },
            p { "Its conversation has not been exported. The worker goes on." }
        }
    }
}

fn menu() -> Element {
    let items = vec![
        MenuItem {
            icon: Some(IconName::Pin),
            ..MenuItem::new("pin", "Pin")
        },
        MenuItem {
            icon: Some(IconName::Columns),
            keys: Some("Ctrl+\\"),
            ..MenuItem::new("split", "Split")
        },
        MenuItem {
            disabled: true,
            ..MenuItem::new("move", "Move to the other side")
        },
        MenuItem {
            icon: Some(IconName::Trash),
            danger: true,
            divided: true,
            ..MenuItem::new("stop", "Stop the worker")
        },
    ];
    rsx! {
        div { style: "padding: 16px; padding-left: 240px",
            Menu { label: "More", items: items.clone(), start_open: true, onselect: |_| {} }
            Menu { label: "Sort", icon: IconName::Sort, show_label: true, items, onselect: |_| {} }
        }
    }
}

fn progress_and_meters() -> Element {
    let part = |share, tone| MeterPart { share, tone };
    column(rsx! {
        for kind in ["text", "image"] {
            section { "data-kind": kind, style: "display: flex; flex-direction: column; gap: 12px",
                Progress { label: "Download", value: 0.42, text: "1.7 of 4.1 GB" }
                Progress { label: "Verifying" }
                Progress { label: "Waiting", value: 0.2, state: "waiting" }
                Progress { label: "Done", value: 1.0, state: "done" }
                Progress { label: "Failed", value: 0.6, state: "failed" }
                Meter { label: "Memory", parts: vec![part(0.4, "accent"), part(0.2, "other")], text: "14.4 of 24 GB" }
                Meter { label: "Use", parts: vec![part(0.97, "bad")] }
                Meter { label: "Temperature", parts: vec![] }
                Meter { label: "Power", parts: vec![], bare: true }
            }
        }
        Skeleton { label: "Loading models", lines: 5 }
    })
}

fn table() -> Element {
    let columns = vec![
        Column {
            id: "name",
            label: "Name".to_owned(),
            sortable: true,
            ..Column::default()
        },
        Column {
            id: "size",
            label: "Size".to_owned(),
            sortable: true,
            numeric: true,
            width: "96px",
            ..Column::default()
        },
        Column {
            id: "actions",
            label: "Actions".to_owned(),
            hidden: true,
            width: "48px",
            ..Column::default()
        },
    ];
    rsx! {
        section { style: "background: var(--surface-1)",
            Table { caption: "Models", columns, sorted: ("size".to_owned(), Order::Descending), onsort: |_| {},
                for (name, size) in [("Qwen3 4B", "2.5 GB"), ("千問", "512 MB"), (LONG, "1 B")] {
                    tr { key: "{name}",
                        td { class: "truncate", style: "max-width: 0", "{name}" }
                        td { "data-numeric": "true", "{size}" }
                        td { IconButton { icon: IconName::More, label: "More about {name}", size: ControlSize::Small } }
                    }
                }
            }
        }
    }
}

fn split() -> Element {
    rsx! {
        div { style: "display: flex; height: 300px",
            SplitPane {
                label: "Between text and image",
                ratio: 0.4,
                onchange: |_| {},
                first: rsx! { p { style: "padding: 16px", "Text" } },
                second: rsx! {
                    SplitPane {
                        label: "Between the images",
                        orientation: Orientation::Rows,
                        ratio: 0.6,
                        onchange: |_| {},
                        first: rsx! { p { style: "padding: 16px", "Image" } },
                        second: rsx! { p { style: "padding: 16px", "Another" } },
                    }
                },
            }
        }
    }
}

fn badges() -> Element {
    row(rsx! {
        for (tone, word) in [(Tone::Neutral, "Q4_K_M"), (Tone::Accent, "Text"), (Tone::Good, "fits"), (Tone::Warn, "tight"), (Tone::Bad, "too large")] {
            Badge { tone, "{word}" }
        }
        Badge { tone: Tone::Good, icon: IconName::Check, title: "In the cluster's store", "already here" }
        span { "data-kind": "image", Badge { tone: Tone::Accent, "Image" } }
        for (state, label) in [(Dot::Off, "stopped"), (Dot::Waiting, "starting"), (Dot::Ready, "ready"), (Dot::Busy, "at work"), (Dot::Warn, "slow"), (Dot::Bad, "failed")] {
            StateDot { state, label }
        }
    })
}

fn notices() -> Element {
    rsx! {
        div { style: "display: flex; flex-direction: column; gap: 16px; padding: 16px; max-width: 640px",
            FailureNotice {
                sentence: "The disk is full.",
                advice: "Remove models that nobody uses, or give the store another folder.",
                reason: "DISK_FULL",
                action: "Open Models",
                ondismiss: |()| {},
            }
            FailureNotice { sentence: "Nothing answers at http://127.0.0.1:9600." }
            EmptyState { icon: IconName::Model, title: "No models yet", text: "Download one from a marketplace, or drop a GGUF or safetensors file here.",
                Button { variant: ButtonVariant::Primary, icon: IconName::Market, "Open the marketplace" }
                Button { icon: IconName::Upload, "Import a file" }
            }
        }
    }
}

fn toasts() -> Element {
    let toast = |id, tone, title: &str, text: &str, action: Option<&str>| Toast {
        id,
        tone,
        title: title.to_owned(),
        text: text.to_owned(),
        action: action.map(str::to_owned),
    };
    let toasts = vec![
        toast(1, Tone::Neutral, "Copied", "", None),
        toast(2, Tone::Good, "Qwen3 4B is here", "2.5 GB in 41 s", Some("Spawn")),
        toast(3, Tone::Warn, "The connection is slow", "", None),
        toast(
            4,
            Tone::Bad,
            "The worker stopped",
            "It ran out of memory.",
            Some("Restart"),
        ),
    ];
    rsx! { Toasts { toasts, ondismiss: |_| {} } }
}

fn icons() -> Element {
    row(rsx! {
        for name in IconName::ALL {
            Icon { name: *name, size: 24 }
        }
    })
}

fn long_words() -> Element {
    column(rsx! {
        Button { icon: IconName::Plus, "{LONG}" }
        TextField { label: LONG, value: LONG, hint: LONG, oninput: |_| {} }
        Badge { "{LONG}" }
        FailureNotice { sentence: LONG, advice: LONG, action: "Retry" }
        EmptyState { icon: IconName::Search, title: LONG, text: LONG }
        Meter { label: LONG, parts: vec![MeterPart { share: 0.5, tone: "accent" }], text: "12 of 24 GB" }
    })
}
