//! `dress stream`.

use super::transform::Transform;
use crate::interrupted_run::explain_interrupt;
use crate::{Error, PlaceLock, check_place, shown_progress};
use dress::any_model::keep_streams;
use dress_core::CausalLm;
use dress_models::CheckpointParts;
use dress_models::checkpoint::OutputError;
use dress_train::RunDirectory;
use serde_json::json;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

/// What `dress stream` does.
#[derive(Debug)]
pub(super) struct Stream {
    /// Of which checkpoint, with which text, to where.
    pub checkpoint: Transform,
    /// The layers before which streams are kept, where it is not all of them.
    pub layers: Option<Range<usize>>,
}

impl Stream {
    /// Keeps the streams; `began` is when the command did.
    pub fn run(self, began: Instant) -> Result<(), Error> {
        let Transform { checkpoint, out, force, context, .. } = &self.checkpoint;
        check_place(out)?;
        let _lock = PlaceLock::take(out)?;
        let directory = RunDirectory::at(out);
        let count = checkpoint.declared().num_layers();
        let layers = self.layers.clone().unwrap_or(0..count);
        if layers.end > count {
            return Err(dress::Error::NoSuchLayers { asked: layers, layers: count }.into());
        }
        let holds_others = std::fs::read_dir(out).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| !RunDirectory::is_stream(&entry.file_name())))
        });
        if holds_others && !force {
            return Err(dress_models::Error::Output(OutputError::Exists { path: out.clone() }).into());
        }
        directory.clear_unfinished();
        let calibration = self.checkpoint.blocks_for("the stream")?;
        explain_interrupt(&directory);
        let (load, device) = (context.compute.load_config(), &context.compute.device);
        let parts = CheckpointParts::open(checkpoint.path(), &load, device)?;
        let (fingerprint, dtype) = (parts.fingerprint()?, load.dtype.dtype());
        if *force {
            remove_streams(out);
        }
        let progress = shown_progress();
        keep_streams(&parts, &fingerprint, &calibration, dtype, &directory, layers.clone(), &progress)?;
        let (blocks, seconds) = (calibration.blocks.len(), began.elapsed().as_secs_f64());
        let report = json!({
            "layers": [layers.start, layers.end],
            "blocks": blocks,
            "seconds": seconds,
            "out": out.display().to_string(),
        });
        context.output.print(&report, || {
            format!(
                "streams of {blocks} blocks before layers {} to {} in {seconds:.0} s, kept in {}",
                layers.start,
                layers.end - 1,
                out.display()
            )
        })?;
        Ok(())
    }
}

/// Removes the streams in a directory, and nothing else.
fn remove_streams(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if RunDirectory::is_stream(&entry.file_name()) {
            // Those that cannot be removed are refused or read later.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
