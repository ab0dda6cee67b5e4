use proptest::prelude::*;

use super::*;
use crate::ids::{ConfigOffset, TaskId};

/// Bytes that Kafka 4.3's own serialiser made.
mod java {
    pub(super) const METADATA: [&str; 3] = [
        "0000000b687474703a2f2f773a312f0000000000000005",
        "0001000b687474703a2f2f773a312f0000000000000005ffffffff",
        "0002000b687474703a2f2f773a312f0000000000000005ffffffff",
    ];
    pub(super) const METADATA_WITH_ALLOCATION: [&str; 3] = [
        METADATA[0],
        "0001000b687474703a2f2f773a312f0000000000000005000000420001000000014c000b687474703a2f2f6c3a312f\
         00000000000000050000000200016300000002ffffffff000000000001640000000100000001000000000000012c",
        "0002000b687474703a2f2f773a312f0000000000000005000000420002000000014c000b687474703a2f2f6c3a312f\
         00000000000000050000000200016300000002ffffffff000000000001640000000100000001000000000000012c",
    ];
    pub(super) const ASSIGNMENT_V0: &str = "0000000000014c000b687474703a2f2f6c3a312f0000000000000005\
         0000000200016300000002ffffffff000000000001640000000100000001";
    pub(super) const ASSIGNMENT_V2: &str = "0002000000014c000b687474703a2f2f6c3a312f0000000000000005\
         0000000200016300000002ffffffff0000000000016400000001000000010000000100017200000002ffffffff000000020000012c";
    pub(super) const MISMATCH: [&str; 2] = [
        "0001000100014c000b687474703a2f2f6c3a312f0000000000000005000000000000000000000000",
        "0002000100014c000b687474703a2f2f6c3a312f0000000000000005000000000000000000000000",
    ];
}

const PROTOCOLS: [Subprotocol; 3] = [Subprotocol::Eager, Subprotocol::Compatible, Subprotocol::Sessioned];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|digit| !digit.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

fn work(connectors: &[&str], tasks: &[(&str, u32)]) -> ConnectorsAndTasks {
    ConnectorsAndTasks {
        connectors: connectors.iter().map(|name| (*name).into()).collect(),
        tasks: tasks.iter().map(|(name, task)| TaskId::new(*name, *task)).collect(),
    }
}

fn metadata(allocation: Option<Assignment>) -> WorkerMetadata {
    WorkerMetadata { url: "http://w:1/".to_owned(), config_offset: ConfigOffset(5), allocation }
}

fn assignment() -> Assignment {
    Assignment {
        error: AssignmentError::None,
        leader: "L".into(),
        leader_url: "http://l:1/".to_owned(),
        config_offset: ConfigOffset(5),
        assigned: work(&["c"], &[("c", 0), ("d", 1)]),
        revoked: work(&["r"], &[("r", 2)]),
        delay_ms: 300,
    }
}

/// What a member sends of its assignment: the revoked is gone.
fn allocation() -> Assignment {
    Assignment { revoked: ConnectorsAndTasks::default(), ..assignment() }
}

#[test]
fn metadata_has_the_bytes_that_java_writes() {
    for (protocol, expected) in PROTOCOLS.into_iter().zip(java::METADATA) {
        assert_eq!(hex(&metadata(None).encode(protocol).unwrap()), expected);
        assert_eq!(WorkerMetadata::decode(&bytes(expected)).unwrap(), metadata(None));
    }
}

#[test]
fn an_allocation_is_an_assignment_with_a_version_of_its_own() {
    for (protocol, expected) in PROTOCOLS.into_iter().zip(java::METADATA_WITH_ALLOCATION) {
        let metadata = metadata(Some(allocation()));

        assert_eq!(hex(&metadata.encode(protocol).unwrap()), expected);
        let sent = (protocol != Subprotocol::Eager).then(allocation);
        assert_eq!(WorkerMetadata::decode(&bytes(expected)).unwrap().allocation, sent);
    }
}

#[test]
fn an_assignment_has_the_bytes_that_java_writes() {
    assert_eq!(hex(&assignment().encode(Subprotocol::Sessioned).unwrap()), java::ASSIGNMENT_V2);
    assert_eq!(hex(&assignment().encode(Subprotocol::Eager).unwrap()), java::ASSIGNMENT_V0);
    assert_eq!(Assignment::decode(&bytes(java::ASSIGNMENT_V2)).unwrap(), assignment());
}

