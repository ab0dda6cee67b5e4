//! The primitive types of Kafka's protocol: big-endian integers, varints, strings, byte arrays, arrays.
//!
//! For the small protocols above Kafka's own messages (Connect's group protocol, MirrorMaker's records) and for the records
//! of a batch. [`Reader`] borrows what it reads and never goes out of bounds; its errors say what was expected and at which
//! byte. [`Writer`] remembers the first thing that did not fit and says so in [`Writer::finish`], so that writing code
//! needs no `?` per field.

/// What was expected, where, and what was there instead. Positions are bytes from the start of the reader's input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The input ends inside the value.
    #[error("expected {expected} at byte {position}: it needs {needed} bytes, {available} are left")]
    CutShort {
        /// The type, in the words of Kafka's protocol guide.
        expected: &'static str,
        /// Where it should be.
        position: usize,
        /// Bytes it needs.
        needed: usize,
        /// Bytes that are left.
        available: usize,
    },
    /// A length below zero where there has to be a value.
    #[error("expected {expected} at byte {position}: its length is {length}")]
    BadLength {
        /// The type, in the words of Kafka's protocol guide.
        expected: &'static str,
        /// Where it should be.
        position: usize,
        /// What the length says.
        length: i64,
    },
    /// A string that is not UTF-8.
    #[error("expected {expected} at byte {position}: it is not UTF-8")]
    NotUtf8 {
        /// The type, in the words of Kafka's protocol guide.
        expected: &'static str,
        /// Where it should be.
        position: usize,
    },
    /// A varint that goes on after its last possible byte, or does not fit its type.
    #[error("expected {expected} at byte {position}: it does not end in time")]
    BadVarint {
        /// The type, in the words of Kafka's protocol guide.
        expected: &'static str,
        /// Where it should be.
        position: usize,
    },
    /// Input left over where the end was expected.
    #[error("expected the end at byte {position}: {trailing} bytes are left")]
    TrailingBytes {
        /// Where the end should be.
        position: usize,
        /// Bytes too many.
        trailing: usize,
    },
}

/// Reads big-endian values from a slice, front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    position: usize,
}

/// Generates the reading methods of fixed-size numbers.
macro_rules! read_number {
    ($($name:ident: $type:ty = $expected:literal),* $(,)?) => {$(
        #[doc = concat!("The next ", stringify!($type), ", big-endian.")]
        pub fn $name(&mut self) -> Result<$type, ReadError> {
            self.array_of($expected).map(<$type>::from_be_bytes)
        }
    )*};
}

