//! `report.json`: what is accepted is written back as the same, and becomes Markdown and HTML.
#![no_main]

use dress_eval::report::{Report, html, markdown};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    let path = Path::new("report.json");
    let Ok(report) = Report::from_json(text, path) else { return };
    assert_eq!(Report::from_json(&report.to_json(), path).unwrap().to_json(), report.to_json());
    let _ = (markdown(&report), html(&report, "fuzzed"));
    let _ = markdown(&Report::join(vec![report.clone(), report]));
});
