//! Which request meets which faults: by rule, or at random from a seed.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::fault::{Fault, FaultKind};
use super::log::Host;
use super::random::Random;
use super::request::Request;

/// Faults for some of the requests that look alike.
///
/// Rules of one plan add up: a request that matches two meets the faults of both, the earlier rule's first.
#[derive(Debug, Clone)]
pub struct FaultRule {
    host: Option<Host>,
    method: Option<String>,
    path_part: String,
    from: u64,
    count: u64,
    faults: Vec<Fault>,
}

impl FaultRule {
    fn on(host: Option<Host>) -> Self {
        Self {
            host,
            method: None,
            path_part: String::new(),
            from: 1,
            count: u64::MAX,
            faults: Vec::new(),
        }
    }

    /// Requests to the API and the CDN.
    #[must_use]
    pub fn any() -> Self {
        Self::on(None)
    }

    /// Requests to the API.
    #[must_use]
    pub fn api() -> Self {
        Self::on(Some(Host::Api))
    }

    /// Requests to the CDN.
    #[must_use]
    pub fn cdn() -> Self {
        Self::on(Some(Host::Cdn))
    }

    /// Requests to the foreign host.
    #[must_use]
    pub fn foreign() -> Self {
        Self::on(Some(Host::Foreign))
    }

    /// Only those with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only those whose path, as it stands on the wire, holds `part`.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path_part = part.to_owned();
        self
    }

    /// Only the first `count` that match.
    #[must_use]
    pub fn first(mut self, count: u64) -> Self {
        (self.from, self.count) = (1, count);
        self
    }

    /// Only the one that matches as number `number`, counted from 1.
    #[must_use]
    pub fn nth(mut self, number: u64) -> Self {
        (self.from, self.count) = (number, 1);
        self
    }

    /// All from number `number` on, counted from 1.
    #[must_use]
    pub fn from_nth(mut self, number: u64) -> Self {
        (self.from, self.count) = (number, u64::MAX);
        self
    }

    /// What they meet; call it again for more.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    fn matches(&self, host: Host, request: &Request) -> bool {
        self.host.map_or(host != Host::Foreign, |wanted| wanted == host)
            && self
                .method
                .as_ref()
                .is_none_or(|method| *method == request.method)
            && request.path.contains(&self.path_part)
    }
}

/// Faults at random, the same for the same seed: what the n-th request for a path meets depends on the
/// seed, the path and n alone, so downloads that run side by side don't disturb each other's luck.
#[derive(Debug, Clone)]
pub struct RandomFaults {
    /// What repeats the run.
    pub seed: u64,
    /// How many requests of 100 meet a fault; a quarter of those meet two.
    pub percent: u8,
    /// After so many faults a path is served properly, so that patience is rewarded.
    pub most_per_path: u32,
    /// About how large the files are, in bytes: drops and flips fall below it.
    pub size_bytes: u64,
    /// What can happen.
    pub kinds: Vec<FaultKind>,
}

/// The faults of a hub. It begins without any.
#[derive(Debug, Default)]
pub struct FaultPlan(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Each with the number of requests that matched it so far.
    rules: Vec<(FaultRule, u64)>,
    random: Option<RandomFaults>,
    /// By host and path: requests so far, and how many of them met a fault at random.
    luck: HashMap<(Host, String), (u64, u32)>,
}

impl FaultPlan {
    /// One more rule.
    pub fn add(&self, rule: FaultRule) {
        self.0.lock().rules.push((rule, 0));
    }

    /// Faults at random from now on, next to the rules; counts per path begin anew.
    pub fn randomise(&self, faults: RandomFaults) {
        let mut state = self.0.lock();
        state.luck.clear();
        state.random = Some(faults);
    }

    /// No faults from now on.
    pub fn clear(&self) {
        *self.0.lock() = State::default();
    }

    /// What this request meets.
    pub(crate) fn draw(&self, host: Host, request: &Request) -> Vec<Fault> {
        let state = &mut *self.0.lock();
        let mut faults = Vec::new();
        for (rule, seen) in &mut state.rules {
            if rule.matches(host, request) {
                *seen += 1;
                if (rule.from..rule.from.saturating_add(rule.count)).contains(seen) {
                    faults.extend(rule.faults.iter().cloned());
                }
            }
        }
        if let Some(random) = &state.random
            && host != Host::Foreign
        {
            let (ordinal, met) = state.luck.entry((host, request.path.clone())).or_default();
            *ordinal += 1;
            if *met < random.most_per_path {
                let drawn = random.draw(host, &request.path, *ordinal);
                *met += u32::from(!drawn.is_empty());
                faults.extend(drawn);
            }
        }
        faults
    }
}