impl<'a> Reader<'a> {
    /// Starts at byte 0 of `input`.
    #[must_use]
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, position: 0 }
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Bytes not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.input.len() - self.position
    }

    /// Everything has been read; otherwise an error that says how much has not.
    pub const fn finish(self) -> Result<(), ReadError> {
        match self.remaining() {
            0 => Ok(()),
            trailing => Err(ReadError::TrailingBytes { position: self.position, trailing }),
        }
    }

    read_number! {
        i8: i8 = "INT8",
        i16: i16 = "INT16",
        i32: i32 = "INT32",
        i64: i64 = "INT64",
        u8: u8 = "UINT8",
        u16: u16 = "UINT16",
        u32: u32 = "UINT32",
    }

    /// BOOLEAN: any byte but 0 is true, as in Java.
    pub fn bool(&mut self) -> Result<bool, ReadError> {
        self.array_of::<1>("BOOLEAN").map(|[byte]| byte != 0)
    }

    /// The next `length` bytes, called `expected` in the error.
    pub fn take(&mut self, length: usize, expected: &'static str) -> Result<&'a [u8], ReadError> {
        let rest = self.input.get(self.position..).unwrap_or_default();
        match rest.split_at_checked(length) {
            Some((taken, _)) => {
                self.position += length;
                Ok(taken)
            }
            None => {
                Err(ReadError::CutShort { expected, position: self.position, needed: length, available: rest.len() })
            }
        }
    }

    /// A reader of the next `length` bytes, which this one skips. Positions in its errors count from the same start.
    pub fn section(&mut self, length: usize, expected: &'static str) -> Result<Self, ReadError> {
        let position = self.position;
        self.take(length, expected)?;
        Ok(Self { input: &self.input[..self.position], position })
    }

    fn array_of<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], ReadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, expected)?);
        Ok(array)
    }

    /// UNSIGNED_VARINT: seven bits a byte, low first, at most five bytes.
    pub fn unsigned_varint(&mut self) -> Result<u32, ReadError> {
        // Java lets bits above the 32nd fall off; so do we, here and below.
        self.varint_bits(5, "UNSIGNED_VARINT").map(|bits| bits as u32)
    }

    /// VARINT: a zigzag [`unsigned_varint`](Self::unsigned_varint).
    pub fn varint(&mut self) -> Result<i32, ReadError> {
        let bits = self.varint_bits(5, "VARINT")? as u32;
        Ok((bits >> 1) as i32 ^ -((bits & 1) as i32))
    }

    /// VARLONG: zigzag, at most ten bytes.
    pub fn varlong(&mut self) -> Result<i64, ReadError> {
        let bits = self.varint_bits(10, "VARLONG")?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    fn varint_bits(&mut self, bytes_max: usize, expected: &'static str) -> Result<u64, ReadError> {
        let rest = self.input.get(self.position..).unwrap_or_default();
        let mut value = 0_u64;
        for (i, byte) in rest.iter().take(bytes_max).enumerate() {
            // The shift is at most 63; bits pushed out on the left are dropped.
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.position += i + 1;
                return Ok(value);
            }
        }
        let position = self.position;
        Err(if rest.len() < bytes_max {
            ReadError::CutShort { expected, position, needed: rest.len() + 1, available: rest.len() }
        } else {
            ReadError::BadVarint { expected, position }
        })
    }

    /// STRING: an INT16 length and as many bytes of UTF-8.
    pub fn string(&mut self) -> Result<&'a str, ReadError> {
        let position = self.position;
        self.nullable_string()?.ok_or(ReadError::BadLength { expected: "STRING", position, length: -1 })
    }

    /// NULLABLE_STRING: as STRING; the length -1 is null.
    pub fn nullable_string(&mut self) -> Result<Option<&'a str>, ReadError> {
        const EXPECTED: &str = "STRING";
        let position = self.position;
        let length = i64::from(i16::from_be_bytes(self.array_of(EXPECTED)?));
        let Some(bytes) = self.nullable(length, position, EXPECTED)? else {
            return Ok(None);
        };
        std::str::from_utf8(bytes).map(Some).map_err(|_| ReadError::NotUtf8 { expected: EXPECTED, position })
    }

    /// BYTES: an INT32 length and as many bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], ReadError> {
        let position = self.position;
        self.nullable_bytes()?.ok_or(ReadError::BadLength { expected: "BYTES", position, length: -1 })
    }

    /// NULLABLE_BYTES: as BYTES; the length -1 is null.
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, ReadError> {
        const EXPECTED: &str = "BYTES";
        let position = self.position;
        let length = i64::from(i32::from_be_bytes(self.array_of(EXPECTED)?));
        self.nullable(length, position, EXPECTED)
    }

    /// Bytes with a VARINT length, as in records; the length -1 is null.
    pub fn nullable_varint_bytes(&mut self, expected: &'static str) -> Result<Option<&'a [u8]>, ReadError> {
        let position = self.position;
        let length = i64::from(self.varint()?);
        self.nullable(length, position, expected)
    }

    fn nullable(
        &mut self,
        length: i64,
        position: usize,
        expected: &'static str,
    ) -> Result<Option<&'a [u8]>, ReadError> {
        match usize::try_from(length) {
            Ok(length) => self.take(length, expected).map(Some),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(ReadError::BadLength { expected, position, length }),
        }
    }

    /// ARRAY: an INT32 count and as many elements. Null (count -1) is an error; see [`nullable_array`](Self::nullable_array).
    pub fn array<T, E: From<ReadError>>(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let position = self.position;
        self.nullable_array(element)?
            .ok_or_else(|| ReadError::BadLength { expected: "ARRAY", position, length: -1 }.into())
    }

    /// ARRAY that may be null (count -1). Reserves no more elements than there are bytes left.
    pub fn nullable_array<T, E: From<ReadError>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, E>,
    ) -> Result<Option<Vec<T>>, E> {
        const EXPECTED: &str = "ARRAY";
        let position = self.position;
        let count = i32::from_be_bytes(self.array_of(EXPECTED)?);
        if count == -1 {
            return Ok(None);
        }
        let Ok(count) = usize::try_from(count) else {
            return Err(ReadError::BadLength { expected: EXPECTED, position, length: i64::from(count) }.into());
        };
        if count > self.remaining() {
            // No element is shorter than a byte, so this count is a lie.
            return Err(ReadError::CutShort {
                expected: EXPECTED,
                position,
                needed: count,
                available: self.remaining(),
            }
            .into());
        }
        let mut elements = Vec::with_capacity(count.min(self.remaining() / size_of::<T>().max(1) + 1));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }
}

/// What was to be written is longer than its length field can say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {length} is too long, the most is {max}")]
pub struct WriteError {
    /// The type, in the words of Kafka's protocol guide.
    pub what: &'static str,
    /// Its length, in bytes (in elements for an array).
    pub length: usize,
    /// The longest possible.
    pub max: usize,
}

