//! A worker program that can be installed.

use dioxus::prelude::*;

use super::screen::Wish;
use crate::components::{Badge, Button, ButtonVariant, ControlSize, Icon, IconName, Tone};
use crate::model::cluster::{Hardware, WorkerKind, WorkerType};
use crate::model::downloads::{Entry, JobState};
use crate::model::marketplace::Package;
use crate::pages::downloads::DownloadRow;
use crate::pages::jobs::Order;

/// A package, and its build where there is one.
#[component]
pub(super) fn PackageCard(package: Package, entry: Option<Entry>, onwish: EventHandler<Wish>) -> Element {
    let kind = package
        .worker_type
        .map_or(WorkerKind::Text, |worker_type| worker_type.kind);
    let name = package.name.clone();
    let is_building = entry.as_ref().is_some_and(|entry| !entry.job.state.has_ended());
    let is_installed = package.installed.contains(&package.version) || !package.installed.is_empty();
    let missing: Vec<_> = package.missing().cloned().collect();
    let can_build = package.supported && package.problem.is_empty();
    rsx! {
        article { class: "package", "data-kind": kind.word(), "aria-label": "{package.name}",
            header { class: "package__head",
                span { class: "package__icon", Icon { name: if kind == WorkerKind::Image { IconName::Image } else { IconName::Text }, size: 20 } }
                div { class: "package__names",
                    p { class: "package__name truncate", "{package.name}" }
                    p { class: "package__version truncate numeric", "{package.version}" }
                }
                Button {
                    size: ControlSize::Small,
                    variant: if package.preferred && !is_installed && can_build { ButtonVariant::Primary } else { ButtonVariant::Quiet },
                    icon: IconName::Download,
                    busy: is_building,
                    disabled: !can_build,
                    "aria-label": if is_installed { "Install {package.name} again" } else { "Install {package.name}" },
                    onclick: move |_| onwish.call(Wish::Order(Order::Install(name.clone()))),
                    if is_installed { "Install again" } else { "Install" }
                }
            }
            p { class: "package__about", "{package.description}" }
            div { class: "package__badges",
                if let Some(worker_type) = package.worker_type {
                    Badge { tone: Tone::Accent, {type_label(worker_type)} }
                }
                if is_installed {
                    Badge { tone: Tone::Good, icon: IconName::Check, "installed {package.installed.join(\", \")}" }
                }
                if !package.supported {
                    Badge { tone: Tone::Warn, "not for this host" }
                }
                for architecture in package.architectures {
                    Badge { key: "{architecture}", "{architecture}" }
                }
                Badge { title: "Licence", "{package.licence}" }
            }
            if !package.problem.is_empty() {
                p { class: "package__problem", "{package.problem}" }
            }
            if !missing.is_empty() {
                div { class: "package__missing",
                    p { "Missing on the provisioner's host:" }
                    ul {
                        for dependency in missing {
                            li { key: "{dependency.name}",
                                code { "{dependency.name}" }
                                if !dependency.hint.is_empty() {
                                    " {dependency.hint}"
                                }
                            }
                        }
                    }
                }
            }
            if let Some(entry) = entry.filter(|entry| entry.job.state != JobState::Succeeded) {
                DownloadRow {
                    entry,
                    onorder: move |order| onwish.call(Wish::Order(order)),
                    onaction: move |action| onwish.call(Wish::Action(action)),
                }
            }
        }
    }
}

/// What a worker makes, and on what.
fn type_label(worker_type: WorkerType) -> &'static str {
    match (worker_type.kind, worker_type.hardware) {
        (WorkerKind::Text, Hardware::Cpu) => "Text on processors",
        (WorkerKind::Text, Hardware::Cuda) => "Text on NVIDIA",
        (WorkerKind::Text, Hardware::Metal) => "Text on Apple",
        (WorkerKind::Image, Hardware::Cpu) => "Images on processors",
        (WorkerKind::Image, Hardware::Cuda) => "Images on NVIDIA",
        (WorkerKind::Image, Hardware::Metal) => "Images on Apple",
    }
}
