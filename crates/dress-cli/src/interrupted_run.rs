//! What is said of a run that was interrupted.

use crate::signals;
use dress_train::{KeptSteps, RunDirectory};
use std::path::Path;

/// Says on an interrupt from the keyboard and on SIGTERM where the run in `directory` can be gone on with.
/// Where the process was started with interrupts ignored, they stay ignored.
pub(crate) fn explain_interrupt(directory: &RunDirectory) {
    signals::explain_interrupts(directory.path().into(), what_is_kept);
}

/// What repeating the command goes on from.
fn what_is_kept(directory: &Path) -> String {
    match RunDirectory::at(directory).kept() {
        Some(KeptSteps { steps, round: None }) => format!("repeat the command to go on after step {steps}"),
        Some(KeptSteps { steps, round: Some(round) }) => {
            format!("repeat the command to go on after step {steps} of round {round}")
        }
        None => match RunDirectory::at(directory).kept_layer() {
            Some(layer) => format!("repeat the command to go on with layer {layer}"),
            None if RunDirectory::at(directory).search().exists() => {
                "repeat the command to go on with the search".into()
            }
            None if RunDirectory::at(directory).texts().exists() => {
                "repeat the command to go on with the texts that are missing".into()
            }
            None => "nothing was kept yet, so the same command begins anew".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_says_what_was_kept() {
        let place = tempfile::tempdir().unwrap();
        let said = || what_is_kept(place.path());
        assert!(said().contains("nothing was kept yet"));
        std::fs::write(place.path().join("search.json"), "{}").unwrap();
        assert!(said().ends_with("go on with the search"));
        std::fs::create_dir_all(place.path().join("layer-4/checkpoint-8")).unwrap();
        assert!(said().ends_with("go on with layer 4"));
        std::fs::create_dir_all(place.path().join("round-2/checkpoint-3")).unwrap();
        assert!(said().ends_with("go on after step 3 of round 2"));
        std::fs::create_dir_all(place.path().join("checkpoint-16")).unwrap();
        assert!(said().ends_with("go on after step 16"));
    }
}
