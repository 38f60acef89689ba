//! Stored passwords: Argon2id hashes in PHC form.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use expd_domain::Secret;

/// Hashes a password with a new salt, for `password_hash` in the settings. Takes about 20 ms of CPU
/// by design.
///
/// # Errors
/// Argon2 refuses the password, which it does only past 4 GiB.
pub fn hash_password(password: &Secret) -> Result<String, HashError> {
    Argon2::default()
        .hash_password(password.expose().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(HashError)
}

/// A password could not be hashed, or a hash is invalid.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HashError(argon2::password_hash::Error);

/// Validates a hash as [`Hub::bind`](crate::Hub::bind) does.
///
/// # Errors
/// When it is no Argon2 hash in PHC form, or has parameters that Argon2 refuses.
pub fn check_password_hash(hash: &str) -> Result<(), HashError> {
    let hash = PasswordHash::new(hash).map_err(|error| HashError(error.into()))?;
    argon2::Algorithm::try_from(hash.algorithm.as_str())
        .and_then(|_| argon2::Params::try_from(&hash))
        .map_err(HashError)?;
    Ok(())
}

/// Checks a password against a hash. CPU-bound: call it on a blocking thread.
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
        assert!(check_password_hash(&hash).is_ok());
        assert!(check_password_hash("hunter2").is_err());
        assert!(check_password_hash("$2b$12$abcdefghijklmnopqrstuu").is_err());
    }
}
