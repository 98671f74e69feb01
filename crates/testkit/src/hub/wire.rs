//! An answer onto the wire, with what goes wrong there.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::apply::{Cut, WireFaults};
use super::response::{Framing, Response};

/// What is left to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The answer is out as announced: another request may come.
    KeepAlive,
    /// Close in order.
    Close,
    /// Reset it.
    Reset,
    /// Say nothing more, and wait until the client goes.
    Stall,
}

/// Writes `response`; `head_only` for the answer to a HEAD. `sent` hears of the body's bytes.
///
/// Dropping the future leaves the stream within an answer: the connection must go too.
pub(crate) async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    response: &Response,
    faults: &WireFaults,
    head_only: bool,
    mut sent: impl FnMut(u64),
) -> io::Result<Next> {
    stream.write_all(response.head().as_bytes()).await?;
    if head_only {
        return Ok(Next::KeepAlive);
    }
    let chunked = response.framing == Framing::Chunked;
    let end = response.start + response.len;
    let stop_at = faults
        .cut
        .map_or(end, |(bytes, _)| end.min(response.start.saturating_add(bytes)));
    let flip_at = faults.flip.and_then(|at| at.checked_rem(response.content.len()));
    let mut at = response.start;
    while at < stop_at {
        let most = faults.drip.map_or(u64::MAX, |(bytes, _)| bytes).min(stop_at - at);
        let mut chunk = response.content.chunk(at, most);
        let len = chunk.len() as u64;
        if let Some(flip) = flip_at.filter(|flip| (at..at + len).contains(flip)) {
            let mut bytes = chunk.to_vec();
            bytes[(flip - at) as usize] ^= 1;
            chunk = bytes.into();
        }
        if chunked {
            stream.write_all(format!("{len:x}\r\n").as_bytes()).await?;
        }
        stream.write_all(&chunk).await?;
        if chunked {
            stream.write_all(b"\r\n").await?;
        }
        sent(len);
        at += len;
        if let Some((_, pause)) = faults.drip {
            stream.flush().await?;
            tokio::time::sleep(pause).await;
        }
    }
    if let Some((_, cut)) = faults.cut {
        return Ok(match cut {
            Cut::Close => Next::Close,
            Cut::Reset => Next::Reset,
            Cut::Stall => Next::Stall,
        });
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(match response.framing {
        Framing::Claim(len) if len != response.len => Next::Close,
        _ => Next::KeepAlive,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::fault::Fault;

    async fn wire(response: &Response, faults: &[Fault]) -> (String, Next, u64) {
        let (mut out, mut bytes) = (Vec::new(), 0);
        let next = send(&mut out, response, &WireFaults::of(faults), false, |sent| {
            bytes += sent;
        })
        .await
        .unwrap();
        (String::from_utf8(out).unwrap(), next, bytes)
    }

    #[tokio::test]
    async fn bodies_on_the_wire() {
        let mut response = Response::text(200, "hello");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n";
        let whole = format!("{head}Content-Length: 5\r\n\r\nhello");
        assert_eq!(wire(&response, &[]).await, (whole, Next::KeepAlive, 5));
        let cut = format!("{head}Content-Length: 5\r\n\r\niel"); // 'h' ^ 1, then 'e' and 'l'
        assert_eq!(
            wire(
                &response,
                &[Fault::FlipBit { at: 10 }, Fault::ResetAfter { bytes: 3 }]
            )
            .await,
            (cut, Next::Reset, 3)
        );
        response.framing = Framing::Chunked;
        let drip = Fault::Drip {
            bytes: 3,
            pause: std::time::Duration::ZERO,
        };
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
        assert_eq!(wire(&response, &[drip]).await, (chunked, Next::KeepAlive, 5));
        response.framing = Framing::Claim(4);
        assert_eq!(wire(&response, &[]).await.1, Next::Close);
    }
}
