//! What people are told of hives: that they join, leave, fall silent and come back. Workers are told of by
//! their hives.

use std::collections::BTreeMap;
use std::sync::Arc;

use rbee_artifacts::HiveId;
use rbee_service_kit::{narrate, narrate_warn};

use crate::domain::cluster::{Hive, HiveState};
use crate::domain::registry::ClusterChange;

/// The hives as people were told of them last.
#[derive(Debug, Default)]
pub(crate) struct News {
    told: BTreeMap<HiveId, Arc<Hive>>,
}

/// Something to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    hive_id: HiveId,
    worrying: bool,
    words: String,
}

impl Line {
    /// Tells it.
    pub(crate) fn narrate(&self) {
        let Self { hive_id, words, .. } = self;
        if self.worrying {
            narrate_warn!(hive_id = %hive_id, "{words}");
        } else {
            narrate!(hive_id = %hive_id, "{words}");
        }
    }
}

impl News {
    /// What there is to tell of a change.
    pub(crate) fn of(&mut self, change: &ClusterChange) -> Option<Line> {
        let (hive_id, worrying, words) = match change {
            ClusterChange::HiveUpserted(hive) => {
                let id = hive.facts.id.clone();
                let before = self.told.insert(id.clone(), hive.clone());
                let (worrying, words) = of_hive(before.as_deref(), hive)?;
                (id, worrying, words)
            }
            ClusterChange::HiveRemoved(id) => {
                let before = self.told.remove(id);
                let name = before
                    .as_ref()
                    .map_or("(unknown)", |hive| hive.facts.name.as_str());
                let silent = before
                    .as_ref()
                    .is_some_and(|hive| hive.state == HiveState::Unreachable);
                let end = if silent { "is forgotten" } else { "left" };
                (id.clone(), false, format!("hive {name} {end}"))
            }
            ClusterChange::WorkerUpserted(_) | ClusterChange::WorkerRemoved(_) => return None,
        };
        Some(Line {
            hive_id,
            worrying,
            words,
        })
    }
}

fn of_hive(before: Option<&Hive>, hive: &Hive) -> Option<(bool, String)> {
    let (name, address) = (&hive.facts.name, &hive.facts.address);
    let Some(before) = before else {
        return Some((false, format!("hive {name} joined at {address}")));
    };
    match (before.state, hive.state) {
        (HiveState::Ready, HiveState::Unreachable) => {
            let words =
                format!("hive {name} has not been heard from and counts as unreachable, its workers with it");
            Some((true, words))
        }
        (HiveState::Unreachable, HiveState::Ready) => {
            Some((false, format!("hive {name} is back at {address}")))
        }
        _ if before.facts.address != *address => {
            let words = format!(
                "hive {name} is at {address} now; it was at {}",
                before.facts.address
            );
            Some((false, words))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::cluster::HiveFacts;

    fn hive(state: HiveState, address: &str) -> ClusterChange {
        let facts = HiveFacts {
            id: "a".parse().unwrap(),
            name: "attic".into(),
            address: address.into(),
            devices: vec![],
            version: "0.1.0".into(),
            platform: None,
            draining: false,
        };
        ClusterChange::HiveUpserted(Arc::new(Hive {
            facts,
            state,
            last_seen_at: Timestamp::UNIX_EPOCH,
        }))
    }

    #[test]
    fn each_turn_is_told_once() {
        let mut news = News::default();
        let mut told = |change| news.of(&change).map(|line| (line.worrying, line.words));
        let words = |words: &str| Some((false, words.to_owned()));
        assert_eq!(told(hive(HiveState::Ready, "x")), words("hive attic joined at x"));
        assert_eq!(
            told(hive(HiveState::Ready, "x")),
            None,
            "its devices changed, say"
        );
        assert_eq!(
            told(hive(HiveState::Ready, "y")),
            words("hive attic is at y now; it was at x")
        );
        let (worrying, silent) = told(hive(HiveState::Unreachable, "y")).unwrap();
        assert!(worrying && silent.contains("unreachable"), "{silent}");
        assert_eq!(told(hive(HiveState::Unreachable, "y")), None);
        assert_eq!(
            told(hive(HiveState::Ready, "y")),
            words("hive attic is back at y")
        );
        let gone = || ClusterChange::HiveRemoved("a".parse().unwrap());
        assert_eq!(told(gone()), words("hive attic left"));
        told(hive(HiveState::Unreachable, "y"));
        assert_eq!(told(gone()), words("hive attic is forgotten"));
    }
}
