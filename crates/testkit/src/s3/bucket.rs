//! Objects, and what was asked of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// A read of an object, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// The object's key, without the bucket.
    pub key: String,
    /// Where it was to begin.
    pub start: u64,
    /// Bytes of it that were handed to the system.
    pub sent_bytes: u64,
}

/// How the server misbehaves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mood {
    /// Every answer is 503.
    pub(super) fails: bool,
    /// No answer comes, and of bodies nothing more.
    pub(super) is_silent: bool,
    /// A body stops after this many bytes, and its connection closes.
    pub(super) cut_after: Option<u64>,
    /// The most bytes a second of each body.
    pub(super) bytes_per_second: Option<u64>,
}

/// What the server knows.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// By key, the bucket's name included.
    pub(super) objects: BTreeMap<String, Bytes>,
    pub(super) uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    pub(super) gets: Vec<Get>,
    pub(super) mood: Mood,
    next_upload: u64,
}

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    /// The length that is announced, if it is not the body's: the answer to a HEAD.
    pub(super) length: Option<u64>,
    /// Which of [`Bucket::gets`] it is.
    pub(super) get: Option<usize>,
}

impl Answer {
    pub(super) fn of(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    fn xml(status: u16, body: String) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", "application/xml".to_owned())],
            body: body.into(),
            ..Self::default()
        }
    }

    pub(super) fn error(status: u16, code: &str) -> Self {
        Self::xml(
            status,
            format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"),
        )
    }
}

/// A request whose body is here.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Decoded, without the slash in front: `bucket/key`.
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) range: Option<String>,
    pub(super) copy_source: Option<String>,
    pub(super) body: Bytes,
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex::encode(&Sha256::digest(bytes)[..16]))
}

/// Begin and end of a range: `bytes=a-b`, `bytes=a-` or `bytes=-n`.
fn range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        return Some((size.saturating_sub(last.parse().ok()?), size));
    }
    let start: u64 = first.parse().ok()?;
    let end = match last {
        "" => size,
        last => size.min(last.parse::<u64>().ok()? + 1),
    };
    (start < end).then_some((start, end))
}

impl Bucket {
    pub(super) fn answer(&mut self, asked: Asked) -> Answer {
        let has = |name: &str| asked.query.contains_key(name);
        match asked.method.as_str() {
            "GET" if has("list-type") => self.list(&asked),
            "GET" | "HEAD" => self.get(&asked),
            "PUT" if has("uploadId") => self.put_part(asked),
            "PUT" => self.put(asked),
            "POST" if has("uploads") => self.begin(&asked),
            "POST" if has("uploadId") => self.complete(&asked),
            "DELETE" if has("uploadId") => {
                self.uploads.remove(&asked.query["uploadId"]);
                Answer::of(204)
            }
            "DELETE" => {
                self.objects.remove(&asked.path);
                Answer::of(204)
            }
            _ => Answer::error(405, "MethodNotAllowed"),
        }
    }

    fn get(&mut self, asked: &Asked) -> Answer {
        let Some(object) = self.objects.get(&asked.path).cloned() else {
            return Answer::error(404, "NoSuchKey");
        };
        let size = object.len() as u64;
        let mut headers = vec![
            ("ETag", etag(&object)),
            ("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT".to_owned()),
            ("Accept-Ranges", "bytes".to_owned()),
        ];
        if asked.method == "HEAD" {
            return Answer {
                status: 200,
                headers,
                length: Some(size),
                ..Answer::default()
            };
        }
        let (status, start, end) = match asked.range.as_deref().map(|text| range(text, size)) {
            None => (200, 0, size),
            Some(None) => return Answer::error(416, "InvalidRange"),
            Some(Some((start, end))) => {
                headers.push(("Content-Range", format!("bytes {start}-{}/{size}", end - 1)));
                (206, start, end)
            }
        };
        self.gets.push(Get {
            key: asked
                .path
                .split_once('/')
                .map_or_else(String::new, |(_, key)| key.to_owned()),
            start,
            sent_bytes: 0,
        });
        Answer {
            status,
            headers,
            body: object.slice(start as usize..end as usize),
            length: None,
            get: Some(self.gets.len() - 1),
        }
    }

    fn list(&self, asked: &Asked) -> Answer {
        let text = |name: &str| asked.query.get(name).map_or("", String::as_str);
        let base = format!("{}/", asked.path.trim_end_matches('/'));
        let (prefix, delimiter) = (text("prefix"), text("delimiter"));
        let mut rows = String::new();
        let mut folders = std::collections::BTreeSet::new();
        for (path, object) in &self.objects {
            let Some(key) = path.strip_prefix(&base).filter(|key| key.starts_with(prefix)) else {
                continue;
            };
            let rest = &key[prefix.len()..];
            if let Some((folder, _)) = rest.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
                folders.insert(format!("{prefix}{folder}{delimiter}"));
                continue;
            }
            rows += &format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-02T10:00:00.000Z</LastModified><ETag>{}</ETag>\
                 <Size>{}</Size></Contents>",
                etag(object).replace('"', "&quot;"),
                object.len()
            );
        }
        for folder in folders {
            rows += &format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
        }
        Answer::xml(
            200,
            format!("<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"),
        )
    }

    fn put(&mut self, asked: Asked) -> Answer {
        let content = match &asked.copy_source {
            None => asked.body,
            Some(source) => match self.objects.get(source.trim_start_matches('/')) {
                Some(content) => content.clone(),
                None => return Answer::error(404, "NoSuchKey"),
            },
        };
        let tag = etag(&content);
        self.objects.insert(asked.path, content);
        if asked.copy_source.is_some() {
            return Answer::xml(
                200,
                format!(
                    "<CopyObjectResult><ETag>{}</ETag></CopyObjectResult>",
                    tag.replace('"', "&quot;")
                ),
            );
        }
        Answer {
            headers: vec![("ETag", tag)],
            ..Answer::of(200)
        }
    }

    fn begin(&mut self, asked: &Asked) -> Answer {
        self.next_upload += 1;
        let id = format!("upload-{}", self.next_upload);
        self.uploads.insert(id.clone(), BTreeMap::new());
        let (bucket, key) = asked.path.split_once('/').unwrap_or((&asked.path, ""));
        Answer::xml(
            200,
            format!(
                "<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId>\
                 </InitiateMultipartUploadResult>"
            ),
        )
    }

    fn put_part(&mut self, asked: Asked) -> Answer {
        let number = asked
            .query
            .get("partNumber")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let tag = etag(&asked.body);
        match self.uploads.get_mut(&asked.query["uploadId"]) {
            Some(parts) => {
                parts.insert(number, asked.body);
                Answer {
                    headers: vec![("ETag", tag)],
                    ..Answer::of(200)
                }
            }
            None => Answer::error(404, "NoSuchUpload"),
        }
    }

    fn complete(&mut self, asked: &Asked) -> Answer {
        let Some(parts) = self.uploads.remove(&asked.query["uploadId"]) else {
            return Answer::error(404, "NoSuchUpload");
        };
        let content: Vec<u8> = parts.into_values().flatten().collect();
        let tag = etag(&content).replace('"', "&quot;");
        self.objects.insert(asked.path.clone(), content.into());
        Answer::xml(
            200,
            format!(
                "<CompleteMultipartUploadResult><Location>x</Location><Bucket>b</Bucket><Key>k</Key><ETag>{tag}</ETag>\
                 </CompleteMultipartUploadResult>"
            ),
        )
    }
}
