//! CRC-32C as algebra: what a checksum becomes when only the beginning of the message changes.
//!
//! CRC is linear over GF(2). If two messages of equal length differ in a prefix only, their checksums differ by the checksum
//! difference of the prefixes, pushed through as many zero bytes as the common rest is long. Pushing through `n` zero bits is
//! a 32×32 matrix to the power `n`; the powers to 2^0, 2^1, … bytes are constants, so a push costs one matrix-vector product
//! per set bit of the length: no table at run time, no allocation, nothing read of the rest.

/// The polynomial of CRC-32C (Castagnoli), bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// A linear map on checksums: column `i` is the image of bit `i`.
type Matrix = [u32; 32];

/// `ZERO_BYTES[k]` pushes a checksum difference through 2^k zero bytes. 2^32 bytes are more than a batch can have (31 bits).
const ZERO_BYTES: [Matrix; 32] = {
    let mut powers = [[0; 32]; 32];
    let mut matrix = square(square(square(one_zero_bit())));
    let mut k = 0;
    while k < 32 {
        powers[k] = matrix;
        matrix = square(matrix);
        k += 1;
    }
    powers
};

const fn one_zero_bit() -> Matrix {
    let mut matrix = [0; 32];
    matrix[0] = POLYNOMIAL;
    let mut bit = 1;
    while bit < 32 {
        matrix[bit] = 1 << (bit - 1);
        bit += 1;
    }
    matrix
}

const fn apply(matrix: &Matrix, mut vector: u32) -> u32 {
    let mut image = 0;
    while vector != 0 {
        image ^= matrix[vector.trailing_zeros() as usize];
        vector &= vector - 1;
    }
    image
}

const fn square(matrix: Matrix) -> Matrix {
    let mut squared = [0; 32];
    let mut bit = 0;
    while bit < 32 {
        squared[bit] = apply(&matrix, matrix[bit]);
        bit += 1;
    }
    squared
}

/// The difference `crc(a) ^ crc(b)` of two prefixes, after `zero_bytes` more bytes that both messages share.
pub(super) fn shift(difference: u32, zero_bytes: u32) -> u32 {
    let mut shifted = difference;
    let mut rest = zero_bytes;
    while rest != 0 {
        shifted = apply(&ZERO_BYTES[rest.trailing_zeros() as usize], shifted);
        rest &= rest - 1;
    }
    shifted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shifting_by_nothing_changes_nothing() {
        assert_eq!(shift(0xdead_beef, 0), 0xdead_beef);
        assert_eq!(shift(0, 1_000_000), 0);
    }

    proptest! {
        #[test]
        fn a_carried_crc_is_the_recomputed_one(
            a in proptest::array::uniform20(any::<u8>()),
            b in proptest::array::uniform20(any::<u8>()),
            rest in proptest::collection::vec(any::<u8>(), 0..5000),
        ) {
            let carried = crc32c::crc32c(&[&a, &rest[..]].concat())
                ^ shift(crc32c::crc32c(&a) ^ crc32c::crc32c(&b), rest.len() as u32);

            prop_assert_eq!(carried, crc32c::crc32c(&[&b, &rest[..]].concat()));
        }
    }

    #[test]
    fn every_power_of_two_and_its_neighbours_agree_with_recomputation() {
        let zeros = vec![0; (1 << 20) + 1];
        for length in (0..=20).flat_map(|k| [(1_usize << k) - 1, 1 << k, (1 << k) + 1]) {
            let rest = &zeros[..length];
            let recomputed = crc32c::crc32c(&[b"a", rest].concat()) ^ crc32c::crc32c(&[b"b", rest].concat());

            assert_eq!(shift(crc32c::crc32c(b"a") ^ crc32c::crc32c(b"b"), length as u32), recomputed, "{length}");
        }
    }
}
