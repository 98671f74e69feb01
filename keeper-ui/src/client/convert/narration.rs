//! Lines of what happens.

use rbee_proto::events::v1::{Event, EventLevel as ProtoLevel};

use super::time::timestamp;
use crate::model::ids::{JobId, WorkerId};
use crate::model::narration::{EventLevel, NarrationLine};

/// A line.
#[must_use]
pub fn line(told: Event) -> NarrationLine {
    let level = match told.level() {
        ProtoLevel::Unspecified | ProtoLevel::Info => EventLevel::Info,
        ProtoLevel::Warning => EventLevel::Warning,
        ProtoLevel::Error => EventLevel::Error,
    };
    NarrationLine {
        number: 0,
        at: timestamp(told.at),
        level,
        service: told.service,
        message: told.message,
        job: (!told.job_id.is_empty()).then(|| JobId::from(told.job_id)),
        worker: (!told.worker_id.is_empty()).then(|| WorkerId::from(told.worker_id)),
        fields: told.fields.into_iter().collect(),
    }
}
