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
        .map_err(HashError::Argon2)
}

/// A password could not be hashed, or a hash is invalid.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error("{0}")]
    Argon2(argon2::password_hash::Error),
    #[error("its version {0} is unknown; Argon2 has 16 and 19")]
    Version(u32),
    #[error("it has no salt, or no hash after it")]
    Incomplete,
}

/// Validates a hash as [`Hub::bind`](crate::Hub::bind) does.
///
/// # Errors
/// No password can match it: it is not an Argon2 hash in PHC form, has a version or parameters that
/// Argon2 refuses, or lacks its salt or its hash.
pub fn check_password_hash(hash: &str) -> Result<(), HashError> {
    let hash = PasswordHash::new(hash).map_err(|error| HashError::Argon2(error.into()))?;
    argon2::Algorithm::try_from(hash.algorithm.as_str())
        .and_then(|_| argon2::Params::try_from(&hash))
        .map_err(HashError::Argon2)?;
    // Verification takes a missing version for 19.
    if let Some(version) = hash.version {
        argon2::Version::try_from(version).map_err(|_| HashError::Version(version))?;
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(HashError::Incomplete);
    }
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

    #[test]
    fn a_hash_that_no_password_can_match_is_refused() {
        let hash = hash_password(&Secret::new("correct horse")).unwrap();
        let refusal = |hash: &str| check_password_hash(hash).unwrap_err().to_string();
        let unknown = refusal(&hash.replace("$v=19$", "$v=99$"));
        assert!(unknown.contains("version 99"), "{unknown}");
        for incomplete in [
            "$argon2id$v=19$m=19456,t=2,p=1",
            "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
        ] {
            let refused = refusal(incomplete);
            assert!(refused.contains("no salt"), "{refused}");
        }
        let older = hash.replace("$v=19$", "$v=16$");
        assert!(check_password_hash(&older).is_ok());
        assert!(check_password_hash(&hash.replace("$v=19$", "$")).is_ok());
    }
}
