//! Layers: the values of one source (the file, read in `file`, the environment, the credentials
//! directory) with their origins. The `config` crate merges them.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

use config::{Map, Value, ValueKind};

use super::keys::{self, PREFIX};
use super::mistake::{Findings, SettingOrigin, SettingOrigins};
use super::route::{KeyStep, Route};
use super::text_file::{LARGEST_SECRET, read_text, trimmed};
use super::wipe::{wipe, wipe_kind};

/// Limit on the items of an array of tables from the environment, so that a stray index does not
/// exhaust the memory.
const MOST_ITEMS: usize = 1000;
const SEPARATOR: &str = "__";

/// One value with its origin. An empty table stands for the table itself.
#[derive(Clone)]
struct Assignment {
    route: Route,
    kind: ValueKind,
    origin: SettingOrigin,
}

/// All values of one source.
#[derive(Clone, Default)]
pub(super) struct Layer {
    assignments: Vec<Assignment>,
}

impl Drop for Assignment {
    fn drop(&mut self) {
        wipe_kind(&mut self.kind);
    }
}

impl fmt::Debug for Layer {
    // Without the values: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self
            .assignments
            .iter()
            .map(|assignment| assignment.route.to_string());
        f.debug_set().entries(keys).finish()
    }
}

impl Layer {
    /// Reads all variables with the prefix `EXPD__`. Names of instances are matched to `instances`,
    /// those of the file, regardless of case and with `-` equal to `_`.
    pub(super) fn from_environment(
        variables: &[(String, OsString)],
        instances: &[String],
        findings: &mut Findings,
    ) -> Self {
        let mut layer = Self::default();
        let mut variables: Vec<_> = variables.iter().collect();
        variables.sort();
        for (variable, value) in variables {
            let upper = variable.to_ascii_uppercase();
            let Some(rest) = upper.strip_prefix(PREFIX) else {
                continue;
            };
            let origin = SettingOrigin::Variable(variable.clone());
            let Some(value) = value.to_str() else {
                findings.mistake(origin, "", "the value is not UTF-8", "set it to UTF-8 text");
                continue;
            };
            if value.is_empty() {
                continue;
            }
            match variable_route(rest, instances) {
                Some(route) => layer.push(&route, ValueKind::String(value.to_owned()), &origin),
                None => findings.mistake(
                    origin,
                    "",
                    "the name has an empty part, or an index that is too large",
                    "write EXPD__SECTION__KEY, as in EXPD__DAEMON__SOCKET",
                ),
            }
        }
        layer
    }

    /// Reads the files `expd.INSTANCE.K` and `expd.hub.K` in systemd's credentials directory.
    pub(super) fn from_credentials(directory: &Path, findings: &mut Findings) -> Self {
        let mut layer = Self::default();
        let listed = std::fs::read_dir(directory).and_then(|files| {
            let mut names: Vec<OsString> = files
                .map(|file| file.map(|file| file.file_name()))
                .collect::<io::Result<_>>()?;
            names.sort();
            Ok(names)
        });
        let names = match listed {
            Ok(names) => names,
            Err(error) => {
                findings.mistake(
                    SettingOrigin::Credential(directory.to_owned()),
                    "",
                    format!("cannot list the credentials directory: {error}"),
                    "unset CREDENTIALS_DIRECTORY, or let the daemon's user read it",
                );
                return layer;
            }
        };
        for name in names.iter().filter_map(|name| name.to_str()) {
            let Some(rest) = name.strip_prefix("expd.") else {
                continue;
            };
            // `expd.toml` and the like have another purpose.
            let Some((instance, key)) = rest.split_once('.') else {
                continue;
            };
            // Keys of web apps, looked up by the app's name (see `web`).
            if instance == "web"
                && key
                    .rsplit_once('.')
                    .is_some_and(|(_, last)| last == "api_key")
            {
                continue;
            }
            // Tokens of callers over TCP (see `tokens`).
            if instance == "tcp"
                && key
                    .rsplit_once('.')
                    .is_some_and(|(_, last)| last == "token")
            {
                continue;
            }
            let path = directory.join(name);
            let origin = SettingOrigin::Credential(path.clone());
            let hub = Route::default().key("hub");
            let table = Route::default()
                .key("instances")
                .key(instance)
                .key("credentials");
            let route = if instance == "hub" && keys::find("hub", key).is_some() {
                hub.key(key)
            } else {
                table.key(key)
            };
            if keys::find(&route.parent().section(), key).is_none() {
                let known = keys::nearest(&table.section(), key);
                let known = known.rsplit('.').next().unwrap_or_default();
                findings.mistake(
                    origin,
                    "",
                    format!("no credential has the key {key:?}"),
                    format!("name it expd.INSTANCE.K; did you mean expd.{instance}.{known}?"),
                );
                continue;
            }
            match read_text(&path, LARGEST_SECRET) {
                Ok(text) => {
                    let text = trimmed(&text).to_owned();
                    layer.push(&route, ValueKind::String(text), &origin);
                }
                Err(error) => findings.mistake(
                    origin,
                    &route,
                    format!("cannot read the credential: {error}"),
                    "check LoadCredential= in the unit",
                ),
            }
        }
        layer
    }

