//! A step that began.

use super::record::{SpawnEvent, SpawnRecord};
use crate::domain::SpawnStep;

/// A step that began.
pub(super) struct Step<'a> {
    record: &'a SpawnRecord,
    step: SpawnStep,
}

impl<'a> Step<'a> {
    pub(super) fn begin(record: &'a SpawnRecord, step: SpawnStep) -> Self {
        record.write(SpawnEvent::Started(step));
        Self { record, step }
    }

    pub(super) fn finish(self, detail: String) {
        self.record.write(SpawnEvent::Finished(self.step, detail));
    }
}
