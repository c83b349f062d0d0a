//! Reports: one versioned JSON file a run, and Markdown or one HTML page of any number of them.

mod chart;
mod charts;
mod escaped;
mod heat_map;
mod html;
mod machine;
mod markdown;
mod model;
mod number;
mod origin;
mod panels;
mod tables;

pub use chart::{Chart, Curve};
pub use charts::charts;
pub(crate) use escaped::{html_text, one_line};
pub use escaped::{markdown_code, markdown_text};
pub use heat_map::{HeatMap, HeatRow, heat_maps};
pub use html::html;
pub use machine::Machine;
pub use markdown::markdown;
pub use model::{ModelReport, REPORT_FORMAT, Report, RunInfo};
pub use number::grouped;
pub use origin::{CurveSample, Kept, LayerScore, Origin};
pub use panels::report_panels;
pub use tables::{ReportTable, tables};
