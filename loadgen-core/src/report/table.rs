//! Tables for a terminal: without lines, numbers at the right of their columns.

use comfy_table::{CellAlignment, Table, presets};

/// A table without rows.
pub fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// Sets the columns apart, and those from the first with numbers on to the right.
pub fn align_numbers(table: &mut Table, first: usize) {
    for column in first..table.column_count() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
}
