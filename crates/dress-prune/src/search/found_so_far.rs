//! What a search has found so far, in a file, so that one that was interrupted goes on.

use super::{Candidate, Sensitivity};
use crate::Error;
use dress_core::{Axis, Scores, files};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What was found, and the file that has it where there is one.
pub(super) struct FoundSoFar {
    file: Option<PathBuf>,
    found: Found,
    /// What the file has of searches with other settings, which stays there.
    others: Vec<Found>,
}

#[derive(Serialize, Deserialize)]
struct Found {
    /// All that the search depends on, in words.
    key: String,
    scored: Option<Scored>,
    candidates: Vec<Candidate>,
}

/// What the passes over the whole model say.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Scored {
    pub scores: Scores,
    pub sensitivities: Vec<Sensitivity>,
}

impl FoundSoFar {
    /// What `file` has of the search of this key; nothing where it has none of it or cannot be read.
    pub fn open(file: Option<&Path>, key: String) -> Self {
        let read = file.and_then(|file| files::read_to_string(file).ok());
        let mut others: Vec<Found> =
            read.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let found = match others.iter().position(|found| found.key == key) {
            Some(own) => others.swap_remove(own),
            None => Found { key, scored: None, candidates: Vec::new() },
        };
        Self { file: file.map(Path::to_path_buf), found, others }
    }

    pub fn scored(&self) -> Option<Scored> {
        self.found.scored.clone()
    }

    pub fn keep_scored(&mut self, scored: Scored) -> Result<Scored, Error> {
        self.found.scored = Some(scored.clone());
        self.write()?;
        Ok(scored)
    }

    /// What was measured of the shape that keeps this.
    pub fn candidate(&self, kept: &BTreeMap<Axis, usize>) -> Option<Candidate> {
        self.found.candidates.iter().find(|candidate| candidate.kept == *kept).cloned()
    }

    pub fn keep_candidate(&mut self, candidate: Candidate) -> Result<Candidate, Error> {
        self.found.candidates.push(candidate.clone());
        self.write()?;
        Ok(candidate)
    }

    fn write(&self) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let failed = |cause| Error::RunFile { path: file.clone(), cause };
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let all: Vec<&Found> = self.others.iter().chain([&self.found]).collect();
        let text = serde_json::to_vec(&all).map_err(|cause| failed(cause.into()))?;
        files::write_whole(file, &text).map_err(failed)
    }
}
