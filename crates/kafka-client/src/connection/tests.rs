//! A connection against a broker that is a few lines of script, over a pipe in memory. Time is paused:
//! it passes only when both sides wait.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, HeartbeatRequest, HeartbeatResponse, MetadataRequest, SaslAuthenticateResponse,
    SaslHandshakeResponse,
};
use kafka_protocol::protocol::Encodable;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;

use super::*;
use crate::config::ClientConfig;

/// The broker's end of the pipe.
struct Broker(DuplexStream);

struct Asked {
    api: ApiKey,
    version: i16,
    correlation_id: i32,
}

impl Broker {
    async fn next(&mut self) -> Asked {
        let size = self.0.read_i32().await.unwrap();
        let mut frame = vec![0; size as usize];
        self.0.read_exact(&mut frame).await.unwrap();
        let mut frame = Bytes::from(frame);
        let api = ApiKey::try_from(frame.get_i16()).unwrap();
        Asked { api, version: frame.get_i16(), correlation_id: frame.get_i32() }
    }

    async fn answer(&mut self, to: &Asked, response: &impl Encodable) {
        self.answer_in(to, to.version, response).await;
    }

    async fn answer_in(&mut self, to: &Asked, version: i16, response: &impl Encodable) {
        let mut frame = BytesMut::new();
        frame.put_i32(to.correlation_id);
        if to.api.response_header_version(version) >= 1 {
            frame.put_u8(0);
        }
        response.encode(&mut frame, version).unwrap();
        self.0.write_i32(frame.len() as i32).await.unwrap();
        self.0.write_all(&frame).await.unwrap();
    }

    /// Answers what a client asks first.
    async fn negotiate(&mut self) {
        let asked = self.next().await;
        assert_eq!((asked.api, asked.version), (ApiKey::ApiVersions, 3));
        self.answer(&asked, &versions(4)).await;
    }

    async fn heartbeat(&mut self) -> Asked {
        let asked = self.next().await;
        assert_eq!(asked.api, ApiKey::Heartbeat);
        asked
    }
}

/// Heartbeat up to `heartbeat`, and what authentication takes.
fn versions(heartbeat: i16) -> ApiVersionsResponse {
    let version = |api: ApiKey, max| ApiVersion::default().with_api_key(api as i16).with_max_version(max);
    ApiVersionsResponse::default().with_api_keys(vec![
        version(ApiKey::Heartbeat, heartbeat),
        version(ApiKey::SaslHandshake, 1),
        version(ApiKey::SaslAuthenticate, 2),
        version(ApiKey::Produce, 12),
    ])
}

fn config(extra: &[(&str, &str)]) -> ClientConfig {
    let mut props = BTreeMap::from([("bootstrap.servers".to_owned(), "b:1".to_owned())]);
    props.insert("client.id".to_owned(), "me".to_owned());
    props.extend(extra.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    ClientConfig::parse(&props).unwrap()
}

/// A connection that has not said anything yet, and its broker.
fn pipe(extra: &[(&str, &str)]) -> (Connection, Broker) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (read, write) = tokio::io::split(ours);
    let connector = Connector::new(config(extra)).unwrap();
    let endpoint = Endpoint { node_id: 7, host: "b".to_owned(), port: 1 };
    (connector.spawn(&endpoint, read, write), Broker(theirs))
}

/// A connection that is ready for requests.
async fn ready(extra: &[(&str, &str)]) -> (Connection, Broker) {
    let (connection, mut broker) = pipe(extra);
    let (ours, ()) = tokio::join!(setup::negotiate(&connection), broker.negotiate());
    ours.unwrap();
    (connection, broker)
}

const PATIENCE: Duration = Duration::from_secs(10);

async fn start(connection: &Connection) -> Pending<HeartbeatResponse> {
    connection.start(|_| Ok(HeartbeatRequest::default()), PATIENCE).await.unwrap()
}

fn response(error_code: i16) -> HeartbeatResponse {
    HeartbeatResponse::default().with_error_code(error_code)
}