/// Writes big-endian values to a growing buffer.
///
/// Methods chain. Something too long for its length field is remembered and nothing more is written; [`finish`](Self::finish)
/// returns it as an error.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    output: Vec<u8>,
    failed: Option<WriteError>,
}

/// Generates the writing methods of fixed-size numbers.
macro_rules! write_number {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        #[doc = concat!("Writes an ", stringify!($type), ", big-endian.")]
        pub fn $name(&mut self, value: $type) -> &mut Self {
            self.raw(&value.to_be_bytes())
        }
    )*};
}

impl Writer {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { output: Vec::new(), failed: None }
    }

    /// An empty buffer with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { output: Vec::with_capacity(bytes), failed: None }
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.output.len()
    }

    /// Nothing written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.output.is_empty()
    }

    /// What was written, or the first thing that did not fit.
    pub fn finish(self) -> Result<Vec<u8>, WriteError> {
        match self.failed {
            None => Ok(self.output),
            Some(error) => Err(error),
        }
    }

    /// Writes bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        if self.failed.is_none() {
            self.output.extend_from_slice(bytes);
        }
        self
    }

    write_number! { i8: i8, i16: i16, i32: i32, i64: i64, u8: u8, u16: u16, u32: u32 }

    /// Writes a BOOLEAN.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }

    /// Writes an UNSIGNED_VARINT.
    pub fn unsigned_varint(&mut self, value: u32) -> &mut Self {
        self.varint_bits(u64::from(value))
    }

    /// Writes a VARINT (zigzag).
    pub fn varint(&mut self, value: i32) -> &mut Self {
        self.varint_bits(u64::from(((value << 1) ^ (value >> 31)) as u32))
    }

    /// Writes a VARLONG (zigzag).
    pub fn varlong(&mut self, value: i64) -> &mut Self {
        self.varint_bits(((value << 1) ^ (value >> 63)) as u64)
    }

    fn varint_bits(&mut self, mut value: u64) -> &mut Self {
        let mut bytes = [0; 10];
        let mut length = 0;
        for byte in &mut bytes {
            length += 1;
            *byte = (value & 0x7f) as u8 | 0x80;
            value >>= 7;
            if value == 0 {
                *byte &= 0x7f;
                break;
            }
        }
        self.raw(&bytes[..length])
    }

    /// Writes a STRING: INT16 length and UTF-8, at most 32,767 bytes.
    pub fn string(&mut self, value: &str) -> &mut Self {
        match i16::try_from(value.len()) {
            Ok(length) => self.i16(length).raw(value.as_bytes()),
            Err(_) => self.fail("STRING", value.len(), i16::MAX as usize),
        }
    }

    /// Writes a NULLABLE_STRING.
    pub fn nullable_string(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.string(value),
            None => self.i16(-1),
        }
    }

    /// Writes BYTES: INT32 length and bytes.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        match i32::try_from(value.len()) {
            Ok(length) => self.i32(length).raw(value),
            Err(_) => self.fail("BYTES", value.len(), i32::MAX as usize),
        }
    }

    /// Writes NULLABLE_BYTES.
    pub fn nullable_bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        match value {
            Some(value) => self.bytes(value),
            None => self.i32(-1),
        }
    }

    /// Writes bytes with a VARINT length, as in records; -1 for null.
    pub fn nullable_varint_bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        let Some(value) = value else {
            return self.varint(-1);
        };
        match i32::try_from(value.len()) {
            Ok(length) => self.varint(length).raw(value),
            Err(_) => self.fail("VARINT bytes", value.len(), i32::MAX as usize),
        }
    }

    /// Writes an ARRAY: INT32 count and elements.
    pub fn array<T>(
        &mut self,
        elements: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut element: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        let elements = elements.into_iter();
        match i32::try_from(elements.len()) {
            Ok(count) => self.i32(count),
            Err(_) => return self.fail("ARRAY", elements.len(), i32::MAX as usize),
        };
        for value in elements {
            element(self, value);
        }
        self
    }

    fn fail(&mut self, what: &'static str, length: usize, max: usize) -> &mut Self {
        self.failed.get_or_insert(WriteError { what, length, max });
        self
    }
}

/// Bytes that `value` takes as a VARINT.
#[must_use]
pub const fn varint_len(value: i32) -> usize {
    varint_bits_len(((value << 1) ^ (value >> 31)) as u32 as u64)
}

/// Bytes that `value` takes as a VARLONG.
#[must_use]
pub const fn varlong_len(value: i64) -> usize {
    varint_bits_len(((value << 1) ^ (value >> 63)) as u64)
}

const fn varint_bits_len(value: u64) -> usize {
    // One byte per started seven bits, and one for zero.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            Reader::new(&[1, 2]).finish().unwrap_err().to_string(),
            "expected the end at byte 0: 2 bytes are left"
        );
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
}
