//! Routes: the sequence of keys and indexes that leads to a value.

use std::fmt;

use super::keys;

/// One step of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyStep {
    Key(String),
    Index(usize),
}

/// The route to a value: `hub.devices[0].uuid`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Route(pub(super) Vec<KeyStep>);

impl Route {
    pub(super) fn key(&self, name: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(KeyStep::Key(name.to_owned()));
        Self(steps)
    }

    pub(super) fn item(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(KeyStep::Index(index));
        Self(steps)
    }

    /// The table that contains this.
    pub(super) fn parent(&self) -> Self {
        let mut steps = self.0.clone();
        steps.pop();
        Self(steps)
    }

    /// Name of the last key.
    pub(super) fn name(&self) -> &str {
        match self.0.last() {
            Some(KeyStep::Key(name)) => name,
            _ => "",
        }
    }

    /// The section in the table of keys, with `NAME` for instances and `[]` for indexes.
    pub(super) fn section(&self) -> String {
        let mut section = String::new();
        for step in &self.0 {
            match step {
                KeyStep::Index(_) => section.push_str("[]"),
                KeyStep::Key(_) if section == "instances" => section.push_str(".NAME"),
                KeyStep::Key(name) => section = keys::join(&section, name),
            }
        }
        section
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                KeyStep::Index(index) => write!(f, "[{index}]")?,
                KeyStep::Key(name) if position == 0 => f.write_str(name)?,
                KeyStep::Key(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}
