//! The forms in which a key can lie in memory. Each of them is enough to forge tokens.

use aws_lc_rs::hmac;
use sha2::block_api::{compress256, compress512};

/// A form of a key, with what a failure calls it.
#[derive(Clone)]
pub struct Trace {
    pub name: String,
    pub bytes: Vec<u8>,
}

const SHA256: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
const SHA512: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// The traces of an HMAC-SHA256 or HMAC-SHA512 key that is no longer than a block: its bytes, its padded blocks as bytes
/// and as the message schedule's words, and the inner and outer state (RFC 2104 section 4).
pub fn of_hmac(label: &str, algorithm: hmac::Algorithm, key: &[u8]) -> Vec<Trace> {
    let wide = algorithm == hmac::HMAC_SHA512;
    let mut traces = vec![trace(label, "bytes", key)];
    for (pad, name) in [(0x36, "inner"), (0x5c, "outer")] {
        let mut block = vec![pad; if wide { 128 } else { 64 }];
        block.iter_mut().zip(key).for_each(|(to, from)| *to ^= from);
        let (words, state): (Vec<u8>, Vec<u8>) = if wide {
            let mut state = SHA512;
            compress512(&mut state, &[block.clone().try_into().unwrap()]);
            (
                block
                    .chunks_exact(8)
                    .flat_map(|word| word.iter().rev())
                    .copied()
                    .collect(),
                state.iter().flat_map(|word| word.to_ne_bytes()).collect(),
            )
        } else {
            let mut state = SHA256;
            compress256(&mut state, &[block.clone().try_into().unwrap()]);
            (
                block
                    .chunks_exact(4)
                    .flat_map(|word| word.iter().rev())
                    .copied()
                    .collect(),
                state.iter().flat_map(|word| word.to_ne_bytes()).collect(),
            )
        };
        // The tail of a block is padding alone, the same for every key.
        traces.push(trace(label, &format!("{name} block"), &block[..key.len().min(32)]));
        traces.push(trace(label, &format!("{name} schedule"), &words[..key.len().min(32)]));
        traces.push(trace(label, &format!("{name} state"), &state));
    }
    traces
}

/// The key under which records of rotations are sealed, and the one that it is expanded from (RFC 5869).
pub fn of_seal(label: &str, material: &[u8]) -> Vec<Trace> {
    const LABEL: &[u8] = b"jwtkeeper rotation record";
    let mac = |key: &[u8], message: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let pseudorandom = mac(LABEL, material);
    let key = mac(pseudorandom.as_ref(), &[LABEL, &[1]].concat());
    let mut traces = of_hmac(
        &format!("{label}, seal's PRK"),
        hmac::HMAC_SHA256,
        pseudorandom.as_ref(),
    );
    traces.extend(of_hmac(&format!("{label}, seal"), hmac::HMAC_SHA256, key.as_ref()));
    traces
}

/// The key of a token that is locked by a cookie.
pub fn of_lock(label: &str, algorithm: hmac::Algorithm, secret: &[u8], cookie: &str) -> Vec<Trace> {
    let message = format!("jwtkeeper lock\0{cookie}");
    let key = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
    of_hmac(&format!("{label}, lock"), algorithm, key.as_ref())
}

/// A large number: as written in DER, and as the limbs of a big number.
pub fn of_number(label: &str, name: &str, number: &[u8]) -> Vec<Trace> {
    let reversed: Vec<u8> = number.iter().rev().copied().collect();
    vec![
        trace(label, &format!("{name}, big-endian"), number),
        trace(label, &format!("{name}, little-endian"), &reversed),
    ]
}

pub fn trace(label: &str, name: &str, bytes: &[u8]) -> Trace {
    Trace {
        name: format!("{label}: {name}"),
        bytes: bytes.to_vec(),
    }
}
