//! Tests of what is taken and deserves a warning.

use super::*;

#[test]
fn a_secret_file_loses_one_newline_and_is_best_kept_private() {
    let text = DEVICE.replace("secret = \"s\"", "secret_file = \"device.secret\"");
    let fixture = SettingsFixture::of(&text).file("device.secret", "two\n\n", 0o600);
    assert_eq!(secret_of(&fixture.good()), "two\n");
    assert!(fixture.good().warnings.is_empty());
    let fixture = fixture.file("device.secret", "s", 0o644);
    let warnings = fixture.good().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].to_string().contains("everybody may read"),
        "{}",
        warnings[0]
    );
    let fixture = fixture.file("device.secret", "\n", 0o600);
    assert!(fixture.bad()[0].contains("is empty"));
}

#[test]
fn a_settings_file_that_others_can_read_or_change_deserves_a_warning() {
    let warnings = |text: &str, mode| -> Vec<String> {
        let fixture = SettingsFixture::of("").file("expd.toml", text, mode);
        let folder = format!("{}/", fixture.folder.path().display());
        let warnings = fixture.good().warnings;
        warnings
            .iter()
            .map(|warning| warning.to_string().replace(&folder, ""))
            .collect()
    };
    assert_eq!(warnings(DEVICE, 0o600), [""; 0]);
    assert_eq!(
        warnings(DEVICE, 0o644),
        [
            "expd.toml: everybody may read expd.toml, which contains a secret; chmod o-r expd.toml, or keep secrets in files of their own (secret_file, LoadCredential=)"
        ]
    );
    let pairing = "[instances.default.credentials]\ntype = \"device\"\nallow_pairing = true\n";
    assert_eq!(warnings(pairing, 0o644), [""; 0]);
    assert_eq!(
        warnings(pairing, 0o646),
        ["expd.toml: everybody may change expd.toml; chmod o-w expd.toml"]
    );
    let fixture = SettingsFixture::of(pairing);
    std::fs::set_permissions(fixture.folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let warnings = fixture.good().warnings;
    assert!(
        matches!(warnings.as_slice(), [one] if one.what.contains("everybody may change /")),
        "{warnings:?}"
    );
}

#[test]
fn plain_http_to_another_machine_deserves_a_warning() {
    let warnings = |host: &str| {
        let fixture =
            SettingsFixture::of(&format!("[instances.default]\nhost = \"{host}\"\n{DEVICE}"));
        fixture.good().warnings.len()
    };
    assert_eq!(warnings("http://exp.example"), 1);
    assert_eq!(warnings("http://localhost:9000"), 0);
    assert_eq!(warnings("http://[::1]:9000/"), 0);
    assert_eq!(warnings("https://exp.example/"), 0);
}

#[test]
fn rules_that_hide_the_status_from_everybody_deserve_a_warning() {
    let warnings = |rules: &str| -> Vec<String> {
        let warnings = SettingsFixture::of(&format!("{DEVICE}{rules}"))
            .good()
            .warnings;
        warnings.into_iter().map(|warning| warning.what).collect()
    };
    let rule = |who: &str, verb: &str| format!("[[access]]\n{who}\nallow = [\"{verb}\"]\n");
    let listen = rule("uid = 7", "listen");
    let hidden = ["no rule allows \"status\", not even to root"];
    assert_eq!(warnings(&listen), hidden);
    assert_eq!(warnings(&format!("{listen}{}", rule("", "admin"))), hidden);
    for seen in [
        String::new(),
        rule("uid = 0", "status"),
        format!("{listen}{}", rule("unit = \"monitor.service\"", "status")),
        rule("", "status"),
    ] {
        assert_eq!(warnings(&seen), [""; 0], "{seen}");
    }
}
