//! Passwords at rest: Argon2id hashes in PHC form.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};

use expd_domain::Secret;

/// Hashes a password with a fresh salt, for `password_hash` in the settings. Takes some 20 ms of a core, on purpose.
///
/// # Errors
/// When Argon2 refuses the password, which it does past 4 GiB alone.
pub fn hash_password(password: &Secret) -> Result<String, HashError> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(HashError)?;
    Argon2::default()
        .hash_password(password.expose().as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(HashError)
}

/// Why a password could not be hashed, or a hash not be read.
#[derive(Debug, thiserror::Error)]
#[error("hashing the password failed: {0}")]
pub struct HashError(argon2::password_hash::Error);

/// Whether `hash` is one that [`verify`] can use.
pub(super) fn check_hash(hash: &str) -> Result<(), argon2::password_hash::Error> {
    let hash = PasswordHash::new(hash)?;
    argon2::Algorithm::try_from(hash.algorithm)?;
    argon2::Params::try_from(&hash)?;
    Ok(())
}

/// Whether `password` is the one behind `hash`. It keeps a core busy: call it on a blocking thread.
pub(super) fn verify(password: &Secret, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.expose().as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_salted_and_verifies_its_password_alone() {
        let password = Secret::new("correct horse");
        let hash = hash_password(&password).unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert_ne!(hash, hash_password(&password).unwrap());
        assert!(verify(&password, &hash));
        assert!(!verify(&Secret::new("wrong"), &hash));
        assert!(check_hash(&hash).is_ok());
        assert!(check_hash("hunter2").is_err());
        assert!(check_hash("$2b$12$abcdefghijklmnopqrstuu").is_err());
    }
}