impl RandomFaults {
    fn draw(&self, host: Host, path: &str, ordinal: u64) -> Vec<Fault> {
        let mut random = Random::keyed(
            self.seed,
            &[&[host as u8], path.as_bytes(), &ordinal.to_le_bytes()],
        );
        let count = match random.chance(self.percent) {
            false => 0,
            true => 1 + u8::from(random.chance(25)),
        };
        (0..count)
            .filter_map(|_| {
                let kind = self.kinds.get(random.below(self.kinds.len() as u64) as usize)?;
                Some(kind.draw(&mut random, self.size_bytes))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Request {
        Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            ..Request::default()
        }
    }

    #[test]
    fn rules_count_only_what_matches_them_and_add_up() {
        let plan = FaultPlan::default();
        plan.add(FaultRule::cdn().path("model").nth(2).with(Fault::Reset));
        plan.add(
            FaultRule::any()
                .method("GET")
                .from_nth(3)
                .with(Fault::Gzip)
                .with(Fault::Close),
        );
        plan.add(FaultRule::foreign().first(1).with(Fault::HtmlPage));
        assert!(plan.draw(Host::Cdn, &get("/model")).is_empty());
        assert!(plan.draw(Host::Api, &get("/model")).is_empty());
        assert_eq!(
            plan.draw(Host::Cdn, &get("/model")),
            [Fault::Reset, Fault::Gzip, Fault::Close]
        );
        assert_eq!(plan.draw(Host::Cdn, &get("/other")), [Fault::Gzip, Fault::Close]);
        assert_eq!(plan.draw(Host::Foreign, &get("/model")), [Fault::HtmlPage]);
        assert!(plan.draw(Host::Foreign, &get("/model")).is_empty());
        plan.clear();
        assert!(plan.draw(Host::Cdn, &get("/model")).is_empty());
    }

    #[test]
    fn luck_repeats_from_its_seed_and_runs_out() {
        let faults = |seed| {
            let plan = FaultPlan::default();
            plan.randomise(RandomFaults {
                seed,
                percent: 60,
                most_per_path: 3,
                size_bytes: 1000,
                kinds: FaultKind::ALL.to_vec(),
            });
            // Paths take turns in one run and follow each other in the next.
            move |paths: &[&str]| -> Vec<Vec<Fault>> {
                paths
                    .iter()
                    .map(|path| plan.draw(Host::Cdn, &get(path)))
                    .collect()
            }
        };
        let taking_turns = faults(5)(&["/a", "/b", "/a", "/b", "/a", "/b"]);
        let in_a_row = faults(5)(&["/a", "/a", "/a", "/b", "/b", "/b"]);
        assert_eq!(
            [0, 2, 4, 1, 3, 5]
                .map(|at: usize| taking_turns[at].clone())
                .to_vec(),
            in_a_row
        );
        assert_ne!(faults(6)(&["/a"; 20]), faults(5)(&["/a"; 20]));
        let met = faults(5)(&["/a"; 200])
            .iter()
            .filter(|met| !met.is_empty())
            .count();
        assert_eq!(met, 3, "then the path is served properly");
    }

    #[test]
    fn every_kind_is_drawn() {
        let plan = FaultPlan::default();
        plan.randomise(RandomFaults {
            seed: 1,
            percent: 100,
            most_per_path: 1,
            size_bytes: 100,
            kinds: FaultKind::ALL.to_vec(),
        });
        let mut names: Vec<String> = (0..2000)
            .flat_map(|at| plan.draw(Host::Api, &get(&format!("/{at}"))))
            .map(|fault| match fault {
                Fault::Status { status, .. } => status.to_string(),
                other => format!("{other:?}")
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            })
            .collect();
        names.sort();
        names.dedup();
        // 500, 502, 503 and 504 are one kind.
        assert_eq!(names.len(), FaultKind::ALL.len() + 3, "{names:?}");
    }
}
