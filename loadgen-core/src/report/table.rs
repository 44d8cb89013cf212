//! Tables for a terminal: without lines, numbers at the right of their columns.

use comfy_table::{CellAlignment, Table, presets};

/// A table without rows.
pub fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// Sets what stands in these columns to the right.
pub fn align_right(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Sets the columns apart, and those from the first with numbers on to the right.
pub fn align_numbers(table: &mut Table, first: usize) {
    let columns = first..table.column_count();
    align_right(table, columns);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
}
