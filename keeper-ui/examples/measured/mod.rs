//! Frames as the window counts them, and what its processes take.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::keeper::Keeper;

/// Times between frames in milliseconds, sorted.
#[derive(Debug)]
pub struct Frames(Vec<f64>);

impl Frames {
    /// Measures for a while.
    pub fn of(keeper: &mut Keeper<'_>, span: Duration) -> Self {
        Self::begin(keeper);
        std::thread::sleep(span);
        Self::end(keeper)
    }

    /// Begins to count.
    pub fn begin(keeper: &mut Keeper<'_>) {
        keeper.eval(
            "window.rbeeFrames = []; let last; \
             const count = (now) => { \
               if (!window.rbeeFrames) return; \
               if (last !== undefined) window.rbeeFrames.push(now - last); \
               last = now; requestAnimationFrame(count); \
             }; \
             requestAnimationFrame(count)",
        );
    }

    /// Ends, and gives what was counted.
    pub fn end(keeper: &mut Keeper<'_>) -> Self {
        let told = keeper.eval("const all = window.rbeeFrames; window.rbeeFrames = null; return all");
        let mut times: Vec<f64> = serde_json::from_value(told).expect("times are numbers");
        assert!(times.len() > 10, "the window drew {} frames only", times.len());
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    fn share(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share).round() as usize]
    }

    /// What is said of them.
    pub fn report(&self) -> Value {
        let all: f64 = self.0.iter().sum();
        json!({
            "frames": self.0.len(),
            "frames_per_second": 1000.0 * self.0.len() as f64 / all,
            "p50_ms": self.share(0.5),
            "p99_ms": self.share(0.99),
            "longest_ms": self.share(1.0),
        })
    }
}

/// What the window and the processes of its webview take.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Processor time since they began.
    pub processor: Duration,
    /// Memory, what they share counted once.
    pub memory_bytes: u64,
}

impl Usage {
    /// Of a process and all that it started.
    pub fn of(process: u32) -> Self {
        let mut usage = Self {
            processor: Duration::ZERO,
            memory_bytes: 0,
        };
        let children = children();
        let mut waiting = vec![process];
        while let Some(id) = waiting.pop() {
            waiting.extend(children.get(&id).into_iter().flatten());
            usage.processor += processor(id).unwrap_or_default();
            usage.memory_bytes += memory_bytes(id).unwrap_or_default();
        }
        usage
    }
}

/// The fields of a process's `stat` behind its name, which may hold anything.
fn stat(id: u32) -> Option<Vec<String>> {
    let line = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = line.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// Processes by their parents.
fn children() -> HashMap<u32, Vec<u32>> {
    let mut all: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").expect("this is Linux").flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let parent = id.and_then(stat).and_then(|fields| fields.get(1)?.parse().ok());
        if let (Some(id), Some(parent)) = (id, parent) {
            all.entry(parent).or_default().push(id);
        }
    }
    all
}

/// Time of user and system, in the ticks of a hundredth of a second that Linux counts in.
fn processor(id: u32) -> Option<Duration> {
    let fields = stat(id)?;
    let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

fn memory_bytes(id: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes << 10)
}
