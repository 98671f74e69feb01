//! The checksums of sources.

use std::fmt;

use sha2::Digest as _;

use super::name::excerpt;

/// What a source's content must be. At least one of them is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checksums {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
    blake2b: Option<Vec<u8>>,
}

/// One of the ways to check a source. The weaker ones of makepkg are not among them: whoever replaces a
/// file can make one with the same MD5 or SHA-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `sha256sums`.
    Sha256,
    /// `sha512sums`.
    Sha512,
    /// `b2sums`: BLAKE2b with 512 bits.
    Blake2b,
}

impl Algorithm {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Sha256, Self::Sha512, Self::Blake2b];

    /// The variable that holds the checksums.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256sums",
            Self::Sha512 => "sha512sums",
            Self::Blake2b => "b2sums",
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 | Self::Blake2b => 64,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
            Self::Blake2b => "BLAKE2b",
        })
    }
}

/// A source's content is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Which checksum differs.
    pub algorithm: Algorithm,
    /// What the PKGBUILD says, in hexadecimal.
    pub expected: String,
    /// What was found, in hexadecimal.
    pub found: String,
}

impl Checksums {
    /// Adds what a PKGBUILD says; what is wrong with it, in words.
    pub(super) fn add(&mut self, algorithm: Algorithm, text: &str) -> Result<(), String> {
        let bytes = hex::decode(text)
            .ok()
            .filter(|bytes| bytes.len() == algorithm.length())
            .ok_or_else(|| {
                format!(
                    "{} must be {} hexadecimal digits, not {:?}",
                    algorithm.variable(),
                    algorithm.length() * 2,
                    excerpt(text)
                )
            })?;
        *self.slot(algorithm) = Some(bytes);
        Ok(())
    }

    fn slot(&mut self, algorithm: Algorithm) -> &mut Option<Vec<u8>> {
        match algorithm {
            Algorithm::Sha256 => &mut self.sha256,
            Algorithm::Sha512 => &mut self.sha512,
            Algorithm::Blake2b => &mut self.blake2b,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.sha512.is_none() && self.blake2b.is_none()
    }

    /// Begins to check content.
    pub(crate) fn checker(&self) -> Checker {
        Checker {
            expected: self.clone(),
            sha256: sha2::Sha256::new(),
            sha512: sha2::Sha512::new(),
            blake2b: blake2::Blake2b512::new(),
        }
    }
}

/// Hashes content as it comes, only as it is asked for.
pub(crate) struct Checker {
    expected: Checksums,
    sha256: sha2::Sha256,
    sha512: sha2::Sha512,
    blake2b: blake2::Blake2b512,
}

impl Checker {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if self.expected.sha256.is_some() {
            self.sha256.update(bytes);
        }
        if self.expected.sha512.is_some() {
            self.sha512.update(bytes);
        }
        if self.expected.blake2b.is_some() {
            self.blake2b.update(bytes);
        }
    }

    /// The first checksum that differs.
    pub(crate) fn finish(self) -> Result<(), Mismatch> {
        let found = [
            (
                Algorithm::Sha256,
                self.expected.sha256,
                self.sha256.finalize().to_vec(),
            ),
            (
                Algorithm::Sha512,
                self.expected.sha512,
                self.sha512.finalize().to_vec(),
            ),
            (
                Algorithm::Blake2b,
                self.expected.blake2b,
                self.blake2b.finalize().to_vec(),
            ),
        ];
        for (algorithm, expected, found) in found {
            if let Some(expected) = expected
                && expected != found
            {
                return Err(Mismatch {
                    algorithm,
                    expected: hex::encode(expected),
                    found: hex::encode(found),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7693, appendix A, and FIPS 180-4's example: the digests of "abc".
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const BLAKE2B: &str = "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                           7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923";

    fn check(checksums: &Checksums, content: &[u8]) -> Result<(), Mismatch> {
        let mut checker = checksums.checker();
        for byte in content.chunks(1) {
            checker.update(byte);
        }
        checker.finish()
    }

    #[test]
    fn every_checksum_that_is_given_counts() {
        let mut checksums = Checksums::default();
        assert!(checksums.is_empty());
        checksums.add(Algorithm::Sha256, &SHA256.to_uppercase()).unwrap();
        checksums.add(Algorithm::Blake2b, BLAKE2B).unwrap();
        assert_eq!(check(&checksums, b"abc"), Ok(()));
        let mismatch = check(&checksums, b"abd").unwrap_err();
        assert_eq!(
            (mismatch.algorithm, mismatch.expected.as_str()),
            (Algorithm::Sha256, SHA256)
        );
        checksums.add(Algorithm::Blake2b, &"0".repeat(128)).unwrap();
        assert_eq!(
            check(&checksums, b"abc").unwrap_err().algorithm,
            Algorithm::Blake2b
        );
    }

    #[test]
    fn digests_of_the_wrong_length_are_refused() {
        let mut checksums = Checksums::default();
        for text in ["", "SKIP", "abc", &SHA256[2..], BLAKE2B] {
            assert!(checksums.add(Algorithm::Sha256, text).is_err(), "{text}");
        }
        assert!(checksums.is_empty());
    }
}
