//! Writing big-endian values, without a `?` per field.

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
