//! The text format of Prometheus, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use std::fmt::Write as _;

use super::Histogram;

/// What a number is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the program starts anew; its name ends with `_total`.
    Counter,
    /// It is what it is now.
    Gauge,
    /// How many were how large.
    Histogram,
}

impl Kind {
    /// As the format names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name with the base unit at its end: `_seconds`, `_bytes`, `_ratio`, `_celsius`.
    pub name: &'static str,
    /// What it is like.
    pub kind: Kind,
    /// The names of its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What it is, in one line.
    pub help: &'static str,
}

impl Metric {
    /// The row of `docs/metrics.md` about it.
    #[must_use]
    pub fn row(&self) -> String {
        let labels: Vec<_> = self.labels.iter().map(|label| format!("`{label}`")).collect();
        format!(
            "| `{}` | {} | {} | {} |",
            self.name,
            self.kind.name(),
            labels.join(", "),
            self.help
        )
    }

    /// The rows below a heading of `docs/metrics.md`.
    #[must_use]
    pub fn rows_below<'a>(heading: &str, page: &'a str) -> Vec<&'a str> {
        let below = page
            .lines()
            .skip_while(|line| line.trim_start_matches("## ") != heading);
        let section = below.skip(1).take_while(|line| !line.starts_with("## "));
        section.filter(|line| line.starts_with("| `")).collect()
    }
}

/// A page of numbers, being written.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

impl Page {
    /// Writes one number without labels.
    pub fn single(&mut self, metric: &Metric, value: f64) {
        self.family::<&str, 0>(metric, [([], value)]);
    }

    /// Writes all numbers of a metric, each with the values of its labels. To be called once for each metric. Without
    /// any number the metric is not on the page.
    pub fn family<S: AsRef<str>, const N: usize>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = ([S; N], f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        self.head(metric);
        for (values, value) in samples {
            debug_assert_eq!(values.len(), metric.labels.len(), "{}", metric.name);
            let values = values.each_ref().map(AsRef::as_ref);
            self.sample(metric.name, metric.labels, &values, None, value);
        }
    }

    /// Writes all histograms of a metric, each with the values of its labels.
    pub fn histograms<const N: usize>(&mut self, metric: &Metric, histograms: &[([&str; N], &Histogram)]) {
        if histograms.is_empty() {
            return;
        }
        self.head(metric);
        let name = |suffix| format!("{}_{suffix}", metric.name);
        let (bucket, sum, count) = (name("bucket"), name("sum"), name("count"));
        for (values, histogram) in histograms {
            for (bound, below) in histogram.cumulated() {
                self.sample(&bucket, metric.labels, values, Some(bound), below as f64);
            }
            self.sample(&sum, metric.labels, values, None, histogram.sum());
            self.sample(&count, metric.labels, values, None, histogram.count() as f64);
        }
    }

    /// The page.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn head(&mut self, metric: &Metric) {
        let name = metric.name;
        let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP {name} {help}");
        let _ = writeln!(self.text, "# TYPE {name} {}", metric.kind.name());
    }

    fn sample(&mut self, name: &str, labels: &[&str], values: &[&str], bound: Option<f64>, value: f64) {
        self.text.push_str(name);
        let bound = bound.map(number);
        let pairs = labels.iter().copied().zip(values.iter().copied());
        let mut open = '{';
        for (label, value) in pairs.chain(bound.as_deref().map(|bound| ("le", bound))) {
            let _ = write!(self.text, "{open}{label}=\"{}\"", escape(value));
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {}", number(value));
    }
}

/// Go's spelling of what is no number.
fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".into()
    } else if value == f64::NEG_INFINITY {
        "-Inf".into()
    } else {
        value.to_string()
    }
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEES: Metric = Metric {
        name: "bees_total",
        kind: Kind::Counter,
        labels: &["hive", "kind"],
        help: "Bees, with \\ in it.",
    };

    #[test]
    fn a_family_has_one_head_and_escaped_labels() {
        let mut page = Page::default();
        page.family(&BEES, [(["a", "x"], 1.0), (["b\"\\\n", ""], 2.5)]);
        assert_eq!(
            page.into_text(),
            "# HELP bees_total Bees, with \\\\ in it.\n# TYPE bees_total counter\n\
             bees_total{hive=\"a\",kind=\"x\"} 1\nbees_total{hive=\"b\\\"\\\\\\n\",kind=\"\"} 2.5\n"
        );
    }

    #[test]
    fn what_has_no_number_is_not_there() {
        let mut page = Page::default();
        page.family::<&str, 2>(&BEES, []);
        page.histograms::<2>(&BEES, &[]);
        assert_eq!(page.into_text(), "");
    }

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let metric = Metric {
            name: "flight_seconds",
            kind: Kind::Histogram,
            labels: &["hive"],
            help: "Flights.",
        };
        let mut flights = Histogram::new(&[0.5, 10.0]);
        for seconds in [0.25, 0.5, 3.0, 60.0] {
            flights.observe(seconds);
        }
        let mut page = Page::default();
        page.histograms(&metric, &[(["a"], &flights)]);
        assert_eq!(
            page.into_text(),
            "# HELP flight_seconds Flights.\n# TYPE flight_seconds histogram\n\
             flight_seconds_bucket{hive=\"a\",le=\"0.5\"} 2\nflight_seconds_bucket{hive=\"a\",le=\"10\"} 3\n\
             flight_seconds_bucket{hive=\"a\",le=\"+Inf\"} 4\nflight_seconds_sum{hive=\"a\"} 63.75\n\
             flight_seconds_count{hive=\"a\"} 4\n"
        );
    }
}
