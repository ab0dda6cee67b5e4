//! The codecs themselves, all in Rust: bytes in, bytes out, never more than the limit.

use std::io::{Read, Write};

use bytes::Bytes;

use super::{BatchError, Codec};

/// `input` decompressed; for [`Codec::None`] the input itself, which is in memory already and not counted.
pub(super) fn decompress(codec: Codec, input: &Bytes, bytes_max: usize) -> Result<Bytes, BatchError> {
    let mut output = Output { bytes: Vec::new(), bytes_max, codec };
    match codec {
        Codec::None => return Ok(input.clone()),
        Codec::Gzip => output.read_all(flate2::bufread::MultiGzDecoder::new(&input[..]))?,
        Codec::Snappy => snappy::decompress(input, &mut output)?,
        Codec::Lz4 => output.read_all(lz4_flex::frame::FrameDecoder::new(&input[..]))?,
        Codec::Zstd => zstd::decompress(input, &mut output)?,
    }
    Ok(Bytes::from(output.bytes))
}

/// Appends `input`, compressed, to `output`.
pub(super) fn compress(codec: Codec, input: &[u8], output: &mut Vec<u8>) -> Result<(), BatchError> {
    let failed = |reason: String| BatchError::Compress { codec, reason };
    match codec {
        Codec::None => output.extend_from_slice(input),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(output, flate2::Compression::default());
            encoder.write_all(input).map_err(|error| failed(error.to_string()))?;
            encoder.finish().map_err(|error| failed(error.to_string()))?;
        }
        Codec::Snappy => snappy::compress(input, output).map_err(|error| failed(error.to_string()))?,
        Codec::Lz4 => {
            // What Java writes: independent blocks of 64 KiB, no checksums of blocks or content.
            let frame = lz4_flex::frame::FrameInfo::new()
                .block_mode(lz4_flex::frame::BlockMode::Independent)
                .block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, output);
            encoder.write_all(input).map_err(|error| failed(error.to_string()))?;
            encoder.finish().map_err(|error| failed(error.to_string()))?;
        }
        Codec::Zstd => {
            ruzstd::encoding::compress(input, output, ruzstd::encoding::CompressionLevel::Fastest);
        }
    }
    Ok(())
}

/// Decompressed bytes, as many as are allowed.
struct Output {
    bytes: Vec<u8>,
    bytes_max: usize,
    codec: Codec,
}

impl Output {
    fn failed(&self, reason: impl ToString) -> BatchError {
        BatchError::Decompress { codec: self.codec, reason: reason.to_string() }
    }

    fn over_limit(&self) -> BatchError {
        BatchError::OverLimit { what: "the decompressed records", limit: self.bytes_max }
    }

    /// Bytes that may still be added.
    const fn room(&self) -> usize {
        self.bytes_max.saturating_sub(self.bytes.len())
    }

    /// Makes room for `length` more bytes, which the caller then fills; zeros until then.
    fn extend(&mut self, length: usize) -> Result<&mut [u8], BatchError> {
        if length > self.room() {
            return Err(self.over_limit());
        }
        let start = self.bytes.len();
        self.bytes.resize(start + length, 0);
        Ok(&mut self.bytes[start..])
    }

    /// Reads `reader` to its end, or one byte past the limit.
    fn read_all(&mut self, reader: impl Read) -> Result<(), BatchError> {
        let room = self.room();
        let read = reader
            .take((room as u64).saturating_add(1))
            .read_to_end(&mut self.bytes)
            .map_err(|error| self.failed(error))?;
        if read <= room { Ok(()) } else { Err(self.over_limit()) }
    }
}

/// Snappy in xerial's framing (`org.xerial.snappy.SnappyOutputStream`), which Java clients write; bare blocks are read too.
///
/// ```text
/// 0x82 "SNAPPY" 0x00, version i32 = 1, compatible version i32 = 1, then per block: compressed length i32, block
/// ```
mod snappy {
    use super::{BatchError, Output};
    use crate::primitives::Reader;

