//! Reading and writing, each by itself and one against the other.

use proptest::prelude::*;

use super::*;

#[test]
fn numbers_are_big_endian() {
    let mut reader = Reader::new(&[0xff, 0xff, 0xfe, 0, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 7]);

    assert_eq!(reader.i8(), Ok(-1));
    assert_eq!(reader.i16(), Ok(-2));
    assert_eq!(reader.i32(), Ok(256));
    assert_eq!(reader.i64(), Ok(i64::MIN));
    assert_eq!((reader.position(), reader.remaining()), (15, 1));
    assert_eq!(reader.bool(), Ok(true));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn varints_are_those_of_kafkas_own_unit_test() {
    // ByteUtilsTest in Apache Kafka.
    for (value, bytes) in [
        (0, &[0][..]),
        (-1, &[1]),
        (1, &[2]),
        (63, &[0x7e]),
        (-64, &[0x7f]),
        (64, &[0x80, 0x01]),
        (-65, &[0x81, 0x01]),
        (8191, &[0xfe, 0x7f]),
        (-8193, &[0x81, 0x80, 0x01]),
        (i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
        (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
    ] {
        let mut writer = Writer::new();
        writer.varint(value);
        assert_eq!(writer.finish().unwrap(), bytes, "{value}");
        assert_eq!(Reader::new(bytes).varint(), Ok(value));
    }
    assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).varlong(), Ok(i64::MIN));
}

#[test]
fn varints_that_do_not_end_are_errors() {
    let position = 0;

    assert_eq!(Reader::new(&[0x80; 5]).varint(), Err(ReadError::BadVarint { expected: "VARINT", position }));
    assert_eq!(Reader::new(&[0x80; 10]).varlong(), Err(ReadError::BadVarint { expected: "VARLONG", position }));
    assert_eq!(
        Reader::new(&[0x80; 4]).varint(),
        Err(ReadError::CutShort { expected: "VARINT", position, needed: 5, available: 4 })
    );
}

#[test]
fn null_is_not_empty_and_not_allowed_everywhere() {
    let null = [0xff, 0xff, 0xff, 0xff];

    assert_eq!(Reader::new(&null).nullable_string(), Ok(None));
    assert_eq!(Reader::new(&[0, 0]).nullable_string(), Ok(Some("")));
    assert_eq!(Reader::new(&null).nullable_bytes(), Ok(None));
    assert_eq!(Reader::new(&null).nullable_array(Reader::i8), Ok(None));
    let null_error = |expected| ReadError::BadLength { expected, position: 0, length: -1 };
    assert_eq!(Reader::new(&null).string(), Err(null_error("STRING")));
    assert_eq!(Reader::new(&null).bytes(), Err(null_error("BYTES")));
    assert_eq!(Reader::new(&null).array(Reader::i8), Err(null_error("ARRAY")));
}

#[test]
fn errors_say_what_was_expected_and_where() {
    let mut reader = Reader::new(&[0, 1, b'a', 0, 9, b'b']);
    assert_eq!(reader.string(), Ok("a"));

    let error = reader.string().unwrap_err();

    assert_eq!(error.to_string(), "expected STRING at byte 5: it needs 9 bytes, 1 are left");
    assert_eq!(
        Reader::new(&[0, 1, 0xff]).string().unwrap_err().to_string(),
        "expected STRING at byte 0: it is not UTF-8"
    );
    assert_eq!(Reader::new(&[1, 2]).finish().unwrap_err().to_string(), "expected the end at byte 0: 2 bytes are left");
}

#[test]
fn an_array_that_claims_more_elements_than_bytes_is_refused_before_anything_is_reserved() {
    let claim = [0x7f, 0xff, 0xff, 0xff, 0];

    let error = Reader::new(&claim).array(Reader::i8);

    let needed = i32::MAX as usize;
    assert_eq!(error, Err(ReadError::CutShort { expected: "ARRAY", position: 0, needed, available: 1 }));
}

#[test]
fn a_section_counts_positions_from_the_same_start() {
    let mut reader = Reader::new(&[9, 1, 2, 3]);
    assert_eq!(reader.u8(), Ok(9));

    let mut section = reader.section(2, "pair").unwrap();

    assert_eq!((section.u8(), section.u8(), section.position()), (Ok(1), Ok(2), 3));
    assert!(section.u8().is_err(), "the section ends before the input does");
    assert_eq!(reader.u8(), Ok(3));
}

#[test]
fn what_is_too_long_for_its_length_field_is_reported_at_the_end() {
    let mut writer = Writer::new();
    writer.i32(1).string(&"x".repeat(32_768)).i32(2);

    let error = writer.finish().unwrap_err();

    assert_eq!(error, WriteError { what: "STRING", length: 32_768, max: 32_767 });
    assert_eq!(error.to_string(), "STRING of 32768 is too long, the most is 32767");
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        numbers in any::<(i8, i16, i32, i64, u8, u16, u32, bool)>(),
        varints in any::<(i32, i64, u32)>(),
        text in any::<Option<String>>(),
        bytes in any::<Option<Vec<u8>>>(),
        array in any::<Vec<(String, i32)>>(),
    ) {
        let mut writer = Writer::with_capacity(10);
        writer.i8(numbers.0).i16(numbers.1).i32(numbers.2).i64(numbers.3);
        writer.u8(numbers.4).u16(numbers.5).u32(numbers.6).bool(numbers.7);
        writer.varint(varints.0).varlong(varints.1).unsigned_varint(varints.2);
        writer.nullable_string(text.as_deref()).nullable_bytes(bytes.as_deref());
        writer.nullable_varint_bytes(bytes.as_deref());
        writer.array(&array, |writer, (name, value)| {
            writer.string(name).i32(*value);
        });
        let written = writer.finish().unwrap();

        let mut r = Reader::new(&written);
        let read = (r.i8()?, r.i16()?, r.i32()?, r.i64()?, r.u8()?, r.u16()?, r.u32()?, r.bool()?);
        prop_assert_eq!(read, numbers);
        prop_assert_eq!((r.varint()?, r.varlong()?, r.unsigned_varint()?), varints);
        prop_assert_eq!(r.nullable_string()?, text.as_deref());
        prop_assert_eq!(r.nullable_bytes()?, bytes.as_deref());
        prop_assert_eq!(r.nullable_varint_bytes("BYTES")?, bytes.as_deref());
        let pairs = r.array(|r| Ok::<_, ReadError>((r.string()?.to_owned(), r.i32()?)))?;
        prop_assert_eq!(pairs, array);
        prop_assert_eq!(r.finish(), Ok(()));
    }

    #[test]
    fn varint_lengths_are_what_is_written(int in any::<i32>(), long in any::<i64>(), shift in 0..64_u32) {
        let (int, long) = (int >> (shift % 32), long >> shift);
        let mut writer = Writer::new();

        writer.varint(int);
        prop_assert_eq!(writer.len(), varint_len(int));
        writer.varlong(long);
        prop_assert_eq!(writer.len(), varint_len(int) + varlong_len(long));
    }
}
