//! Which jobs there are: one at a time for each subject, all that run, and the last that ended.

use std::collections::{BTreeMap, HashMap, VecDeque};

use rbee_artifacts::JobId;

use super::request::{JobKind, JobRequest};

/// How many jobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoardLimits {
    /// Most jobs that run or wait.
    pub active: usize,
    /// How many jobs that ended are still shown.
    pub ended: usize,
}

/// Why a request gets no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another job is about the same subject, but from another source.
    #[error(
        "job {job_id} is bringing {subject} in from another source; wait until it has ended, or cancel it"
    )]
    Conflict {
        /// The other job.
        job_id: JobId,
        /// What both are about.
        subject: String,
    },
    /// Too many jobs run or wait.
    #[error("{limit} jobs run or wait already; try again when some of them have ended")]
    Full {
        /// How many there may be.
        limit: usize,
    },
}

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// A new job begins.
    New,
    /// This job does it already.
    Shared(JobId),
}

/// The jobs, each with the handle `H` by which it is followed and ended.
#[derive(Debug)]
pub struct Board<H> {
    limits: BoardLimits,
    jobs: BTreeMap<JobId, (JobRequest, H)>,
    active_by_subject: HashMap<(JobKind, String), JobId>,
    ended: VecDeque<JobId>,
}

impl<H> Board<H> {
    /// An empty board.
    #[must_use]
    pub fn new(limits: BoardLimits) -> Self {
        Self {
            limits,
            jobs: BTreeMap::new(),
            active_by_subject: HashMap::new(),
            ended: VecDeque::new(),
        }
    }

    /// Decides what is to be done with a request.
    ///
    /// # Errors
    /// If another job is in its way, or there are too many.
    pub fn admit(&self, request: &JobRequest) -> Result<Admission, Refusal> {
        if let Some(job_id) = self.active_by_subject.get(&key(request)).cloned() {
            let served = self
                .jobs
                .get(&job_id)
                .is_some_and(|(active, _)| request.is_served_by(active));
            return if served {
                Ok(Admission::Shared(job_id))
            } else {
                Err(Refusal::Conflict {
                    job_id,
                    subject: request.subject(),
                })
            };
        }
        if self.active_by_subject.len() >= self.limits.active {
            return Err(Refusal::Full {
                limit: self.limits.active,
            });
        }
        Ok(Admission::New)
    }

    /// Puts up a job that was admitted as new.
    pub fn put(&mut self, id: JobId, request: JobRequest, handle: H) {
        self.active_by_subject.insert(key(&request), id.clone());
        self.jobs.insert(id, (request, handle));
    }

    /// Puts up a job that ended in an earlier life of the program. Answers with those that go for it.
    pub fn put_ended(&mut self, id: JobId, request: JobRequest, handle: H) -> Vec<JobId> {
        self.ended.push_back(id.clone());
        self.jobs.insert(id, (request, handle));
        self.forget_oldest()
    }

    /// Notes that a job has ended: its subject is free, and the oldest of those that ended go. Answers with
    /// those.
    pub fn ended(&mut self, id: &JobId) -> Vec<JobId> {
        let Some((request, _)) = self.jobs.get(id) else {
            return Vec::new();
        };
        let key = key(request);
        if self.active_by_subject.get(&key) == Some(id) {
            self.active_by_subject.remove(&key);
            self.ended.push_back(id.clone());
        }
        self.forget_oldest()
    }

    fn forget_oldest(&mut self) -> Vec<JobId> {
        let surplus = self.ended.len().saturating_sub(self.limits.ended);
        let oldest: Vec<JobId> = self.ended.drain(..surplus).collect();
        for id in &oldest {
            self.jobs.remove(id);
        }
        oldest
    }

    /// What the jobs that run or wait were asked to do.
    pub fn active(&self) -> impl Iterator<Item = &H> {
        self.active_by_subject.values().filter_map(|id| self.get(id))
    }

    /// The handle of a job.
    #[must_use]
    pub fn get(&self, id: &JobId) -> Option<&H> {
        self.jobs.get(id).map(|(_, handle)| handle)
    }

    /// The handles of all jobs, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &H> {
        self.jobs.values().rev().map(|(_, handle)| handle)
    }
}

fn key(request: &JobRequest) -> (JobKind, String) {
    (request.kind(), request.subject())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::request::ImportMode;

    fn request(subject: u8, source: u8) -> JobRequest {
        JobRequest::ImportModel {
            source: format!("/models/{source}.gguf").into(),
            file_name: "m.gguf".into(),
            model_id: format!("local:model-{subject}").parse().unwrap(),
            mode: ImportMode::default(),
        }
    }

    proptest! {
        #[test]
        fn one_job_a_subject_and_bounded_memory(
            steps in prop::collection::vec((0..4_u8, 0..2_u8, any::<bool>()), 0..60),
            active_limit in 1..4_usize,
            ended_limit in 0..4_usize,
        ) {
            let mut board = Board::new(BoardLimits { active: active_limit, ended: ended_limit });
            let mut active: Vec<(JobId, u8, u8)> = Vec::new();
            for (subject, source, end_one) in steps {
                if end_one && !active.is_empty() {
                    let (id, ..) = active.remove(usize::from(subject) % active.len());
                    board.ended(&id);
                    board.ended(&id);
                }
                let request = request(subject, source);
                match board.admit(&request) {
                    Ok(Admission::New) => {
                        prop_assert!(active.len() < active_limit);
                        prop_assert!(active.iter().all(|(_, other, _)| *other != subject));
                        let id = JobId::from(uuid::Uuid::now_v7());
                        board.put(id.clone(), request, id.clone());
                        active.push((id, subject, source));
                    }
                    Ok(Admission::Shared(id)) => prop_assert!(active.contains(&(id, subject, source))),
                    Err(Refusal::Conflict { job_id, .. }) => {
                        prop_assert!(active.iter().any(|job| (&job.0, job.1) == (&job_id, subject) && job.2 != source));
                    }
                    Err(Refusal::Full { .. }) => prop_assert_eq!(active.len(), active_limit),
                }
                let shown: Vec<JobId> = board.newest_first().cloned().collect();
                prop_assert!(shown.is_sorted_by(|a, b| a > b));
                prop_assert!(shown.len() <= active.len() + ended_limit);
                let shown: HashSet<_> = shown.into_iter().collect();
                prop_assert!(active.iter().all(|(id, ..)| shown.contains(id)), "what runs is always shown");
            }
        }
    }
}
