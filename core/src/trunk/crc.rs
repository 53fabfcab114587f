//! CRC-32 as in Ethernet and zip, four bits at a time: 64 bytes of table, where a table of bytes takes a kilobyte.

/// The reflected polynomial 0xEDB88320, by nibble.
const TABLE: [u32; 16] = table();

const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut at = 0;
    while at < 16 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 4 {
            value = (value >> 1) ^ if value & 1 == 1 { 0xEDB8_8320 } else { 0 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}

/// A checksum in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crc(u32);

impl Crc {
    /// What is left in the register by any message that is followed by its checksum.
    pub(super) const RESIDUE: u32 = 0x2144_DF1C;

    pub(super) const fn new() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn add(&mut self, byte: u8) {
        self.0 ^= u32::from(byte);
        self.0 = (self.0 >> 4) ^ TABLE[(self.0 & 15) as usize];
        self.0 = (self.0 >> 4) ^ TABLE[(self.0 & 15) as usize];
    }

    pub(super) fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> u32 {
        let mut crc = Crc::new();
        bytes.iter().for_each(|&byte| crc.add(byte));
        crc.value()
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(of(b"123456789"), 0xCBF4_3926);
        assert_eq!(of(b""), 0);
    }

    #[test]
    fn a_message_with_its_checksum_leaves_the_residue() {
        for message in [&b""[..], b"\0", b"123456789"] {
            let whole = [message, &of(message).to_le_bytes()].concat();
            assert_eq!(of(&whole), Crc::RESIDUE);
        }
    }
}
