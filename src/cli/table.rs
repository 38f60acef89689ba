//! Tables for people.

use super::output::{DIM, styled};

/// Lays out rows under a heading, each column as wide as its widest cell. No lines without rows.
pub(super) fn lines(heading: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let heading = heading.iter().map(|name| styled(DIM, name)).collect();
    let table: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &table {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(width_of(cell));
        }
    }
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str("  ");
            line.push_str(cell);
            line.push_str(&" ".repeat(width - width_of(cell)));
        }
        line.trim_end().to_owned()
    };
    table.iter().map(line).collect()
}

/// Width of a cell on a terminal, in columns; styles do not count.
fn width_of(cell: &str) -> usize {
    anstream::adapter::strip_str(cell)
        .map(|part| part.chars().count())
        .sum()
}
