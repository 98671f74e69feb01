//! What every store keeps to, wherever it lies: the same suite on a folder and on a bucket.
//!
//! The bucket is one of an S3 server that is not ours. `RBEE_S3_SERVER` names the program (`s3s-fs`), which
//! the tests start and stop; `cargo xtask test --all` installs it and turns the feature `s3-contract` on.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod blobs;
mod documents;
mod fixture;
#[cfg(feature = "s3-contract")]
mod s3;

/// Each contract as a test on both kinds of store.
macro_rules! contracts {
    ($($room:ident::$contract:ident,)*) => {
        mod on_a_folder {
            $(
                #[tokio::test]
                async fn $contract() {
                    super::$room::$contract(super::fixture::Fixture::on_a_folder().await).await;
                }
            )*
        }

        #[cfg(feature = "s3-contract")]
        mod on_s3 {
            $(
                #[tokio::test]
                async fn $contract() {
                    let server = super::s3::Server::start().await;
                    super::$room::$contract(server.fixture().await).await;
                }
            )*
        }
    };
}

contracts! {
    blobs::a_file_becomes_a_blob,
    blobs::the_same_bytes_are_stored_once,
    blobs::large_files_come_back_as_they_were,
    blobs::the_wrong_digest_leaves_nothing,
    blobs::a_source_that_changes_leaves_nothing,
    blobs::cancelling_leaves_nothing,
    blobs::what_is_no_file_is_told,
    blobs::a_moved_file_is_gone_and_safe,
    blobs::a_verified_file_is_taken_and_gone,
    blobs::a_verified_file_of_another_size_is_refused,
    blobs::many_at_once_end_in_one_blob,
    blobs::a_deleted_blob_is_gone,
    blobs::blobs_are_listed,
    blobs::good_and_missing_blobs_are_told_apart,
    blobs::a_blob_set_aside_makes_room,
    documents::they_are_written_read_listed_and_removed,
    documents::they_are_replaced_as_a_whole,
    documents::they_are_set_aside_and_not_lost,
    documents::keys_that_are_no_names_are_refused,
    documents::many_are_listed_in_order,
    documents::a_store_is_found_again_under_its_url,
}