#[test]
fn an_eager_assignment_revokes_nothing_and_has_no_delay() {
    let decoded = Assignment::decode(&bytes(java::ASSIGNMENT_V0)).unwrap();

    assert_eq!(decoded, Assignment { revoked: ConnectorsAndTasks::default(), delay_ms: 0, ..assignment() });
}

#[test]
fn nothing_is_an_empty_array_and_never_null() {
    let mismatch = Assignment {
        error: AssignmentError::ConfigMismatch,
        assigned: ConnectorsAndTasks::default(),
        revoked: ConnectorsAndTasks::default(),
        delay_ms: 0,
        ..assignment()
    };

    assert_eq!(hex(&mismatch.encode(Subprotocol::Compatible).unwrap()), java::MISMATCH[0]);
    assert_eq!(hex(&mismatch.encode(Subprotocol::Sessioned).unwrap()), java::MISMATCH[1]);
    assert!(Assignment::decode(&bytes(java::MISMATCH[1])).unwrap().failed());
}

#[test]
fn what_a_worker_sent_at_its_second_join_can_be_read() {
    // Captured from a Kafka 4.3 worker that had read three records and had nothing to do.
    let allocation = Assignment {
        leader: "connect-127.0.0.1:38083-0f0e0d0c-0b0a-4908-8706-050403020100".into(),
        leader_url: "http://127.0.0.1:38083/".to_owned(),
        config_offset: ConfigOffset::EMPTY,
        assigned: ConnectorsAndTasks::default(),
        delay_ms: 0,
        ..allocation()
    };
    let metadata = WorkerMetadata {
        url: "http://127.0.0.1:38083/".to_owned(),
        config_offset: ConfigOffset(3),
        allocation: Some(allocation),
    };

    let sent = metadata.encode(Subprotocol::Sessioned).unwrap();

    // Its length, and the lengths of leader and address inside.
    assert_eq!(hex(&sent[2 + 2 + 23 + 8..][..4]), "0000006f");
    assert_eq!(hex(&sent[2 + 2 + 23 + 8 + 4..][..6]), "00020000003c");
    assert_eq!(WorkerMetadata::decode(&sent).unwrap(), metadata);
}

#[test]
fn a_null_array_is_read_as_empty() {
    let decoded =
        Assignment::decode(&bytes("0001 0000 00014c 0000 0000000000000005 ffffffff ffffffff 00000007")).unwrap();

    assert!(decoded.assigned.is_empty() && decoded.revoked.is_empty());
    assert_eq!(decoded.delay_ms, 7);
}

#[test]
fn a_later_version_is_read_as_the_latest_known() {
    let later = format!("0009{}cafe", &java::ASSIGNMENT_V2[4..]);

    assert_eq!(Assignment::decode(&bytes(&later)).unwrap(), assignment());
}

#[test]
fn a_version_below_zero_does_not_exist() {
    assert_eq!(Assignment::decode(&bytes("ffff")), Err(DecodeError::Version(-1)));
    assert_eq!(WorkerMetadata::decode(&bytes("fffe")), Err(DecodeError::Version(-2)));
}

#[test]
fn a_field_that_is_missing_at_the_end_has_its_default() {
    let decoded = Assignment::decode(&bytes("0001 0007 00014c 0000 0000000000000005")).unwrap();

    assert_eq!(decoded.error, AssignmentError::Other(7));
    assert!(decoded.failed() && decoded.assigned.is_empty() && decoded.revoked.is_empty() && decoded.delay_ms == 0);
}

#[test]
fn a_field_that_ends_too_early_is_an_error() {
    for cut in ["0001 0007 00014c 0000 0000000000000005 00", "0000 000163 00000000000000", "00"] {
        assert!(matches!(Assignment::decode(&bytes(cut)), Err(DecodeError::Malformed(_))), "{cut}");
    }
}

#[test]
fn a_delay_below_zero_is_none() {
    let decoded =
        Assignment::decode(&bytes("0001 0000 00014c 0000 0000000000000005 ffffffff ffffffff fffffffe")).unwrap();

    assert_eq!(decoded.delay_ms, 0);
}

#[test]
fn a_task_below_the_connector_is_an_error() {
    let bytes = bytes("0001 0000 00014c 0000 0000000000000005 00000001 000163 00000001 fffffffe");

    assert_eq!(Assignment::decode(&bytes), Err(DecodeError::Task { connector: "c".to_owned(), task: -2 }));
}

