//! A slice plan: what is accepted says of every axis at least one structure that stays.
#![no_main]

use dress_core::SlicePlan;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| {
    let path = Path::new("plan.json");
    if let Ok(plan) = SlicePlan::from_json(text, path) {
        for (_, chosen) in plan.selection.iter() {
            assert!(chosen.kept_len() > 0 && chosen.removed().iter().all(|&index| index < chosen.len()));
        }
        assert_eq!(SlicePlan::from_json(&plan.to_json(), path).unwrap(), plan);
    }
});
