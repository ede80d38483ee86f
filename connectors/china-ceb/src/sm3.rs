//! The SM3 digest (GB/T 32905-2016), which China's customs prefer and none of our cryptographic libraries has. Digests of
//! public bytes only: nothing here is secret, so no care for timing is needed.

const START: [u32; 8] =
    [0x7380_166f, 0x4914_b2b9, 0x1724_42d7, 0xda8a_0600, 0xa96f_30bc, 0x1631_38aa, 0xe38d_ee4d, 0xb0fb_0e4e];

fn p0(x: u32) -> u32 {
    x ^ x.rotate_left(9) ^ x.rotate_left(17)
}

fn p1(x: u32) -> u32 {
    x ^ x.rotate_left(15) ^ x.rotate_left(23)
}

fn compress(v: &mut [u32; 8], block: &[u8]) {
    let mut w = [0_u32; 68];
    for (word, bytes) in w.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |n, b| (n << 8) | u32::from(*b));
    }
    for j in 16..68 {
        w[j] = p1(w[j - 16] ^ w[j - 9] ^ w[j - 3].rotate_left(15)) ^ w[j - 13].rotate_left(7) ^ w[j - 6];
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *v;
    for j in 0..64 {
        let early = j < 16;
        let t: u32 = if early { 0x79cc_4519 } else { 0x7a87_9d8a };
        let round = u32::try_from(j % 32).unwrap_or(0);
        let ss1 = a.rotate_left(12).wrapping_add(e).wrapping_add(t.rotate_left(round)).rotate_left(7);
        let ss2 = ss1 ^ a.rotate_left(12);
        let ff = if early { a ^ b ^ c } else { (a & b) | (a & c) | (b & c) };
        let gg = if early { e ^ f ^ g } else { (e & f) | (!e & g) };
        let tt1 = ff.wrapping_add(d).wrapping_add(ss2).wrapping_add(w[j] ^ w[j + 4]);
        let tt2 = gg.wrapping_add(h).wrapping_add(ss1).wrapping_add(w[j]);
        d = c;
        c = b.rotate_left(9);
        b = a;
        a = tt1;
        h = g;
        g = f.rotate_left(19);
        f = e;
        e = p0(tt2);
    }
    for (old, new) in v.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *old ^= new;
    }
}

/// The digest of some bytes: 32 bytes.
pub(crate) fn digest(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(bytes.len() as u64).wrapping_mul(8).to_be_bytes());
    let mut v = START;
    for block in padded.chunks_exact(64) {
        compress(&mut v, block);
    }
    v.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use tradewind_connector::signing::hex;

    /// GB/T 32905-2016, annex A: one block and two blocks.
    #[test]
    fn vectors_of_the_standard() {
        assert_eq!(
            hex(&super::digest(b"abc")),
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
        );
        assert_eq!(
            hex(&super::digest(&b"abcd".repeat(16))),
            "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"
        );
    }
}
