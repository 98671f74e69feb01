//! What has to be done so that what runs is what is wanted.

use std::collections::BTreeMap;

use rbee_artifacts::WorkerId;

use super::{Aim, Ledger};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nobody sees to this worker yet.
    Start(WorkerId),
    /// Who sees to it has to see to something else.
    Redirect(WorkerId, Aim),
}

/// The steps from what is seen to, to what is wanted. `running` says what each worker's task sees to, `restarts` how
/// often a worker was restarted by hand.
#[must_use]
pub fn steps(
    ledger: &Ledger,
    running: &BTreeMap<WorkerId, Aim>,
    restarts: impl Fn(&WorkerId) -> u64,
) -> Vec<Step> {
    let wanted = |id: &WorkerId| aim(ledger, id, restarts(id));
    let missing = ledger
        .workers
        .iter()
        .filter(|desired| !running.contains_key(&desired.id))
        .map(|desired| Step::Start(desired.id.clone()));
    let redirected = running
        .iter()
        .filter(|&(id, aim)| *aim != wanted(id))
        .map(|(id, _)| Step::Redirect(id.clone(), wanted(id)));
    missing.chain(redirected).collect()
}

/// What is to become of a worker.
#[must_use]
pub fn aim(ledger: &Ledger, id: &WorkerId, restarts: u64) -> Aim {
    if ledger.get(id).is_none() {
        Aim::Leave
    } else if ledger.draining {
        Aim::Rest
    } else {
        Aim::Serve { restarts }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rbee_artifacts::{ModelId, WorkerType};

    use super::*;
    use crate::domain::{Desired, Keep, LlmSettings, SdSettings, SpawnRequest};

    fn id(number: u8) -> WorkerId {
        format!("w-{number}").parse().unwrap()
    }

    fn desired(number: u8) -> Desired {
        Desired {
            id: id(number),
            request: SpawnRequest {
                model_id: ModelId::local("qwen").unwrap(),
                worker_type: WorkerType::CpuLlm,
                device_id: None,
                llm: LlmSettings::default(),
                sd: SdSettings::default(),
                force: false,
                evict: false,
            },
            request_id: String::new(),
            keep: Keep::default(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            proof: None,
            failure: None,
            add_ons: Vec::new(),
        }
    }

    proptest! {
        /// From any state, taking the steps once leads to what is wanted, and then nothing is left to do.
        #[test]
        fn the_steps_lead_to_what_is_wanted(
            wanted in prop::collection::btree_set(0..8u8, 0..8),
            running in prop::collection::btree_map(0..8u8, 0..3u8, 0..8),
            draining: bool,
            restarts in 0..2u64,
        ) {
            let ledger = Ledger {
                generation: 0,
                draining,
                workers: wanted.iter().map(|number| desired(*number)).collect(),
            };
            let mut running: BTreeMap<_, _> = running
                .into_iter()
                .map(|(number, aim)| (id(number), [Aim::Serve { restarts: 0 }, Aim::Rest, Aim::Leave][usize::from(aim)]))
                .collect();
            for step in steps(&ledger, &running, |_| restarts) {
                match step {
                    Step::Start(id) => {
                        let aim = aim(&ledger, &id, restarts);
                        prop_assert!(running.insert(id, aim).is_none(), "nobody is started twice");
                    }
                    Step::Redirect(id, aim) => {
                        prop_assert!(running.insert(id, aim).is_some_and(|before| before != aim));
                    }
                }
            }
            prop_assert_eq!(steps(&ledger, &running, |_| restarts), []);
            for (worker, aim) in &running {
                let is_wanted = wanted.iter().any(|number| id(*number) == *worker);
                prop_assert_eq!(*aim == Aim::Leave, !is_wanted);
                prop_assert_eq!(*aim == Aim::Rest, is_wanted && draining);
            }
        }
    }
}
