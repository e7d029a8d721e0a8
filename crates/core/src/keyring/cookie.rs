//! The cookie secret: 16 random bytes as 32 lower-case hex digits, and what is made of it.

use aws_lc_rs::{digest, hkdf, rand};
use jwtkeeper_sys::with_scrubbed_stack_of;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::jwt::encode_base64url;
use crate::types::Secret;

/// The way in which the cookie secret enters the signing key of an HMAC realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKey {
    /// HMAC keyed by the realm's secret over "jwtkeeper lock", a zero byte and the 32 digits; full length.
    Derived,
    /// The realm's secret followed by the 32 digits: the gem's way.
    Concat,
}

/// The bytes of stack to overwrite after a successor's cookie secret was made.
const EXPANDING: usize = 24 * 1024;

/// The label of a derived lock key.
const LABEL: &[u8; 15] = b"jwtkeeper lock\0";

/// A cookie secret, in its one form. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop, PartialEq, Eq)]
pub struct CookieSecret([u8; 32]);

impl CookieSecret {
    /// Exactly 32 lower-case hex digits, or nothing.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let digits: [u8; 32] = text.try_into().ok()?;
        digits
            .iter()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
            .then_some(Self(digits))
    }

    /// The parts of a cookie's value: one secret, or `new.old`. A value of any other form is no cookie at all.
    pub fn parse_value(value: &str) -> Vec<Self> {
        let mut parts = value.as_bytes().split(|byte| *byte == b'.');
        let secrets: Option<Vec<_>> = parts.by_ref().take(2).map(Self::parse).collect();
        match parts.next() {
            None => secrets.unwrap_or_default(),
            Some(_) => Vec::new(),
        }
    }

    /// A fresh one; `None` when the system has no random bytes.
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).ok()?;
        let secret = Self::from_bytes(&bytes);
        bytes.zeroize();
        Some(secret)
    }

    /// The cookie secret of a successor: the first 16 bytes of HKDF-SHA256 (RFC 5869) over the signing key's
    /// material, salted by the record's nonce. Everyone who rotates the same token gets the same.
    pub fn of_successor(material: &Secret, nonce: &[u8; 16]) -> Option<Self> {
        with_scrubbed_stack_of::<EXPANDING, _>(|| Self::expand(material, nonce))
    }

    fn expand(material: &Secret, nonce: &[u8; 16]) -> Option<Self> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, nonce).extract(material.expose());
        let mut bytes = [0; 16];
        let info: [&[u8]; 1] = [b"jwtkeeper cookie"];
        prk.expand(&info, Sixteen).ok()?.fill(&mut bytes).ok()?;
        let secret = Self::from_bytes(&bytes);
        bytes.zeroize();
        Some(secret)
    }

    /// The claim `lck` of an asymmetric realm: base64url of SHA-256 over the 32 digits.
    pub fn lock_claim(&self) -> String {
        encode_base64url(digest::digest(&digest::SHA256, &self.0).as_ref())
    }

    /// Returns the message whose MAC is a derived lock key.
    pub(super) fn lock_message(&self) -> [u8; 47] {
        let mut message = [0; 47];
        for (to, from) in message.iter_mut().zip(LABEL.iter().chain(&self.0)) {
            *to = *from;
        }
        message
    }

    /// The 32 digits, for the cookie itself.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // hex digits: always UTF-8
    }

    fn from_bytes(bytes: &[u8; 16]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            for (to, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *to = DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
            }
        }
        Self(digits)
    }
}

struct Sixteen;

impl hkdf::KeyType for Sixteen {
    fn len(&self) -> usize {
        16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "35a496b4d4aa7dcb08389ef2e22728dc";

    #[test]
    fn only_the_exact_form() {
        assert!(CookieSecret::parse(DIGITS.as_bytes()).is_some());
        let long = format!("{DIGITS}0");
        let nul = format!("{DIGITS}\0");
        let spaced = format!(" {DIGITS}");
        let upper = DIGITS.to_uppercase();
        let nothex = DIGITS.replace('c', "g");
        for other in ["", &DIGITS[1..], &long, &nul, &spaced, &upper, &nothex] {
            assert!(CookieSecret::parse(other.as_bytes()).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_value_has_one_part_or_two() {
        let two = format!("{DIGITS}.{}", DIGITS.replace('3', "4"));
        assert_eq!(CookieSecret::parse_value(DIGITS).len(), 1);
        assert_eq!(CookieSecret::parse_value(&two).len(), 2);
        for other in [
            format!("{two}.{DIGITS}"),
            format!("{DIGITS}."),
            format!(".{DIGITS}"),
            String::new(),
        ] {
            assert_eq!(CookieSecret::parse_value(&other).len(), 0, "{other:?}");
        }
    }

    #[test]
    fn golden_vectors() {
        let cookie = CookieSecret::parse(DIGITS.as_bytes()).unwrap();
        assert_eq!(cookie.lock_message(), *format!("jwtkeeper lock\0{DIGITS}").as_bytes());
        let material = Secret::new(vec![0x0b; 32]).unwrap();
        let successor = CookieSecret::of_successor(&material, &[7; 16]).unwrap();
        // Both computed with Python's hashlib and hmac.
        assert_eq!(cookie.lock_claim(), "1Bc9IuGmVA9NnofmwVMox--muU6Ekg_Opfl3wSLF4Ec");
        assert_eq!(successor.expose(), "7696d3a61f3e4ed7819866256ad388cf");
    }
}
