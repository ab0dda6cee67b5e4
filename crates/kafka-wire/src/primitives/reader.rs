//! Reading big-endian values, with bounds.

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
