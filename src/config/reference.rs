//! The reference of the settings, generated from the table of keys.

use super::applies::Applies;
use super::keys::{self, Key, SECTIONS, ValueType, variable};
use super::units;

/// All settings as Markdown: one table per section.
pub fn reference() -> String {
    let mut text = String::new();
    for (section, meaning) in SECTIONS {
        let title = match section.strip_suffix("[]") {
            Some(name) => format!("[[{name}]]"),
            None => format!("[{section}]"),
        };
        line(&mut text, &format!("## `{title}`\n\n{meaning}\n"));
        line(
            &mut text,
            "| key | type | default | applies at | meaning | environment |\n| --- | --- | --- | --- | --- | --- |",
        );
        for key in keys::all().filter(|key| key.section == section) {
            row(&mut text, key);
        }
        text.push('\n');
    }
    text
}

fn row(text: &mut String, key: &Key) {
    let default = if key.default.is_empty() {
        String::new()
    } else {
        format!("`{}`", key.default)
    };
    line(
        text,
        &format!(
            "| `{}` | {} | {default} | {} | {} | `{}` |",
            key.name,
            type_text(key.value_type),
            Applies::of(key.section, key.name).as_str(),
            key.meaning,
            variable(&format!("{}.{}", key.section, key.name)),
        ),
    );
}

fn type_text(value_type: ValueType) -> String {
    match value_type {
        ValueType::Text => "text".into(),
        ValueType::Path => "path".into(),
        ValueType::Bool => "true or false".into(),
        ValueType::Duration(least, most) => format!(
            "duration, {} to {}",
            units::format_duration(least),
            units::format_duration(most)
        ),
        ValueType::Size(least, most) => {
            format!(
                "size, {} to {}",
                units::format_size(least),
                units::format_size(most)
            )
        }
        ValueType::Count(least, most) => format!("number, {least} to {most}"),
        ValueType::Address => "address and port".into(),
        ValueType::LoopbackAddress => "loopback address and port".into(),
        ValueType::Mode => "permission mode, octal".into(),
        ValueType::Choice(known) => known
            .iter()
            .map(|known| format!("`\"{known}\"`"))
            .collect::<Vec<_>>()
            .join(", "),
        ValueType::Url => "http or https URL".into(),
        ValueType::Secret => "secret".into(),
        ValueType::Texts => "list of texts".into(),
        ValueType::Choices(known) => {
            let known: Vec<_> = known.iter().map(|known| format!("`\"{known}\"`")).collect();
            format!("list of {}", known.join(", "))
        }
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- settings -->\n";
    const END: &str = "<!-- /settings -->";

    #[test]
    fn settings_reference() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
        let document = std::fs::read_to_string(path).unwrap();
        let (before, rest) = document
            .split_once(BEGIN)
            .expect("docs/settings.md has the marker <!-- settings -->");
        let (there, after) = rest
            .split_once(END)
            .expect("docs/settings.md has the marker <!-- /settings -->");
        let wanted = format!("\n{}", reference());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
            return;
        }
        assert!(
            there == wanted,
            "the settings in docs/settings.md are not those of the code; run: UPDATE=1 cargo test --lib settings_reference"
        );
    }
}
