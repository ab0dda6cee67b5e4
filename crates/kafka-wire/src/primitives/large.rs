//! Lengths that a decoder must not be told, because it would reserve memory for them before it has seen what they count.

/// What a varint of three bytes cannot hold: more elements than any array has in the largest cluster.
const LARGE: usize = 1 << 21;

/// The varints of flexible versions, byte by byte on their way to a decoder.
///
/// One that takes more than three bytes is ended for the decoder at its fourth, with a 1, so that it is told another number; only a
/// read of exactly so many bytes may then be believed to mean the true one. Booleans come the same way: 0 or 1 ends a varint at once.
#[derive(Clone, Debug, Default)]
pub struct LargeVarints {
    /// How many bytes of the varint have come, and its value so far.
    read: u32,
    value: usize,
}

/// A compact length (one less than its varint) that was too large to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeLength {
    /// What the decoder makes of it.
    pub told: usize,
    /// What it is.
    pub truth: usize,
}

impl LargeVarints {
    /// Takes the next byte. `None`: the decoder gets it as it is. `Some`: it is the fourth of a large number, and the decoder gets a
    /// 1 instead; `fifth` has been asked for, if there is one.
    ///
    /// # Errors
    /// Those of `fifth`.
    pub fn take<E>(&mut self, byte: u8, fifth: impl FnOnce() -> Result<u8, E>) -> Result<Option<LargeLength>, E> {
        let value = self.value | (usize::from(byte & 0x7f) << (7 * self.read));
        if self.read < 3 {
            *self = if byte < 0x80 { Self::default() } else { Self { read: self.read + 1, value } };
            return Ok(None);
        }
        let fifth = if byte < 0x80 { 0 } else { usize::from(fifth()? & 0x0f) };
        *self = Self::default();
        let (told, truth) = ((value & (LARGE - 1)) + LARGE - 1, (value | (fifth << 28)).saturating_sub(1));
        Ok(Some(LargeLength { told, truth }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Option<LargeLength>> {
        let (mut varints, mut bytes, mut taken) = (LargeVarints::default(), bytes.iter().copied(), Vec::new());
        while let Some(byte) = bytes.next() {
            taken.push(varints.take(byte, || bytes.next().ok_or(())).unwrap());
        }
        taken
    }

    #[test]
    fn numbers_of_three_bytes_pass_and_larger_ones_are_known() {
        assert_eq!(all(&[0, 1, 0x7f, 0xff, 0x01, 0xff, 0xff, 0x7f]), vec![None; 8]);
        let large = |truth| Some(LargeLength { told: (1 << 21) - 1, truth });
        assert_eq!(all(&[0x80, 0x80, 0x80, 0x01]), [None, None, None, large((1 << 21) - 1)]);
        assert_eq!(all(&[0x80, 0x80, 0x80, 0x80, 0x0f, 5]), [None, None, None, large((0x0f << 28) - 1), None]);
    }

    #[test]
    fn a_number_that_ends_before_its_fifth_byte_is_an_error() {
        let mut varints = LargeVarints::default();

        let taken: Vec<_> = [0x80; 4].iter().map(|byte| varints.take(*byte, || Err("cut short"))).collect();

        assert_eq!(taken, [Ok(None), Ok(None), Ok(None), Err("cut short")]);
    }
}
