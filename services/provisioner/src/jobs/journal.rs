//! Jobs as they lie on disk, so that they outlive the program: `<work_dir>/jobs/<id>.json`, one document a job,
//! replaced as a whole. Blocking.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rbee_artifacts::JobId;
use serde::{Deserialize, Serialize};

use crate::domain::imported::ImportJob;
use crate::domain::plan::Plan;
use crate::domain::request::JobRequest;

/// The version of the documents' layout; counts up when an older program could not read it.
const SCHEMA_VERSION: u32 = 1;
/// A job's document is small; a larger one is none.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

/// Everything that must be known of a job to list it or to go on with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    schema_version: u32,
    /// What it was asked to do.
    pub(crate) request: JobRequest,
    /// The job as it was when this was written.
    pub(crate) job: ImportJob,
    /// Whether it was asked to end.
    #[serde(default)]
    pub(crate) cancel_requested: bool,
    /// Whether its part is to go with it.
    #[serde(default)]
    pub(crate) discard: bool,
    /// What a download fetches, once that was decided: the same commit again after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Box<Plan>>,
}

impl JobRecord {
    pub(crate) fn new(request: JobRequest, job: ImportJob) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            request,
            job,
            cancel_requested: false,
            discard: false,
            plan: None,
        }
    }
}

/// What a start finds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Jobs in the order in which they were asked for.
    pub(crate) records: Vec<JobRecord>,
    /// Documents that were not understood, and what is wrong with each.
    pub(crate) set_aside: Vec<(PathBuf, String)>,
}

/// The folder of the jobs' documents. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// The journal in `folder`, which is made if it is not there.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Writes a job in place of what was there. When this returns, it lasts.
    pub(crate) fn write(&self, record: &JobRecord) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(record).map_err(io::Error::other)?;
        text.push(b'\n');
        let path = self.path(&record.job.id);
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        self.sync()
    }

    /// Removes a job's document, if it is there.
    pub(crate) fn remove(&self, id: &JobId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads all jobs. What is not understood is renamed, so that it is looked at and not lost.
    pub(crate) fn read(&self) -> io::Result<Found> {
        let mut found = Found::default();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => match read(&path) {
                    Ok(record) => found.records.push(record),
                    Err(problem) => {
                        fs::rename(&path, path.with_extension("damaged"))?;
                        found.set_aside.push((path, problem));
                    }
                },
                // It was being written when the program was killed; what it was to replace is there.
                Some("new") => fs::remove_file(&path)?,
                _ => {}
            }
        }
        // Ids sort by time.
        found.records.sort_by(|a, b| a.job.id.cmp(&b.job.id));
        Ok(found)
    }

    fn path(&self, id: &JobId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    #[cfg(unix)]
    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn read(path: &Path) -> Result<JobRecord, String> {
    let size_bytes = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size_bytes > MAX_DOCUMENT_BYTES {
        return Err(format!("it has {size_bytes} bytes"));
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    #[derive(Deserialize)]
    struct Version {
        schema_version: u32,
    }
    let version: Version = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if version.schema_version > SCHEMA_VERSION {
        return Err("a newer version of rbee wrote it".to_owned());
    }
    let record: JobRecord = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    if stem != Some(record.job.id.to_string().as_str()) {
        return Err("it is of another job".to_owned());
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::job::{Job, JobEvent, JobFailure};

    fn record() -> JobRecord {
        let request = JobRequest::VerifyModels { model_ids: vec![] };
        let job = Job::new(uuid::Uuid::now_v7().into(), &request, Timestamp::UNIX_EPOCH);
        JobRecord::new(request, job)
    }

    #[test]
    fn jobs_are_found_again_in_order_and_what_is_damaged_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path().join("jobs")).unwrap();
        let (first, mut second) = (record(), record());
        let failure = JobFailure {
            reason: "DISK_FULL",
            message: "the disk is full".into(),
        };
        second
            .job
            .apply(JobEvent::Failed(failure), Timestamp::UNIX_EPOCH)
            .unwrap();
        journal.write(&second).unwrap();
        journal.write(&first).unwrap();
        fs::write(folder.path().join("jobs/x.json"), "{").unwrap();
        fs::write(folder.path().join("jobs/y.json"), "{\"schema_version\": 99}").unwrap();
        fs::write(folder.path().join("jobs/z.new"), "half").unwrap();
        let other = folder.path().join(format!("jobs/{}.json", uuid::Uuid::now_v7()));
        fs::copy(journal.path(&first.job.id), other).unwrap();
        let found = journal.read().unwrap();
        assert_eq!(found.records, [first.clone(), second.clone()]);
        assert_eq!(found.set_aside.len(), 3);
        let again = journal.read().unwrap();
        assert!(again.set_aside.is_empty(), "what was set aside stays there");
        journal.remove(&first.job.id).unwrap();
        journal.remove(&first.job.id).unwrap();
        assert_eq!(journal.read().unwrap().records, [second]);
    }
}
