//! The picture of an ablation.

use super::{Ablation, Row};
use crate::Error;
use crate::comparison::last_part;
use dress_eval::plot::{Interval, Picture, intervals};

/// A line a row: the mean perplexity over seeds as a dot, the least and the greatest as a bar. Perplexity is
/// on a logarithmic scale.
///
/// # Errors
/// Those of [`intervals()`].
pub fn picture(ablation: &Ablation) -> Result<Picture, Error> {
    let interval = |row: &Row| {
        let seen = row.summary.as_ref()?.seen;
        Some(Interval {
            name: row.name.clone(),
            middle: seen.mean,
            range: [seen.least, seen.greatest],
            marked: ablation.best.as_ref() == Some(&row.name),
        })
    };
    let rows: Vec<Interval> = ablation.rows.iter().filter_map(interval).collect();
    let data = ablation.rows.iter().flat_map(|row| &row.cells).next().map(|cell| &cell.measured.seen.data);
    let data = data.map_or(String::new(), |data| format!(", {}", last_part(&data.path)));
    let title = format!("{}: {}{data}", last_part(&ablation.model), ablation.base);
    Ok(intervals(&title, "perplexity", &rows)?)
}