    pub(super) fn push(&mut self, route: &Route, kind: ValueKind, origin: &SettingOrigin) {
        self.assignments.push(Assignment {
            route: route.clone(),
            kind,
            origin: origin.clone(),
        });
    }

    /// The names of instances in this layer.
    pub(super) fn instances(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for assignment in &self.assignments {
            if let [KeyStep::Key(first), KeyStep::Key(name), ..] = assignment.route.0.as_slice()
                && first == "instances"
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        names
    }

    /// True if the layer contains a secret itself, not only the name of a file with one.
    pub(super) fn holds_a_secret(&self) -> bool {
        self.assignments.iter().any(|assignment| {
            let key = keys::find(
                &assignment.route.parent().section(),
                assignment.route.name(),
            );
            key.is_some_and(|key| matches!(key.value_type, keys::ValueType::Secret))
        })
    }

    /// True if this layer sets the key.
    pub(super) fn sets(&self, route: &Route) -> bool {
        self.assignments
            .iter()
            .any(|assignment| assignment.route == *route)
    }

    /// Records the origin of every value, overriding those of earlier layers.
    pub(super) fn note_origins(&self, origins: &mut SettingOrigins) {
        for assignment in &self.assignments {
            let is_table = matches!(&assignment.kind, ValueKind::Table(_));
            if is_table && origins.contains_key(&assignment.route.to_string()) {
                continue;
            }
            origins.insert(assignment.route.to_string(), assignment.origin.clone());
        }
    }

    /// Sets its values in a tree, overriding those of earlier layers, which are wiped.
    pub(super) fn collect_to(&self, root: &mut Value) {
        for assignment in &self.assignments {
            let section = assignment.route.parent();
            // An alternative form of the same setting replaces an earlier layer's; two forms within
            // one layer are a mistake, which is reported later.
            for rival in keys::rivals(&section.section(), assignment.route.name()) {
                let rival = section.key(&rival);
                if !self.sets(&rival)
                    && let Some(table) = reach(root, &section.0)
                    && let ValueKind::Table(table) = &mut table.kind
                {
                    // The replaced value may be a secret.
                    if let Some(mut replaced) = table.remove(rival.name()) {
                        wipe(&mut replaced);
                    }
                }
            }
            let Some(place) = reach(root, &assignment.route.0) else {
                continue;
            };
            let replaces = !matches!(&assignment.kind, ValueKind::Table(_))
                || !matches!(&place.kind, ValueKind::Table(_));
            if replaces {
                let origin = assignment.origin.to_string();
                let value = Value::new(Some(&origin), assignment.kind.clone());
                // The replaced value may be a secret.
                wipe(&mut std::mem::replace(place, value));
            }
        }
    }
}

/// Returns the value at the end of a route, created as nil if missing. `None` if a value stands
/// where a table belongs; the reader reports that.
fn reach<'a>(root: &'a mut Value, steps: &[KeyStep]) -> Option<&'a mut Value> {
    let mut place = root;
    for step in steps {
        place = match step {
            KeyStep::Key(name) => {
                if matches!(place.kind, ValueKind::Nil) {
                    place.kind = ValueKind::Table(Map::new());
                }
                let ValueKind::Table(table) = &mut place.kind else {
                    return None;
                };
                table
                    .entry(name.clone())
                    .or_insert_with(|| Value::new(None, ValueKind::Nil))
            }
            KeyStep::Index(index) => {
                if matches!(place.kind, ValueKind::Nil) {
                    place.kind = ValueKind::Array(Vec::new());
                }
                let ValueKind::Array(items) = &mut place.kind else {
                    return None;
                };
                if items.len() <= *index {
                    items.resize(index + 1, Value::new(None, ValueKind::Nil));
                }
                items.get_mut(*index)?
            }
        };
    }
    Some(place)
}

fn variable_route(rest: &str, instances: &[String]) -> Option<Route> {
    let mut route = Route::default();
    for part in rest.split(SEPARATOR) {
        if part.is_empty() {
            return None;
        }
        let section = route.section();
        let lower = part.to_lowercase();
        let parent = route.parent().section();
        if keys::shape(&parent, route.name()) == Some(keys::Shape::Tables)
            && let Ok(index) = lower.parse::<usize>()
        {
            if index >= MOST_ITEMS {
                return None;
            }
            route = route.item(index);
        } else if section == "instances" {
            let same =
                |name: &&String| name.to_lowercase().replace('-', "_") == lower.replace('-', "_");
            route = route.key(instances.iter().find(same).unwrap_or(&lower));
        } else {
            route = route.key(&lower);
        }
    }
    Some(route)
}
