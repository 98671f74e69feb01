//! What a worker would need, and where it would fit.

use rbee_proto::hive::v1::MemoryEstimate;
use rbee_proto::types::v1::{Device, Hive};
use rbee_service_kit::reason;
use serde::Serialize;

use super::hives::device_id;
use super::human::size;
use super::paint::{Paint, Tone};
use super::plain_text::one_line;
use super::table::{Cell, Table};
use super::views;
use crate::exit::Exit;
use crate::failure::Failure;

/// A device on which a worker could run.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    /// Whose device it is.
    pub(crate) hive: &'a Hive,
    /// The device as it is now.
    pub(crate) device: Device,
    /// What the worker needs there.
    pub(crate) estimate: MemoryEstimate,
    /// Whether it fits; absent where not known.
    pub(crate) fits: Option<bool>,
    /// If not, the longest context that would.
    pub(crate) fitting_context_length: Option<u32>,
    /// Whether the host has the model's files.
    pub(crate) files_present: bool,
    /// The hive's words for all this.
    pub(crate) sentence: String,
    /// If it does not fit: the idle workers that would have to leave so that it does.
    pub(crate) evictable: Vec<String>,
}

/// A hive where a worker can't run at all, or that does not answer.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    /// The hive.
    pub(crate) hive: &'a Hive,
    /// Why.
    pub(crate) failure: Failure,
}

/// For scripts.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    estimate: Option<Estimate>,
    places: Vec<PlaceDocument<'a>>,
    refused: Vec<RefusedDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct Estimate {
    weights_bytes: u64,
    kv_cache_bytes: u64,
    activations_bytes: u64,
    overhead_bytes: u64,
    total_bytes: u64,
    loaded_bytes: u64,
    context_length: Option<u32>,
    slot_count: Option<u32>,
    picture_edge: Option<u32>,
}

#[derive(Debug, Serialize)]
struct PlaceDocument<'a> {
    hive_id: &'a str,
    hive_name: &'a str,
    device: views::Device<'a>,
    fits: Option<bool>,
    fitting_context_length: Option<u32>,
    files_present: bool,
    sentence: &'a str,
    evictable_worker_ids: &'a [String],
}

#[derive(Debug, Serialize)]
struct RefusedDocument<'a> {
    hive_id: &'a str,
    hive_name: &'a str,
    reason: Option<&'a str>,
    message: String,
}

