//! Bounds of what a request may hold, so that no client can fill the catalog's memory or disk.

/// A field of a request is missing, malformed or out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    /// The field's path in the request, such as `model.files[2].sha256`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl InvalidField {
    /// Says what is wrong with a field.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors and texts are handed over where they are made"
    )]
    pub fn new(field: impl Into<String>, problem: impl ToString) -> Self {
        Self {
            field: field.into(),
            problem: problem.to_string(),
        }
    }
}

/// Names to show, versions, labels.
pub const MAX_LABEL_BYTES: usize = 256;
/// Words of explanation.
pub const MAX_MESSAGE_BYTES: usize = 4096;
/// Addresses.
pub const MAX_ADDRESS_BYTES: usize = 1024;
/// Entries of a model's metadata.
pub const MAX_METADATA_ENTRIES: usize = 256;
/// A model's metadata, names and values together. Model cards and chat templates don't belong there.
pub const MAX_METADATA_BYTES: usize = 64 * 1024;
/// Files of a model. The largest published models have a few hundred shards.
pub const MAX_FILES: usize = 2048;
/// The name of a file within a model.
pub const MAX_FILE_NAME_BYTES: usize = 512;
/// A request's id.
pub const MAX_REQUEST_ID_BYTES: usize = 128;
/// Devices of a hive.
pub const MAX_DEVICES: usize = 256;
/// Which start of a hive speaks.
pub const MAX_INSTANCE_BYTES: usize = 64;
/// Workers of a hive.
pub const MAX_WORKERS: usize = 1024;
/// Lines of a failed worker's log that are kept; the last ones are.
pub const KEPT_LOG_LINES: usize = 50;
/// Bytes of these lines that are kept, together. Lists of workers are not paged, and gRPC clients take
/// 4 MiB at most unless told otherwise: this leaves room for hundreds of failed workers.
pub const KEPT_LOG_BYTES: usize = 8 * 1024;

/// Checks a text of one line that may be empty.
///
/// # Errors
/// If it is too long, or has control characters: it goes into logs and onto terminals.
pub fn text(field: &str, text: String, max_bytes: usize) -> Result<String, InvalidField> {
    if text.contains(char::is_control) {
        return Err(InvalidField::new(field, "must not have control characters"));
    }
    if text.len() > max_bytes {
        let problem = format!("is {} bytes long; at most {max_bytes} are allowed", text.len());
        return Err(InvalidField::new(field, problem));
    }
    Ok(text)
}

/// Checks a text of one line that must say something.
///
/// # Errors
/// If it is empty or too long, or has control characters.
pub fn required_text(field: &str, value: String, max_bytes: usize) -> Result<String, InvalidField> {
    if value.is_empty() {
        return Err(InvalidField::new(field, "must not be empty"));
    }
    text(field, value, max_bytes)
}

/// Checks how many items a list has.
///
/// # Errors
/// If it has too many.
pub fn count<T>(field: &str, items: Vec<T>, max: usize) -> Result<Vec<T>, InvalidField> {
    if items.len() > max {
        let problem = format!("has {} items; at most {max} are allowed", items.len());
        return Err(InvalidField::new(field, problem));
    }
    Ok(items)
}

/// The last lines of a log that fit into the bounds. A line that is longer than all of them together is
/// left out with those before it.
#[must_use]
pub fn log_tail(lines: Vec<String>) -> Vec<String> {
    let mut left_bytes = KEPT_LOG_BYTES;
    let fitting = lines
        .iter()
        .rev()
        .take(KEPT_LOG_LINES)
        .take_while(|line| {
            let fits = line.len() <= left_bytes;
            left_bytes = left_bytes.saturating_sub(line.len());
            fits
        })
        .count();
    let skipped = lines.len() - fitting;
    lines.into_iter().skip(skipped).collect()
}

/// Cuts a text to at most `max_bytes`, between characters.
#[must_use]
pub fn shortened(mut text: String, max_bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(max_bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_name_the_field() {
        assert_eq!(text("name", "abc".into(), 3), Ok("abc".into()));
        let error = text("model.name", "abcd".into(), 3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "model.name: is 4 bytes long; at most 3 are allowed"
        );
        assert_eq!(
            required_text("name", String::new(), 3).unwrap_err().problem,
            "must not be empty"
        );
        assert!(count("files", vec![1, 2, 3], 2).is_err());
        assert!(text("name", "a\nb".into(), 9).is_err());
    }

    #[test]
    fn a_log_keeps_its_end() {
        let lines: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(log_tail(lines.clone()), lines[50..]);
        let long = "x".repeat(3000);
        assert_eq!(log_tail(vec![long.clone(); 5]), [long.clone(), long.clone()]);
        let endless = "x".repeat(KEPT_LOG_BYTES + 1);
        assert_eq!(log_tail(vec![endless, long.clone()]), [long]);
        assert!(log_tail(vec![]).is_empty());
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(shortened("aé".into(), 2), "a");
        assert_eq!(shortened("aé".into(), 3), "aé");
        assert_eq!(shortened("a".into(), 3), "a");
    }
}
