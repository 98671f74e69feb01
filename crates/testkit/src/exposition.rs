//! Prometheus's side: scrapes a page of metrics and reads it as strictly as the format is written down
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The labels of a number by name.
pub type Labels = BTreeMap<String, String>;

/// A metric with all its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it says of itself.
    pub help: String,
    /// Each number with the whole name of its line and its labels.
    pub samples: Vec<(String, Labels, f64)>,
}

impl Family {
    /// The number with these labels, others aside; `None` if there is none.
    #[must_use]
    pub fn value(&self, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |all: &Labels| {
            labels
                .iter()
                .all(|(name, value)| all.get(*name).is_some_and(|has| has == value))
        };
        let mut samples = self.samples.iter();
        samples.find(|(_, all, _)| has(all)).map(|(_, _, value)| *value)
    }
}

/// Asks an address for a path over HTTP/1.1. Answers the head and the body.
///
/// # Panics
/// If nothing answers, or not with HTTP.
pub async fn get(address: SocketAddr, request_line: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    let request = format!("{request_line} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("the answer ends");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head.to_owned(), body.to_owned())
}

/// Scrapes the metrics of a program.
///
/// # Panics
/// If they are not given, or not as the format wants it.
pub async fn scrape(address: SocketAddr) -> BTreeMap<String, Family> {
    let (head, body) = get(address, "GET /metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.to_lowercase()
            .contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    parse(&body).unwrap_or_else(|error| panic!("{error}\n{body}"))
}

/// Reads a page.
///
/// # Errors
/// The first thing that is against the format, with its line.
pub fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let mut families = BTreeMap::<String, Family>::new();
    let mut current: Option<String> = None;
    let mut seen = BTreeSet::new();
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    for line in text.lines() {
        let at = |what: &str| format!("{what}: {line:?}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| at("help says nothing"))?;
            if families.contains_key(name) {
                return Err(at("a metric comes twice"));
            }
            name_is_good(name).map_err(|error| at(&error))?;
            let family = Family {
                kind: String::new(),
                help: help.to_owned(),
                samples: Vec::new(),
            };
            families.insert(name.to_owned(), family);
            current = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| at("type says nothing"))?;
            if current.as_deref() != Some(name) || !families[name].samples.is_empty() {
                return Err(at("a type must follow its help"));
            }
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(at("unknown type"));
            }
            if (kind == "counter") != name.ends_with("_total") {
                return Err(at("counters end with _total, and only they"));
            }
            families.get_mut(name).expect("it was just there").kind = kind.to_owned();
        } else {
            let (name, labels, value) = sample(line).map_err(|error| at(&error))?;
            let family = current
                .as_ref()
                .and_then(|current| Some((current, families.get_mut(current)?)));
            let (current, family) = family.ok_or_else(|| at("a number without a head"))?;
            let suffix = name.strip_prefix(current.as_str());
            let suffixes: &[&str] = match family.kind.as_str() {
                "" => return Err(at("a number without a type")),
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            if !suffix.is_some_and(|suffix| suffixes.contains(&suffix)) {
                return Err(at("a number of another metric"));
            }
            if !seen.insert((name.clone(), labels.clone())) {
                return Err(at("a number comes twice"));
            }
            if family.kind == "counter" && (value.is_nan() || value < 0.0) {
                return Err(at("a counter below nothing"));
            }
            family.samples.push((name, labels, value));
        }
    }
    for (name, family) in &families {
        if family.samples.is_empty() {
            return Err(format!("{name} has no number"));
        }
        if family.kind == "histogram" {
            histogram_is_good(name, family)?;
        }
    }
    Ok(families)
}

fn name_is_good(name: &str) -> Result<(), String> {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|first| first.is_ascii_lowercase());
    let rest = characters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_');
    if first && rest {
        Ok(())
    } else {
        Err(format!("{name:?} is no good name"))
    }
}

