//! `secret generate`: a new HMAC secret or private key, in the form in which the daemon reads it. It goes into its file
//! or to stdout, and nowhere else: no message holds it, and what held it in memory is wiped.

use std::fmt;
use std::fs::File;
use std::io::{Write, stdout};
use std::os::fd::AsFd;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::ValueEnum;
use nix::sys::prctl;
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use crate::confirm;
use crate::held::Held;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;
use crate::replace::{Replaced, content, replace};

/// The algorithm of a secret or key: all that the daemon knows, by the names of RFC 7518 section 3.1 and RFC 8037.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[value(rename_all = "verbatim")]
pub(crate) enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

#[derive(Serialize)]
struct Generated<'a> {
    file: &'a str,
    algorithm: Algorithm,
    replaced: bool,
    backup: Option<&'a str>,
}

/// The treatment of a key that is already there.
pub(crate) struct Care {
    /// It is replaced by one of another kind too.
    pub(crate) force: bool,
    /// No backup is kept.
    pub(crate) no_backup: bool,
    /// Nobody is asked.
    pub(crate) yes: bool,
}

/// Makes one and puts it in `file`, or on stdout where that is `-`. What it prints otherwise never holds the key.
pub(crate) fn generate(
    output: &Output,
    algorithm: Algorithm,
    file: Option<&Path>,
    care: &Care,
) -> Result<Outcome, Failure> {
    let file = file.unwrap_or(Path::new(algorithm.usual_file()));
    if file
        .to_str()
        .is_some_and(|name| Algorithm::from_str(name, true).is_ok())
    {
        return Err(Failure::Usage(
            "FILE is an algorithm's name; --algorithm says what the key is for",
        ));
    }
    let to_stdout = file == Path::new("-");
    if to_stdout && output.json {
        return Err(Failure::Usage("stdout cannot be both the key and the JSON"));
    }
    // No core dump holds it: the pem crate does not wipe what it works with.
    let _it_knows_false = prctl::set_dumpable(false);
    let key = algorithm.new_key().map_err(|Unspecified| Failure::NoKey)?;
    if to_stdout {
        // By a descriptor of its own: std's stdout would keep it in a buffer.
        File::from(stdout().as_fd().try_clone_to_owned()?).write_all(&key)?;
        return Ok(Outcome::Yes);
    }
    if let Some(held) = content(file)?.and_then(|content| Held::of(&content)) {
        let new = algorithm.kind();
        if held != new && !care.force {
            let file = file.to_owned();
            return Err(Failure::AnotherKind { file, held, new });
        }
        if !care.yes && !confirm::replace_key(file, held)? {
            output.nothing_done()?;
            return Ok(Outcome::No);
        }
    }
    let replaced = replace(file, &key, !care.no_backup)?;
    report(output, algorithm, &file.to_string_lossy(), &replaced)?;
    Ok(Outcome::Yes)
}

fn report(output: &Output, algorithm: Algorithm, file: &str, replaced: &Replaced) -> Result<(), Failure> {
    let backup = replaced.backup.as_ref().map(|path| path.to_string_lossy());
    if output.json {
        return Ok(output.object(&Generated {
            file,
            algorithm,
            replaced: replaced.existed,
            backup: backup.as_deref(),
        })?);
    }
    let what = if algorithm.is_hmac() {
        "a secret"
    } else {
        "a private key"
    };
    output.line(&format!("wrote {file}: {what} for {algorithm}"))?;
    if replaced.existed {
        output.line(
            "it replaces another key: every token that only that one verifies is invalid once the daemon has read this",
        )?;
    }
    if let Some(backup) = backup {
        output.line(&format!(
            "the old one is kept as {backup}: delete it once nothing needs it"
        ))?;
    }
    Ok(())
}

impl Algorithm {
    fn is_hmac(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    /// Returns the usual file for one: never that of the other kind.
    fn usual_file(self) -> &'static str {
        match self.is_hmac() {
            true => "/etc/jwtkeeper/secret",
            false => "/etc/jwtkeeper/key.pem",
        }
    }

    fn kind(self) -> Held {
        match self {
            Self::HS256 | Self::HS384 | Self::HS512 => Held::Secret,
            Self::ES256 => Held::P256,
            Self::ES384 => Held::P384,
            Self::EdDSA => Held::Ed25519,
            _ => Held::Rsa,
        }
    }

    /// The content of a key file.
    fn new_key(self) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        match self {
            // As long as the hash (RFC 7518 section 3.2).
            Self::HS256 => secret::<32>(),
            Self::HS384 => secret::<48>(),
            Self::HS512 => secret::<64>(),
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => rsa(),
            Self::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Self::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Self::EdDSA => Ok(private_key(Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref())),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.write_str(value.get_name()),
            None => Ok(()),
        }
    }
}

/// Random bytes as base64url text. No newline ends it: readers other than the daemon take a file as it is.
fn secret<const LENGTH: usize>() -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    rand::fill(bytes.as_mut_slice())?;
    let mut text = Zeroizing::new(vec![0; (LENGTH * 4).div_ceil(3)]);
    let length = BASE64_URL_SAFE_NO_PAD
        .encode_slice(bytes.as_slice(), &mut text)
        .map_err(|_| Unspecified)?;
    text.truncate(length);
    Ok(text)
}

fn rsa() -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let der: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa3072)?.as_der()?;
    Ok(private_key(der.as_ref()))
}

fn ec(curve: &'static EcdsaSigningAlgorithm) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    Ok(private_key(EcdsaKeyPair::generate(curve)?.to_pkcs8v1()?.as_ref()))
}

/// PKCS#8 as PEM (RFC 7468 section 10). Version 1 of it: OpenSSL refuses Ed25519 keys in version 2.
fn private_key(der: &[u8]) -> Zeroizing<Vec<u8>> {
    let block = pem::Pem::new("PRIVATE KEY", der);
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let text = pem::encode_config(&block, config).into_bytes();
    block.into_contents().zeroize();
    Zeroizing::new(text)
}