fn says<T: fmt::Debug>(result: Result<T, ClientError>, words: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[tokio::test(start_paused = true)]
async fn many_requests_are_under_way_at_once_and_each_gets_its_own_answer() {
    let (connection, mut broker) = ready(&[]).await;

    let first = start(&connection).await;
    let second = start(&connection).await;
    let (asked_first, asked_second) = (broker.heartbeat().await, broker.heartbeat().await);
    broker.answer(&asked_first, &response(1)).await;
    broker.answer(&asked_second, &response(2)).await;

    assert_eq!(second.await.unwrap().error_code, 2);
    assert_eq!(first.await.unwrap().error_code, 1);
}

#[tokio::test(start_paused = true)]
async fn the_highest_version_that_both_sides_speak_is_used() {
    let (connection, mut broker) = pipe(&[]);
    let broker = async {
        let asked = broker.next().await;
        broker.answer(&asked, &versions(2)).await;
        broker
    };
    let (negotiated, mut broker) = tokio::join!(setup::negotiate(&connection), broker);
    negotiated.unwrap();

    let pending = start(&connection).await;
    let asked = broker.heartbeat().await;
    broker.answer(&asked, &response(0)).await;

    assert_eq!(asked.version, 2);
    assert!(pending.await.is_ok());
    assert_eq!(connection.version_of(ApiKey::Metadata), None);
    says(connection.call(MetadataRequest::default()).await, "does not support Metadata");
}

#[tokio::test(start_paused = true)]
async fn a_broker_too_old_for_our_first_question_is_asked_in_version_0() {
    let (connection, mut broker) = pipe(&[]);
    let broker = async {
        let asked = broker.next().await;
        let refusal = ApiVersionsResponse::default().with_error_code(35);
        broker.answer_in(&asked, 0, &refusal).await;
        let asked = broker.next().await;
        broker.answer(&asked, &versions(3)).await;
        asked.version
    };

    let (negotiated, asked_again) = tokio::join!(setup::negotiate(&connection), broker);

    negotiated.unwrap();
    assert_eq!(asked_again, 0);
    assert_eq!(connection.version_of(ApiKey::Heartbeat), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_times_out_and_takes_the_connection_with_it() {
    let (connection, mut broker) = ready(&[]).await;
    let began = Instant::now();

    let first = start(&connection).await;
    tokio::time::sleep(PATIENCE / 2).await;
    let second = start(&connection).await;
    broker.heartbeat().await;

    let error = first.await.unwrap_err();
    assert_eq!(began.elapsed(), PATIENCE);
    assert_eq!(error, ClientError::timeout("Heartbeat at b:1 (id 7) [client me]", PATIENCE));
    says(second.await, "timed out");
    assert!(connection.is_closed());
    says(connection.call(HeartbeatRequest::default()).await, "closed");
}

#[tokio::test(start_paused = true)]
async fn an_answer_nobody_waits_for_does_no_harm() {
    let (connection, mut broker) = ready(&[]).await;

    drop(start(&connection).await);
    let second = start(&connection).await;
    for code in [1, 2] {
        let asked = broker.heartbeat().await;
        broker.answer(&asked, &response(code)).await;
    }

    assert_eq!(second.await.unwrap().error_code, 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_out_of_step_ends_the_connection() {
    let (connection, mut broker) = ready(&[]).await;

    let pending = start(&connection).await;
    let mut asked = broker.heartbeat().await;
    asked.correlation_id += 1;
    broker.answer(&asked, &response(0)).await;

    says(pending.await, "out of step");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_up_fails_what_is_under_way() {
    let (connection, broker) = ready(&[]).await;

    let pending = start(&connection).await;
    drop(broker);

    let error = pending.await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
    assert!(connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_size_that_no_response_has_is_refused_before_anything_is_read() {
    for (head, words) in [
        (&[0x7f, 0xff, 0xff, 0xff], "outside 4..=104857600; a larger response needs"),
        (&[0xff, 0xff, 0xff, 0xff], "response of -1 bytes"),
        (&[0x15, 0x03, 0x03, 0x00], "TLS bytes"),
        (b"HTTP", "HTTP server"),
    ] {
        let (connection, mut broker) = ready(&[]).await;
        let pending = start(&connection).await;
        broker.0.write_all(head).await.unwrap();
        says(pending.await, words);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_an_error_and_the_end() {
    let (connection, mut broker) = ready(&[]).await;

    let pending = start(&connection).await;
    let asked = broker.heartbeat().await;
    // Ends in the middle of the throttle time.
    broker.0.write_all(&[0, 0, 0, 6, 0, 0, 0, asked.correlation_id as u8, 0, 0]).await.unwrap();

    says(pending.await, "malformed response");
    assert!(connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn after_a_throttled_answer_the_next_request_waits() {
    let (connection, mut broker) = ready(&[]).await;
    let pending = start(&connection).await;
    let asked = broker.heartbeat().await;
    broker.answer(&asked, &response(0).with_throttle_time_ms(700)).await;
    pending.await.unwrap();
    let throttled = Instant::now();

    let (_pending, _asked) = tokio::join!(start(&connection), broker.heartbeat());

    assert!(throttled.elapsed() >= Duration::from_millis(700));
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_bound_wait_for_a_place() {
    let (connection, mut broker) = ready(&[]).await;
    let mut pending = Vec::new();
    for _ in 0..IN_FLIGHT_MAX {
        pending.push(start(&connection).await);
    }
    let asked = broker.heartbeat().await;

    let one_more = tokio::spawn({
        let connection = connection.clone();
        async move { start(&connection).await.await }
    });
    tokio::time::sleep(PATIENCE / 2).await;
    assert!(!one_more.is_finished());
    broker.answer(&asked, &response(0)).await;
    for _ in 0..IN_FLIGHT_MAX {
        let asked = broker.heartbeat().await;
        broker.answer(&asked, &response(0)).await;
    }

    assert!(one_more.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_and_a_waiting_one_is_not() {
    let (connection, mut broker) = ready(&[("connections.max.idle.ms", "3000")]).await;
    let pending = start(&connection).await;
    let asked = broker.heartbeat().await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    broker.answer(&asked, &response(0)).await;
    assert!(pending.await.is_ok());
    assert!(!connection.is_closed());

    tokio::time::sleep(Duration::from_secs(4)).await;

    assert!(connection.is_closed());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_connection() {
    let (connection, mut broker) = ready(&[]).await;
    let clone = connection.clone();
    drop(connection);
    assert!(!clone.is_closed());

    drop(clone);

    let mut rest = Vec::new();
    assert_eq!(broker.0.read_to_end(&mut rest).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_produce_request_without_acks_expects_no_answer() {
    let (connection, mut broker) = ready(&[]).await;
    let frame = ProduceFrame { acks: 0, transactional_id: None, timeout_ms: 1000, topics: Vec::new() };

    let done = connection.start_produce(frame, PATIENCE).await.unwrap().await;
    let heartbeat = start(&connection).await;
    assert_eq!(broker.next().await.api, ApiKey::Produce);
    let asked = broker.heartbeat().await;
    broker.answer(&asked, &response(3)).await;

    assert!(done.unwrap().responses.is_empty());
    assert_eq!(heartbeat.await.unwrap().error_code, 3);
}

const PLAIN: &[(&str, &str)] = &[
    ("security.protocol", "SASL_PLAINTEXT"),
    ("sasl.mechanism", "PLAIN"),
    (
        "sasl.jaas.config",
        r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="s3cret";"#,
    ),
];

/// The broker's half of an authentication.
async fn admit(broker: &mut Broker, session_lifetime_ms: i64) {
    let asked = broker.next().await;
    assert_eq!(asked.api, ApiKey::SaslHandshake);
    broker.answer(&asked, &SaslHandshakeResponse::default()).await;
    let asked = broker.next().await;
    assert_eq!(asked.api, ApiKey::SaslAuthenticate);
    let accepted = SaslAuthenticateResponse::default().with_session_lifetime_ms(session_lifetime_ms);
    broker.answer(&asked, &accepted).await;
}

async fn admitted(session_lifetime_ms: i64) -> (Connection, Broker) {
    let (connection, mut broker) = ready(PLAIN).await;
    let (ours, ()) = tokio::join!(setup::authenticate(&connection), admit(&mut broker, session_lifetime_ms));
    ours.unwrap();
    (connection, broker)
}

async fn both<A: Future, B: Future>(ours: A, theirs: B) -> (A::Output, B::Output) {
    tokio::join!(ours, theirs)
}

#[tokio::test(start_paused = true)]
async fn credentials_are_shown_again_before_the_session_ends() {
    let (connection, mut broker) = admitted(10_000).await;
    let early = start(&connection).await;
    let asked_early = broker.heartbeat().await;
    tokio::time::sleep(Duration::from_millis(9_500)).await;

    let theirs = async {
        // An answer from before may come in the middle of it.
        broker.answer(&asked_early, &response(1)).await;
        admit(&mut broker, 10_000).await;
        let asked = broker.heartbeat().await;
        broker.answer(&asked, &response(2)).await;
    };
    let (late, ()) = both(async { start(&connection).await.await }, theirs).await;

    assert_eq!(late.unwrap().error_code, 2);
    assert_eq!(early.await.unwrap().error_code, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_end_is_not_renewed() {
    let (connection, mut broker) = admitted(0).await;
    tokio::time::sleep(Duration::from_secs(300)).await;

    let pending = start(&connection).await;

    let asked = broker.heartbeat().await;
    broker.answer(&asked, &response(0)).await;
    assert!(pending.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_end_the_connection_and_are_not_repeated() {
    let (connection, mut broker) = admitted(10_000).await;
    tokio::time::sleep(Duration::from_millis(9_500)).await;

    let theirs = async {
        let asked = broker.next().await;
        broker.answer(&asked, &SaslHandshakeResponse::default()).await;
        let asked = broker.next().await;
        let refused = SaslAuthenticateResponse::default().with_error_code(58);
        broker.answer(&asked, &refused).await;
    };
    let started = connection.start(|_| Ok(HeartbeatRequest::default()), PATIENCE);
    let (ours, ()) = both(started, theirs).await;

    let error = ours.err().unwrap();
    assert!(matches!(&error, ClientError::Auth { mechanism, .. } if mechanism == "PLAIN"));
    assert!(!format!("{error:?} {error}").contains("s3cret"));
    assert!(connection.is_closed());
}