fn sample(line: &str) -> Result<(String, Labels, f64), String> {
    let end = line.find(['{', ' ']).ok_or("a line without a number")?;
    let (name, mut rest) = line.split_at(end);
    name_is_good(name)?;
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or("a label without a value")?;
            name_is_good(label)?;
            let (value, after) = quoted(after)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err(format!("the label {label} comes twice"));
            }
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = after.strip_prefix(',').ok_or("neither , nor } after a label")?;
        }
    }
    let number = rest.strip_prefix(' ').ok_or("no blank before the number")?;
    let value = match number {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number if number.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
            number.parse().map_err(|_| format!("{number:?} is no number"))?
        }
        _ => return Err(format!("{number:?} is no number")),
    };
    Ok((name.to_owned(), labels, value))
}

/// A label's value up to its closing quote, and what comes after that.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                other => return Err(format!("unknown escape {other:?}")),
            },
            character => value.push(character),
        }
    }
    Err("a value without an end".into())
}

/// For each set of labels: bounds that grow, counts that never fall, the last of them infinite and the count.
fn histogram_is_good(name: &str, family: &Family) -> Result<(), String> {
    let mut buckets = BTreeMap::<Labels, Vec<(f64, f64)>>::new();
    for (line, labels, value) in &family.samples {
        if line.ends_with("_bucket") {
            let mut labels = labels.clone();
            let bound = labels.remove("le").ok_or("a bucket without a bound")?;
            let bound = if bound == "+Inf" {
                f64::INFINITY
            } else {
                bound.parse().map_err(|_| format!("{bound:?} is no bound"))?
            };
            buckets.entry(labels).or_default().push((bound, *value));
        }
    }
    for (labels, buckets) in buckets {
        let grows = buckets
            .windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
        let of = |suffix: &str| {
            let wanted = format!("{name}{suffix}");
            let mut samples = family.samples.iter();
            samples
                .find(|(line, all, _)| *line == wanted && *all == labels)
                .map(|(_, _, value)| *value)
        };
        let last = buckets.last().copied();
        if !grows || last != of("_count").map(|count| (f64::INFINITY, count)) || of("_sum").is_none() {
            return Err(format!("the histogram {name} with {labels:?} is not sound"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_page_is_read() {
        let page = "# HELP bees_total Bees.\n# TYPE bees_total counter\nbees_total{hive=\"a\\\"b\"} 3\n\
                    # HELP wind_celsius Wind.\n# TYPE wind_celsius gauge\nwind_celsius -1.5\n";
        let families = parse(page).unwrap();
        assert_eq!(families["bees_total"].value(&[("hive", "a\"b")]), Some(3.0));
        assert_eq!(families["wind_celsius"].value(&[]), Some(-1.5));
        assert_eq!(families["bees_total"].value(&[("hive", "c")]), None);
    }

    #[test]
    fn what_is_against_the_format_is_refused() {
        let head = "# HELP a A.\n# TYPE a gauge\n";
        for (page, words) in [
            ("a 1\n".to_owned(), "without a head"),
            ("# HELP a A.\na 1\n".to_owned(), "without a type"),
            (head.to_owned(), "no number"),
            (format!("{head}a 1"), "does not end"),
            (format!("{head}a 1\na 2\n"), "comes twice"),
            (format!("{head}b 1\n"), "another metric"),
            (format!("{head}a{{x=\"1}} 1\n"), "without an end"),
            (format!("{head}a{{x=\"\\q\"}} 1\n"), "unknown escape"),
            (format!("{head}a inf\n"), "is no number"),
            (format!("{head}a 1\n{head}a 1\n"), "comes twice"),
            ("# HELP a A.\n# TYPE a counter\na 1\n".to_owned(), "_total"),
            ("# HELP a A.\n# TYPE a summary\na 1\n".to_owned(), "unknown type"),
        ] {
            let error = parse(&page).unwrap_err();
            assert!(error.contains(words), "{page}: {error}");
        }
        let histogram = "# HELP h H.\n# TYPE h histogram\n";
        let bad =
            format!("{histogram}h_bucket{{le=\"1\"}} 2\nh_bucket{{le=\"+Inf\"}} 1\nh_sum 1\nh_count 1\n");
        assert!(parse(&bad).unwrap_err().contains("not sound"));
    }
}