    const MAGIC: [u8; 8] = *b"\x82SNAPPY\x00";
    const VERSION: i32 = 1;
    /// Bytes of a block before compression; Java's default.
    const BLOCK_LEN: usize = 32 << 10;

    pub(super) fn compress(input: &[u8], output: &mut Vec<u8>) -> Result<(), snap::Error> {
        output.extend_from_slice(&MAGIC);
        output.extend_from_slice(&VERSION.to_be_bytes());
        output.extend_from_slice(&VERSION.to_be_bytes());
        let mut encoder = snap::raw::Encoder::new();
        let mut block = vec![0; snap::raw::max_compress_len(BLOCK_LEN.min(input.len()))];
        for chunk in input.chunks(BLOCK_LEN) {
            let length = encoder.compress(chunk, &mut block)?;
            // A block of 32 KiB compresses to 38 KiB at most.
            output.extend_from_slice(&(length as i32).to_be_bytes());
            output.extend_from_slice(&block[..length]);
        }
        Ok(())
    }

    pub(super) fn decompress(input: &[u8], output: &mut Output) -> Result<(), BatchError> {
        if !input.starts_with(&MAGIC) {
            return block(input, output);
        }
        let mut reader = Reader::new(input);
        while reader.remaining() > 0 {
            // Streams may be concatenated: a header can stand wherever a block can.
            if input[reader.position()..].starts_with(&MAGIC) {
                reader.take(MAGIC.len() + 8, "xerial snappy header").map_err(|error| output.failed(error))?;
                continue;
            }
            let compressed = reader.bytes().map_err(|error| output.failed(error))?;
            block(compressed, output)?;
        }
        Ok(())
    }

    /// One snappy block. It says its length first: checked against the limit, and against what so many bytes can say.
    fn block(input: &[u8], output: &mut Output) -> Result<(), BatchError> {
        /// A copy of up to 64 bytes takes 3 bytes of input (2 for up to 11), so nothing expands by more than this.
        const EXPANSION_MAX: usize = 22;
        let length = snap::raw::decompress_len(input).map_err(|error| output.failed(error))?;
        if length > input.len().saturating_mul(EXPANSION_MAX) {
            return Err(output.failed(format_args!("{} bytes cannot expand to {length}", input.len())));
        }
        let decompressed = snap::raw::Decoder::new().decompress(input, output.extend(length)?);
        decompressed.map(drop).map_err(|error| output.failed(error))
    }
}

/// Zstandard frames, one after the other.
mod zstd {
    use std::io::Read as _;

    use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
    use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

    use super::{BatchError, Output};

    pub(super) fn decompress(mut input: &[u8], output: &mut Output) -> Result<(), BatchError> {
        while !input.is_empty() {
            // A new decoder per frame: a used one reserves the window that the next frame claims to need.
            let mut decoder = FrameDecoder::new();
            match decoder.init(&mut input) {
                Ok(()) => frame(&mut decoder, &mut input, output)?,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    input = input.get(length as usize..).ok_or_else(|| {
                        output.failed(format_args!("a skippable frame of {length} bytes is cut short"))
                    })?;
                }
                Err(error) => return Err(output.failed(error)),
            }
        }
        Ok(())
    }

    /// One frame. The decoder holds back as much as the frame's window, which the frame itself chooses, so watching what comes
    /// out would not do: it is told to stop as soon as it has decoded one byte more than there is room for.
    fn frame(decoder: &mut FrameDecoder, input: &mut &[u8], output: &mut Output) -> Result<(), BatchError> {
        decoder
            .decode_blocks(input, BlockDecodingStrategy::UptoBytes(output.room().saturating_add(1)))
            .map_err(|error| output.failed(error))?;
        if !decoder.is_finished() {
            return Err(output.over_limit());
        }
        let collected = decoder.read_exact(output.extend(decoder.can_collect())?);
        collected.map_err(|error| output.failed(error))?;
        match (decoder.get_checksum_from_data(), decoder.get_calculated_checksum()) {
            (Some(stored), Some(computed)) if stored != computed => {
                Err(output.failed(format_args!("stored checksum {stored:#010x}, computed {computed:#010x}")))
            }
            _ => Ok(()),
        }
    }
}
