//! Add-ons of workers.

use rbee_artifacts::ModelId;
use rbee_service_kit::Fault;

use crate::grpc::status;

/// Most add-ons in one request.
const MOST: usize = 64;

/// Reads which add-ons a client wants attached.
pub(crate) fn add_ons_from_wire(model_ids: &[String]) -> Result<Vec<ModelId>, Fault> {
    if !(1..=MOST).contains(&model_ids.len()) {
        return Err(Fault::invalid("model_ids", format!("must be 1 to {MOST} ids")));
    }
    model_ids
        .iter()
        .map(|id| id.parse().map_err(|error| status::invalid_model_id(&error)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_and_paths_are_none() {
        let read = |ids: &[&str]| {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            add_ons_from_wire(&ids)
        };
        assert_eq!(read(&["civitai:7", "local:honey"]).unwrap().len(), 2);
        assert!(read(&[]).is_err());
        assert!(read(&["civitai:7"; 65]).is_err());
        assert!(read(&["../../etc/passwd"]).is_err());
    }
}
