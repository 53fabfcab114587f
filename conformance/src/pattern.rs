//! Bytes that tell their place: what is lost, doubled, moved or spoiled shows.

use alloc::vec::Vec;

/// `len` bytes that follow from `seed`.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // xorshift64*, Vigna 2016.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Fails unless these are the same bytes, and says where they differ.
pub(crate) fn assert_same(came: &[u8], expected: &[u8], what: &str) {
    let same = came.iter().zip(expected).take_while(|(a, b)| a == b).count();
    assert!(
        same == expected.len() && same == came.len(),
        "{what}: {} bytes came and {} were sent; they are the same up to byte {same}",
        came.len(),
        expected.len(),
    );
}
