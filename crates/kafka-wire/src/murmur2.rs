//! Kafka's key hash and default partitioner.
//!
//! Must agree bit for bit with `org.apache.kafka.common.utils.Utils.murmur2`: compaction is per partition, so a worker that
//! hashes otherwise leaves two live copies of one key.

/// `Utils.murmur2`: the 32-bit MurmurHash2 with Kafka's seed, as Java's signed `int`.
#[must_use]
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Java's lengths are ints; a slice longer than that cannot come from Kafka, so the truncation is never seen.
    let mut h = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^= h >> 15;
    h as i32
}

/// The partition Java's default partitioner gives a non-null key: `(murmur2(key) & 0x7fffffff) % partitions`.
///
/// With `partitions` below 1 there is no answer in Java either (it divides by zero); here it is 0.
#[must_use]
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff).checked_rem(partitions.max(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_own_unit_test() {
        // UtilsTest.testMurmur2 in Apache Kafka.
        assert_eq!(murmur2(b"21"), -973_932_308);
        assert_eq!(murmur2(b"foobar"), -790_332_482);
        assert_eq!(murmur2(b"a-little-bit-long-string"), -985_981_536);
        assert_eq!(murmur2(b"a-little-bit-longer-string"), -1_486_304_829);
        assert_eq!(murmur2(b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58_897_971);
        assert_eq!(murmur2(b"abc"), 479_470_107);
    }

    #[test]
    fn keys_go_where_a_java_connect_worker_put_them() {
        // Observed in the offsets topic (25 partitions) and the status topic (5 partitions) of a Java 4.3.0 worker.
        let offset_key =
            |partition: i32| format!(r#"["mirror-1",{{"cluster":"src","partition":{partition},"topic":"t1"}}]"#);
        assert_eq!(partition_for_key(offset_key(0).as_bytes(), 25), 13);
        assert_eq!(partition_for_key(offset_key(1).as_bytes(), 25), 11);
        assert_eq!(partition_for_key(offset_key(2).as_bytes(), 25), 9);
        assert_eq!(partition_for_key(b"status-connector-mirror-1", 5), 2);
        assert_eq!(partition_for_key(b"status-task-mirror-1-0", 5), 2);
        assert_eq!(partition_for_key(b"status-task-mirror-1-1", 5), 0);
        assert_eq!(partition_for_key(b"status-topic-src.t1:connector-mirror-1", 5), 2);
    }

    #[test]
    fn a_nonsensical_partition_count_gives_partition_zero() {
        assert_eq!(partition_for_key(b"21", 0), 0);
        assert_eq!(partition_for_key(b"21", -3), 0);
        assert_eq!(partition_for_key(b"", 1), 0);
    }
}