/// The document that `--json` shows.
pub(crate) fn document<'a>(places: &'a [Place<'_>], refused: &'a [Refused<'_>]) -> Document<'a> {
    let place = |place: &'a Place<'_>| PlaceDocument {
        hive_id: &place.hive.id,
        hive_name: &place.hive.name,
        device: views::Device::from(&place.device),
        fits: place.fits,
        fitting_context_length: place.fitting_context_length,
        files_present: place.files_present,
        sentence: &place.sentence,
        evictable_worker_ids: &place.evictable,
    };
    let no = |refused: &'a Refused<'_>| RefusedDocument {
        hive_id: &refused.hive.id,
        hive_name: &refused.hive.name,
        reason: refused.failure.reason.as_deref(),
        message: why(&refused.failure),
    };
    Document {
        estimate: places.first().map(|place| {
            let estimate = &place.estimate;
            Estimate {
                weights_bytes: estimate.weights_bytes,
                kv_cache_bytes: estimate.kv_cache_bytes,
                activations_bytes: estimate.activations_bytes,
                overhead_bytes: estimate.overhead_bytes,
                total_bytes: estimate.total_bytes,
                loaded_bytes: estimate.loaded_bytes,
                context_length: estimate.context_length,
                slot_count: estimate.slot_count,
                picture_edge: estimate.picture_edge,
            }
        }),
        places: places.iter().map(place).collect(),
        refused: refused.iter().map(no).collect(),
    }
}

/// For people: the estimate by its parts, and the devices, best first.
pub(crate) fn text(places: &[Place<'_>], refused: &[Refused<'_>], paint: Paint) -> String {
    let mut text = String::new();
    if let Some(best) = places.first() {
        text += &parts(&best.estimate).render(paint);
        text += "\n";
        text += &devices(places).render(paint);
    }
    for refused in refused {
        text += &format!(
            "{}: {}\n",
            one_line(&refused.hive.name),
            one_line(&why(&refused.failure))
        );
    }
    text
}

fn parts(estimate: &MemoryEstimate) -> Table {
    let mut table = Table::new(["NEEDS", ">ABOUT", "FOR"]);
    let room = match (
        estimate.context_length,
        estimate.slot_count,
        estimate.picture_edge,
    ) {
        (Some(context), Some(slots), _) => format!("{slots} × a context of {context} tokens"),
        (_, _, Some(edge)) => format!("pictures of {edge} × {edge}"),
        _ => String::new(),
    };
    let mut row = |name: &str, bytes: u64, what: &str| {
        if bytes > 0 {
            table.row([name.into(), size(bytes).into(), what.into()]);
        }
    };
    row("weights", estimate.weights_bytes, "");
    row("KV cache", estimate.kv_cache_bytes, &room);
    let room = if estimate.kv_cache_bytes == 0 {
        room.as_str()
    } else {
        ""
    };
    row("activations", estimate.activations_bytes, room);
    row("program", estimate.overhead_bytes, "with its tokenizer");
    row("together", estimate.total_bytes, "");
    table
}

fn devices(places: &[Place<'_>]) -> Table {
    let mut table = Table::new(["HIVE", "DEVICE", ">FREE", ">AVAILABLE", "FITS"]);
    for place in places {
        let (words, tone) = fits_words(place);
        table.row([
            place.hive.name.as_str().into(),
            device_id(&place.device).into(),
            place
                .device
                .memory_free_bytes
                .map_or_else(|| "-".to_owned(), size)
                .into(),
            place
                .device
                .memory_available_bytes
                .map_or_else(|| "-".to_owned(), size)
                .into(),
            Cell::new(words, tone),
        ]);
    }
    table
}

/// Whether it fits, and what would help.
fn fits_words(place: &Place<'_>) -> (String, Tone) {
    match place.fits {
        Some(true) => return ("yes".to_owned(), Tone::Good),
        None => return ("not known".to_owned(), Tone::Plain),
        Some(false) => {}
    }
    let context = place
        .fitting_context_length
        .map(|context| format!("a context of {context} would"));
    let room = (!place.evictable.is_empty())
        .then(|| format!("it would without {} (--evict)", place.evictable.join(", ")));
    let help: Vec<String> = context.into_iter().chain(room.clone()).collect();
    let words = [vec!["no".to_owned()], help].concat().join(", ");
    (words, if room.is_some() { Tone::Busy } else { Tone::Bad })
}

/// The failure of a worker that fits on no device.
pub(crate) fn fits_nowhere(model: &str, places: &[Place<'_>]) -> Failure {
    let failure = Failure::new(Exit::TryLater, format!("{model} fits nowhere"));
    let failure = places.iter().fold(failure, |failure, place| {
        failure.because(format!("on {} it {}", place.hive.name, place.sentence))
    });
    let could_leave = places.iter().find(|place| !place.evictable.is_empty());
    let failure = match could_leave {
        Some(place) => failure.hint(format!(
            "`rbee worker spawn` with --evict would stop {} to make room on {}",
            place.evictable.join(", "),
            place.hive.name
        )),
        None => failure,
    };
    failure.reason(reason::INSUFFICIENT_MEMORY)
}

fn why(failure: &Failure) -> String {
    failure.why.first().unwrap_or(&failure.message).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hive(name: &str) -> Hive {
        Hive {
            id: format!("h-{name}"),
            name: name.into(),
            ..Hive::default()
        }
    }

    fn place<'a>(hive: &'a Hive, available_gib: u64, fits: bool, context: Option<u32>) -> Place<'a> {
        Place {
            hive,
            device: Device {
                id: "cuda:0".into(),
                declared: fits,
                memory_free_bytes: Some(8 << 30),
                memory_available_bytes: Some(available_gib << 30),
                ..Device::default()
            },
            estimate: MemoryEstimate {
                weights_bytes: 4 << 30,
                kv_cache_bytes: 1 << 30,
                overhead_bytes: 1 << 30,
                total_bytes: 6 << 30,
                context_length: Some(32_768),
                slot_count: Some(4),
                ..MemoryEstimate::default()
            },
            fits: Some(fits),
            fitting_context_length: context,
            files_present: true,
            sentence: "needs much".into(),
            evictable: Vec::new(),
        }
    }

    #[test]
    fn who_would_have_to_leave_is_named() {
        let desk = hive("desk");
        let full = Place {
            evictable: vec!["qwen-1".into(), "qwen-2".into()],
            ..place(&desk, 5, false, Some(8192))
        };
        assert_eq!(
            fits_words(&full).0,
            "no, a context of 8192 would, it would without qwen-1, qwen-2 (--evict)"
        );
        let places = [place(&desk, 5, false, None), full];
        let failure = fits_nowhere("local:qwen", &places);
        assert_eq!(
            failure.hints[0],
            "`rbee worker spawn` with --evict would stop qwen-1, qwen-2 to make room on desk"
        );
        let document = serde_json::to_value(document(&places, &[])).unwrap();
        assert_eq!(
            document["places"][0]["evictable_worker_ids"],
            serde_json::json!([])
        );
        assert_eq!(document["places"][1]["evictable_worker_ids"][1], "qwen-2");
    }

    #[test]
    fn a_check_reads_like_this() {
        let (desk, attic, shed) = (hive("desk"), hive("attic"), hive("shed"));
        let places = [place(&desk, 7, true, None), place(&attic, 5, false, Some(8192))];
        let refused = [Refused {
            hive: &shed,
            failure: Failure::new(Exit::NotFound, "can't check").because("this hive has no cuda device"),
        }];
        assert_eq!(
            text(&places, &refused, Paint::OFF),
            "NEEDS       ABOUT  FOR\n\
             weights   4.0 GiB\n\
             KV cache  1.0 GiB  4 × a context of 32768 tokens\n\
             program   1.0 GiB  with its tokenizer\n\
             together  6.0 GiB\n\
             \n\
             HIVE   DEVICE                FREE  AVAILABLE  FITS\n\
             desk   cuda:0 (declared)  8.0 GiB    7.0 GiB  yes\n\
             attic  cuda:0             8.0 GiB    5.0 GiB  no, a context of 8192 would\n\
             shed: this hive has no cuda device\n"
        );
    }

    #[test]
    fn a_script_gets_the_same() {
        let desk = hive("desk");
        let places = [place(&desk, 5, false, Some(8192))];
        let document = serde_json::to_value(document(&places, &[])).unwrap();
        assert_eq!(document["estimate"]["kv_cache_bytes"], 1_u64 << 30);
        assert_eq!(document["places"][0]["hive_name"], "desk");
        assert_eq!(document["places"][0]["fits"], false);
        assert_eq!(
            document["places"][0]["device"]["memory_available_bytes"],
            5_u64 << 30
        );
        let failure = fits_nowhere("local:qwen", &places);
        assert_eq!(failure.reason.as_deref(), Some(reason::INSUFFICIENT_MEMORY));
        assert_eq!(failure.why, ["on desk it needs much"]);
    }
}