#[test]
fn a_count_that_can_not_be_is_an_error_before_anything_is_reserved() {
    let bytes = bytes("0001 0000 00014c 0000 0000000000000005 7fffffff 000163");

    assert!(matches!(Assignment::decode(&bytes), Err(DecodeError::Malformed(_))));
}

#[test]
fn a_name_that_is_too_long_is_an_error() {
    let long = "x".repeat(32_768);
    let assignment = Assignment { assigned: work(&[&long], &[]), ..assignment() };

    assert!(assignment.encode(Subprotocol::Sessioned).is_err());
}

#[test]
fn a_worker_offers_its_protocol_and_all_older_ones_in_this_order() {
    let offered = |config| {
        let preferred: Subprotocol = Subprotocol::from_config(config).unwrap();
        preferred.offered().iter().map(|protocol| protocol.name()).collect::<Vec<_>>()
    };

    assert_eq!(offered("eager"), ["default"]);
    assert_eq!(offered("COMPATIBLE"), ["compatible", "default"]);
    assert_eq!(offered("sessioned"), ["sessioned", "compatible", "default"]);
    assert_eq!(Subprotocol::from_config("default"), None);
}

#[test]
fn the_elected_protocol_is_found_by_its_name() {
    for protocol in PROTOCOLS {
        assert_eq!(Subprotocol::from_name(protocol.name()), Some(protocol));
    }
    assert_eq!(Subprotocol::from_name("eager"), None);
}

fn any_work() -> impl Strategy<Value = ConnectorsAndTasks> {
    let connectors = prop::collection::btree_set("[a-d]{0,2}", 0..4);
    let tasks = prop::collection::btree_map("[a-d]{0,2}", 0..4_u32, 0..4);
    (connectors, tasks).prop_map(|(connectors, tasks)| ConnectorsAndTasks {
        connectors: connectors.into_iter().map(Into::into).collect(),
        tasks: tasks
            .into_iter()
            .flat_map(|(name, tasks)| (0..tasks).map(move |task| TaskId::new(name.as_str(), task)))
            .collect(),
    })
}

prop_compose! {
    fn any_assignment()(
        error in any::<i16>(),
        leader in ".{0,9}",
        leader_url in ".{0,9}",
        offset in any::<i64>(),
        assigned in any_work(),
        revoked in any_work(),
        delay_ms in 0..=i32::MAX as u32,
    ) -> Assignment {
        let error = match error {
            0 => AssignmentError::None,
            1 => AssignmentError::ConfigMismatch,
            other => AssignmentError::Other(other),
        };
        let config_offset = ConfigOffset(offset);
        Assignment { error, leader: leader.into(), leader_url, config_offset, assigned, revoked, delay_ms }
    }
}

/// Order is kept within a connector; connectors with an instance come before those without.
fn sorted(mut work: ConnectorsAndTasks) -> ConnectorsAndTasks {
    work.connectors.sort();
    work.tasks.sort();
    work
}

proptest! {
    #[test]
    fn what_is_written_can_be_read(
        allocation in prop::option::of(any_assignment()),
        url in ".{0,20}",
        offset in any::<i64>(),
    ) {
        for protocol in [Subprotocol::Compatible, Subprotocol::Sessioned] {
            let metadata = WorkerMetadata { url: url.clone(), config_offset: ConfigOffset(offset), allocation: allocation.clone() };
            let mut decoded = WorkerMetadata::decode(&metadata.encode(protocol).unwrap()).unwrap();
            if let Some(allocation) = &mut decoded.allocation {
                allocation.assigned = sorted(std::mem::take(&mut allocation.assigned));
                allocation.revoked = sorted(std::mem::take(&mut allocation.revoked));
            }
            prop_assert_eq!(decoded, metadata);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = WorkerMetadata::decode(&bytes);
        let _ = Assignment::decode(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(position in 0..200_usize, byte in any::<u8>(), cut in 0..200_usize) {
        for golden in [java::ASSIGNMENT_V2, java::METADATA_WITH_ALLOCATION[2]] {
            let mut bytes = bytes(golden);
            let length = bytes.len();
            bytes[position % length] = byte;
            bytes.truncate(cut);
            let _ = WorkerMetadata::decode(&bytes);
            let _ = Assignment::decode(&bytes);
        }
    }
}
