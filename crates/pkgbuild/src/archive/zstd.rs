//! Zstandard (RFC 8878) as archives have it: one frame after the other.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// All frames of a stream. A frame that asks for a window of more than 128 MiB is refused before memory is
/// taken for it: ruzstd's own limit, and zstd's.
pub(super) struct Frames<R: BufRead> {
    /// None after the last frame.
    decoder: Option<StreamingDecoder<R, FrameDecoder>>,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(packed: R) -> Result<Self, String> {
        match StreamingDecoder::new(packed) {
            Ok(decoder) => Ok(Self {
                decoder: Some(decoder),
            }),
            Err(error) => Err(format!("it is no zstd archive: {error}")),
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let bytes = decoder.read(buffer)?;
            if bytes > 0 || buffer.is_empty() {
                return Ok(bytes);
            }
            // The frame has ended: either another begins, or nothing is left.
            let Some((mut packed, state)) = self.decoder.take().map(StreamingDecoder::into_parts) else {
                break;
            };
            if !packed.fill_buf()?.is_empty() {
                let next = StreamingDecoder::new_with_decoder(packed, state).map_err(io::Error::other)?;
                self.decoder = Some(next);
            }
        }
        Ok(0)
    }
}
