//! Which file a download means: scored, not matched.

use super::model::CivitaiFile;

/// What a download asked for. What has no value was not asked for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Selectors {
    pub(super) kind: Option<String>,
    pub(super) format: Option<String>,
    pub(super) size: Option<String>,
    pub(super) fp: Option<String>,
}

/// The file with most points of those whose type fits; the earlier of two alike. `None` if no type fits.
///
/// Each of format, size and fp that a file *has* gives or costs 100, 10 or 1, against what was asked or,
/// where nothing was, against a pruned fp16 safetensors. A model file has 1000 more.
pub(super) fn best<'a, T>(
    files: &'a [T],
    about: impl Fn(&T) -> &CivitaiFile,
    asked: &Selectors,
) -> Option<&'a T> {
    let score = |file: &CivitaiFile| {
        let point = |have: &Option<String>, asked: &Option<String>, otherwise: &str, weight: i32| {
            let wanted = asked.as_deref().unwrap_or(otherwise);
            have.as_deref()
                .map_or(0, |have| if have == wanted { weight } else { -weight })
        };
        let model = if ["Model", "Pruned Model"].contains(&file.kind.as_str()) {
            1000
        } else {
            0
        };
        model
            + point(&file.format, &asked.format, "SafeTensor", 100)
            + point(&file.size, &asked.size, "pruned", 10)
            + point(&file.fp, &asked.fp, "fp16", 1)
    };
    files
        .iter()
        .filter(|file| asked.kind.as_ref().is_none_or(|kind| *kind == about(file).kind))
        // Of equals `max_by_key` takes the last, and the hub's stable sort the first.
        .rev()
        .max_by_key(|file| score(about(file)))
}

/// Whether a file says otherwise than what was asked.
pub(super) fn contradicts(file: &CivitaiFile, asked: &Selectors) -> bool {
    [
        (&file.format, &asked.format),
        (&file.size, &asked.size),
        (&file.fp, &asked.fp),
    ]
    .iter()
    .any(|(have, asked)| have.is_some() && asked.is_some() && have != asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::FileBody;

    fn file(id: u64, kind: &str, format: &str, size: &str, fp: &str) -> CivitaiFile {
        CivitaiFile::new(id, "f", FileBody::bytes("f"))
            .kind(kind)
            .metadata(format, size, fp)
    }

    fn asked(kind: &str, format: &str, size: &str, fp: &str) -> Selectors {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Selectors {
            kind: some(kind),
            format: some(format),
            size: some(size),
            fp: some(fp),
        }
    }

    #[test]
    fn points_decide() {
        let files = [
            file(1, "VAE", "SafeTensor", "pruned", "fp16"),
            file(2, "Model", "PickleTensor", "pruned", "fp16"),
            file(3, "Model", "SafeTensor", "full", "fp32"),
            file(4, "Model", "SafeTensor", "full", "fp16"),
            file(5, "Model", "SafeTensor", "full", "fp16"),
            file(6, "Pruned Model", "", "", ""),
        ];
        let pick = |asked: &Selectors| best(&files, |file| file, asked).map(|file| file.id);
        assert_eq!(
            pick(&asked("", "", "", "")),
            Some(4),
            "nothing asked: the hub's own taste"
        );
        assert_eq!(pick(&asked("", "PickleTensor", "", "")), Some(2));
        assert_eq!(pick(&asked("", "SafeTensor", "full", "fp32")), Some(3));
        assert_eq!(pick(&asked("VAE", "", "", "")), Some(1));
        assert_eq!(
            pick(&asked("Config", "", "", "")),
            None,
            "the type alone is matched"
        );
        // Nothing has bf16; a file that says nothing about itself loses nothing.
        assert_eq!(pick(&asked("", "GGUF", "full", "bf16")), Some(6));
        assert_eq!(
            pick(&asked("", "SafeTensor", "", "bf16")),
            Some(3),
            "another file comes back"
        );
        assert!(contradicts(&files[2], &asked("", "SafeTensor", "", "bf16")));
        assert!(!contradicts(&files[5], &asked("", "GGUF", "full", "bf16")));
    }
}
