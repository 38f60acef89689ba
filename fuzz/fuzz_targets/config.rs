//! Contents of the file, the environment and the credentials directory: no panic; what is accepted
//! is accepted again; a refusal says where, what and what to do, a line each, and names the key;
//! and no secret is revealed.
//!
//! ```sh
//! RUSTC_BOOTSTRAP=1 cargo fuzz run config -- -max_total_time=600 -dict=fuzz/config.dict
//! ```
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::LazyLock;

use expd::config::{self, ConfigErrors, Source};
use libfuzzer_sys::fuzz_target;

/// Inserted as a value of secret keys only, and searched for in all messages.
const SECRET: &str = "hunter2-hunter2";

static FOLDER: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a folder for the settings"));

// The text before the first zero byte is the file; then come `NAME=VALUE`, each terminated by a
// zero byte; those that begin with `expd.` are credentials.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|byte| *byte == 0);
    let source = source(parts.next().unwrap_or_default(), parts);
    match config::load(&source) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                assert!(!warning.what.is_empty() && !warning.remedy.is_empty());
                assert!(!warning.to_string().contains('\n'), "{warning}");
            }
            assert!(!format!("{loaded:?}").contains(SECRET), "a secret is told");
            let again = config::load(&source).expect("what was taken is taken again");
            assert_eq!(
                again.settings.instances.len(),
                loaded.settings.instances.len()
            );
            if let Err(errors) = loaded.for_serving(false) {
                check(&errors);
            }
        }
        Err(errors) => check(&errors),
    }
});

fn check(errors: &ConfigErrors) {
    assert!(!errors.mistakes().is_empty(), "refused without a word");
    for mistake in errors.mistakes() {
        let line = mistake.to_string();
        assert!(!line.contains('\n'), "{line:?}");
        assert!(
            !mistake.what.is_empty() && !mistake.remedy.is_empty(),
            "{line}"
        );
        assert!(!line.contains(SECRET), "a secret is told: {line}");
        // A message names a key, unless the file could not be read as a whole, or it is about a
        // variable or a credential, which it names.
        let whole = ["not TOML: ", "cannot read "]
            .iter()
            .any(|what| mistake.what.starts_with(what));
        let named = matches!(
            mistake.origin,
            config::SettingOrigin::Variable(_) | config::SettingOrigin::Credential(_)
        );
        assert!(!mistake.key.is_empty() || whole || named, "{line}");
    }
}

fn source<'a>(file: &[u8], rest: impl Iterator<Item = &'a [u8]>) -> Source {
    let path = FOLDER.path().join("expd.toml");
    std::fs::write(&path, file).expect("the file is written");
    let credentials = FOLDER.path().join("credentials");
    let mut has_credentials = false;
    let mut environment = vec![("EXPD__HUB__OPERATOR_KEY".to_owned(), OsString::from(SECRET))];
    for part in rest.take(16) {
        let Some(equals) = part.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (Ok(name), value) = (std::str::from_utf8(&part[..equals]), &part[equals + 1..]) else {
            continue;
        };
        if let Some(credential) = name.strip_prefix("expd.") {
            if !has_credentials {
                // Left over from the previous input.
                match std::fs::remove_dir_all(&credentials) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
                    _ => std::fs::create_dir(&credentials).expect("the folder is made"),
                }
                has_credentials = true;
            }
            if !credential.is_empty() && credential.len() < 200 && !credential.contains('/') {
                std::fs::write(credentials.join(name), value).expect("the credential is written");
            }
        } else {
            environment.push((name.to_owned(), OsString::from_vec(value.to_vec())));
        }
    }
    Source {
        file: Some(path),
        environment,
        credentials: has_credentials.then_some(credentials),
    }
}
