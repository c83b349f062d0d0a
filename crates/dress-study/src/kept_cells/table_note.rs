//! What stands below the tables of a comparison and of an ablation.

use super::Measured;
use dress_core::CorpusProvenance;
use dress_eval::report::{markdown_code, markdown_text};

/// The lengths and texts that a table was measured on, as sentences.
pub fn measured_on(of: &Measured, calibration: Option<&CorpusProvenance>) -> String {
    let text = |name: &str, data: &CorpusProvenance| {
        format!("{name}: {}, {} blocks of {} tokens", markdown_code(&data.path), data.blocks, data.seqlen)
    };
    let mut texts = vec![text("Seen", &of.seen.data)];
    texts.extend(of.unseen.as_ref().map(|unseen| text("unseen", &unseen.data)));
    texts.extend(calibration.map(|data| text("calibration", data)));
    format!(
        "{}. {} on {}, dress {}. Minutes and peak memory are those of the method, each in a process of its own, loading \
         included in the memory; evaluation is in neither.",
        texts.join("; "),
        of.run.dtype,
        markdown_text(&of.run.device),
        of.run.dress_version
    )
}
