//! Small tables for people.

use std::fmt;

/// What stands in a column of numbers where there is none, as what would be counted is refused.
pub const REFUSED: &str = "refused";

/// Rows of text under a header. Columns of numbers stand right and columns of words left; the first column is
/// a name.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    best: Vec<(usize, usize)>,
}

impl Table {
    /// A table with these column names.
    pub fn new(header: &[impl AsRef<str>]) -> Self {
        let header = header.iter().map(|name| name.as_ref().to_string()).collect();
        Self { rows: vec![header], best: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.to_vec());
    }

    /// Marks a cell of the row that was added last as the best of what it is compared with.
    pub fn mark(&mut self, column: usize) {
        self.best.push((self.rows.len() - 1, column));
    }

    /// A cell as it is printed: what stands beside a marked one keeps its place.
    fn cell(&self, row: usize, column: usize) -> String {
        let text = self.rows[row].get(column).map_or("", String::as_str);
        let is_marked = self.best.iter().any(|&(_, marked)| marked == column);
        match (is_marked, self.best.contains(&(row, column))) {
            (false, _) => text.into(),
            (true, true) => format!("{text}*"),
            (true, false) => format!("{text} "),
        }
    }

    /// Whether what stands under a header is numbers, as far as anything does.
    fn is_numeric(&self, column: usize) -> bool {
        let cells =
            self.rows.iter().skip(1).filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
        column > 0 && cells.clone().all(|cell| begins_as_a_number(cell))
    }
}

/// Whether a text is a number, with whatever unit, or stands for one that is not there.
fn begins_as_a_number(text: &str) -> bool {
    let text = text.trim_start_matches(['-', '+', '–', '~']);
    text.is_empty()
        || text.starts_with(|letter: char| letter.is_ascii_digit())
        || ["inf", "NaN", REFUSED].contains(&text)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let numeric: Vec<bool> = (0..columns).map(|column| self.is_numeric(column)).collect();
        let cells: Vec<Vec<String>> = (0..self.rows.len())
            .map(|row| (0..columns).map(|column| self.cell(row, column)).collect())
            .collect();
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &cells {
            let padded =
                row.iter().zip(&widths).zip(&numeric).map(|((cell, width), numeric)| match numeric {
                    false => format!("{cell:<width$}"),
                    true => format!("{cell:>width$}"),
                });
            writeln!(f, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 3]]) -> Table {
        let mut table = Table::new(&rows[0]);
        rows[1..].iter().for_each(|row| table.row(&row.map(String::from)));
        table
    }

    #[test]
    fn numbers_stand_right_and_words_left() {
        let text =
            table(&[["model", "parameters", "verdict"], ["dense", "12", "loads"], ["d", "-3 MB", "no"]]);
        let lines = ["model  parameters  verdict", "dense          12  loads", "d           -3 MB  no", ""];
        assert_eq!(text.to_string(), lines.join("\n"));
        let refused = table(&[["", "before", "after"], ["bytes", "4.7 MB", REFUSED]]);
        assert_eq!(refused.to_string(), "       before    after\nbytes  4.7 MB  refused\n");
    }

    #[test]
    fn the_best_is_marked_and_columns_stay_in_line() {
        let mut marked = table(&[["model", "loss", "x"], ["dense", "3.5", "1"]]);
        marked.mark(1);
        marked.row(&["a", "10.25", "2"].map(String::from));
        assert_eq!(marked.to_string(), "model   loss   x\ndense    3.5*  1\na      10.25   2\n");
    }
}
