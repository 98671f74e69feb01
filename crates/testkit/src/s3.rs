//! A server of the S3 protocol on loopback, for tests of what reads and writes a store in a bucket: objects in memory,
//! any keys accepted, and it misbehaves on command. What it says is what `object_store` needs of the Amazon S3 API
//! Reference (`GetObject`, `HeadObject`, `PutObject`, `CopyObject`, `DeleteObject`, `ListObjectsV2`, multipart uploads);
//! that rbee speaks to servers that are not ours is what the store's contract tests are for.

mod bucket;
mod server;

pub use bucket::Get;
pub use server::S3Server;
