//! The checksum of PNG's chunks (PNG specification, annex D).

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                0xedb8_8320 ^ (value >> 1)
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// The checksum of several parts as if they were one.
pub(crate) fn crc(parts: &[&[u8]]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    !bytes.fold(u32::MAX, |crc, &byte| {
        TABLE[((crc ^ u32::from(byte)) & 0xff) as usize] ^ (crc >> 8)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_the_usual_one() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(super::crc(&[b"1234", b"56789"]), 0xcbf4_3926);
        // Every PNG ends with this.
        assert_eq!(super::crc(&[b"IEND"]), 0xae42_6082);
    }
}
