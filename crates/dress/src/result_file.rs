//! `dress.json`: how a pruned checkpoint came to be.

use crate::TextQuality;
use dress_core::SlicePlan;
use dress_prune::{PruneConfig, PruneReport, RegularizeConfig};
use serde::{Deserialize, Serialize};

/// Everything it takes to make the checkpoint beside it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultFile {
    /// The version of the file's format, [`ResultFile::FORMAT`]; 0 in files from before it was written.
    #[serde(default)]
    pub format_version: u32,
    /// The version of this crate.
    pub dress_version: String,
    /// The version of Burn.
    pub burn_version: String,
    /// The device it was made on.
    pub device: String,
    /// The type of the weights while it was made.
    pub dtype: String,
    /// Parameters before.
    pub parameters_before: u64,
    /// Parameters after.
    pub parameters: u64,
    /// The plan: model, criterion, seed, calibration data and what went.
    pub plan: SlicePlan,
    /// The settings of the regularization, where there was one.
    pub regularize: Option<RegularizeConfig>,
    /// The data that any of its numbers were read from, where there was any.
    pub calibration: Option<dress_core::CorpusProvenance>,
    /// What the run did to what the model says of texts that it did not look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quality: Vec<TextQuality>,
    /// The command that made it, where one did. Its paths are as
    /// [`published_paths`](dress_core::published_paths) says them, since the file is published with the
    /// result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What happened on the way.
    pub report: PruneReport,
}

/// `dress.json` of `dress prune`: the result, with the settings that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PruneResult {
    /// What came of it.
    #[serde(flatten)]
    pub result: ResultFile,
    /// The checkpoint that was read, as [`published_name`](dress_models::published_name) says it.
    pub model: String,
    /// Rounds of score, regularize and slice.
    pub rounds: usize,
    /// Every setting but those of the regularization, which [`ResultFile::regularize`] has.
    pub settings: PruneConfig,
}

impl ResultFile {
    /// The version of the format of `dress.json` and `recover.json` that is written. It changes where a key
    /// gets another meaning or goes.
    pub const FORMAT: u32 = 1;

    /// The Burn this workspace is pinned to.
    pub const BURN_VERSION: &'static str = "0.22.1";

    /// A result by this version that nothing is known of yet but what it is: made by `plan` on `device` in
    /// weights of `dtype`, with as many parameters before and after.
    pub fn of(plan: SlicePlan, device: String, dtype: String, [before, after]: [u64; 2]) -> Self {
        Self {
            format_version: Self::FORMAT,
            dress_version: env!("CARGO_PKG_VERSION").into(),
            burn_version: Self::BURN_VERSION.into(),
            device,
            dtype,
            parameters_before: before,
            parameters: after,
            plan,
            regularize: None,
            calibration: None,
            quality: Vec::new(),
            command: None,
            report: PruneReport::default(),
        }
    }

    /// The files that say it, `dress.json` and `plan.json`, with their texts.
    pub fn files(&self) -> Vec<(String, String)> {
        files(self, &self.plan)
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        to_json(self)
    }
}

impl PruneResult {
    /// The files that say it, `dress.json` and `plan.json`, and `search.json` where the shape was searched
    /// for, with their texts.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = files(self, &self.result.plan);
        files
            .extend(self.result.report.search.as_ref().map(|search| ("search.json".into(), to_json(search))));
        files
    }
}

fn files(result: &impl Serialize, plan: &SlicePlan) -> Vec<(String, String)> {
    [("dress.json", to_json(result)), ("plan.json", plan.to_json())]
        .map(|(name, text)| (name.into(), text))
        .into()
}

fn to_json(result: &impl Serialize) -> String {
    serde_json::to_string_pretty(result).expect("a result is numbers, texts and lists")
}
