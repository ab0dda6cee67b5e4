//! What the embedded broker does with bytes that no client of good will sends.

#![allow(clippy::unwrap_used, reason = "tests")]

use kafka_embedded::{EmbeddedKafka, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// All that comes back for these bytes until the broker hangs up.
async fn answer(kafka: &EmbeddedKafka, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(kafka.bootstrap()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is reset has been ended as well.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// API, version, correlation id and no client id, with its size before it.
fn frame(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let rest =
        [&api.to_be_bytes()[..], &version.to_be_bytes(), &7_i32.to_be_bytes(), &(-1_i16).to_be_bytes(), body].concat();
    [&i32::try_from(rest.len()).unwrap().to_be_bytes()[..], &rest].concat()
}

#[tokio::test]
async fn what_cannot_be_read_ends_its_own_connection_and_no_other() {
    let kafka = EmbeddedKafka::start(Options { request_bytes_max: 1 << 20, ..Options::default() }).await.unwrap();
    let other = TcpStream::connect(kafka.bootstrap()).await.unwrap();

    // Too large, negative, no header, no such API, no such version, a body that ends too early, two billion topics in ten bytes.
    let too_large = (1_i32 << 21).to_be_bytes();
    let unreadable = [
        &too_large[..],
        &(-1_i32).to_be_bytes(),
        &[0, 0, 0, 2, 0, 0],
        &frame(999, 0, &[]),
        &frame(3, 99, &[]),
        &frame(3, 1, &[0]),
        &frame(3, 1, &i32::MAX.to_be_bytes()),
    ];
    for bytes in unreadable {
        assert!(answer(&kafka, bytes).await.is_empty(), "{bytes:?}");
    }

    // Metadata 1 of no topics: answered with the correlation id.
    let mut other = other;
    other.write_all(&frame(3, 1, &[0, 0, 0, 0])).await.unwrap();
    let mut start = [0; 8];
    other.read_exact(&mut start).await.unwrap();
    assert_eq!(start[4..], [0, 0, 0, 7]);
}

#[tokio::test]
async fn a_version_that_is_too_new_is_told_the_versions_there_are() {
    let kafka = EmbeddedKafka::start(Options::default()).await.unwrap();
    let mut stream = TcpStream::connect(kafka.bootstrap()).await.unwrap();

    stream.write_all(&frame(18, 99, &[])).await.unwrap();
    let mut start = [0; 14];
    stream.read_exact(&mut start).await.unwrap();

    // Size, correlation id, UNSUPPORTED_VERSION, and how many APIs follow (KIP-35).
    assert_eq!(start[4..10], [0, 0, 0, 7, 0, 35]);
    assert!(i32::from_be_bytes(start[10..].try_into().unwrap()) > 30);
}
