//! The five compression types of Kafka.

use std::fmt;
use std::str::FromStr;

use super::BatchError;

/// How the records of a batch are compressed. The numbers are those of the lowest three attribute bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in xerial's framing, as Java writes it; bare snappy is understood too.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878.
    Zstd,
}

impl Codec {
    /// The codec named by the lowest three bits of `attributes`.
    pub const fn from_attributes(attributes: i16) -> Result<Self, BatchError> {
        match attributes & 0b111 {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            bits => Err(BatchError::UnknownCodec { bits: bits as u8 }),
        }
    }

    /// The attribute bits, 0 to 4.
    #[must_use]
    pub const fn bits(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// Kafka's name, as in `compression.type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A `compression.type` that is none of Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compression type {name:?} is unknown; it is one of none, gzip, snappy, lz4, zstd")]
pub struct UnknownCodecName {
    /// The name that was given.
    pub name: String,
}

impl FromStr for Codec {
    type Err = UnknownCodecName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "none" => Ok(Self::None),
            "gzip" => Ok(Self::Gzip),
            "snappy" => Ok(Self::Snappy),
            "lz4" => Ok(Self::Lz4),
            "zstd" => Ok(Self::Zstd),
            _ => Err(UnknownCodecName { name: name.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    #[test]
    fn names_and_bits_lead_back_to_their_codec() {
        for codec in ALL {
            assert_eq!(codec.name().parse(), Ok(codec));
            // Whatever the other attributes are.
            assert_eq!(Codec::from_attributes(codec.bits() | !0b111), Ok(codec));
        }
    }

    #[test]
    fn unknown_names_and_bits_are_errors_that_name_them() {
        assert_eq!(
            "LZ4".parse::<Codec>().unwrap_err().to_string(),
            r#"compression type "LZ4" is unknown; it is one of none, gzip, snappy, lz4, zstd"#
        );
        assert_eq!(
            Codec::from_attributes(5).unwrap_err().to_string(),
            "compression bits 5 are no codec of Kafka's (0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd)"
        );
    }
}
