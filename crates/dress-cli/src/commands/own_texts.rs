//! `dress generate --texts`: a corpus that the model writes itself.

use crate::interrupted_run::explain_interrupt;
use crate::{Error, PlaceLock, RunContext, check_own_file_place, fingerprint, shown_progress, tokenizer};
use dress_core::{Progress, Unit, files};
use dress_data::Tokenizer;
use dress_eval::generation::{OwnTexts, StopConditions, own_texts};
use dress_models::end_tokens;
use dress_train::RunDirectory;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What `dress generate --texts` does.
#[derive(Debug)]
pub(super) struct WriteOwnTexts {
    /// The checkpoint.
    pub model: PathBuf,
    /// What every text begins with, where that is given; it is part of the text.
    pub prompt: Option<String>,
    /// How many texts are written.
    pub texts: usize,
    /// The most tokens of each.
    pub max_new_tokens: usize,
    /// Divides the logits before a token is drawn.
    pub temperature: f64,
    /// Where the texts go.
    pub out: PathBuf,
    /// Whether a corpus that is there is replaced.
    pub force: bool,
    /// Where it is computed.
    pub context: RunContext,
}

/// A line of the corpus.
#[derive(Serialize, Deserialize)]
struct Line {
    text: String,
}

impl WriteOwnTexts {
    /// Writes the texts, of which those that an interrupted run has finished are kept.
    pub fn run(self) -> Result<(), Error> {
        check_own_file_place(&self.out, self.force, "corpus of texts", is_corpus)?;
        let _lock = PlaceLock::take(&self.out)?;
        let began = Instant::now();
        let tokenizer = tokenizer(&self.model)?;
        let directory = RunDirectory::beside(&self.out);
        let mut kept = KeptTexts::open(&directory.texts(), self.key()?, self.force)?;
        explain_interrupt(&directory);
        let found = kept.texts.len();
        self.write(&tokenizer, &mut kept)?;
        let prompt = self.prompt.as_deref().unwrap_or_default();
        let line = |text: &String| {
            let line = Line { text: format!("{prompt}{text}") };
            serde_json::to_string(&line).expect("a text is JSON") + "\n"
        };
        let all: String = kept.texts.range(..self.texts).map(|(_, text)| line(text)).collect();
        files::write_whole(&self.out, all.as_bytes())
            .map_err(|cause| Error::Io { path: self.out.clone(), cause })?;
        directory.remove();
        let report = json!({
            "out": self.out.display().to_string(),
            "texts": self.texts,
            "found": found,
            "seconds": began.elapsed().as_secs_f64(),
        });
        self.context.output.print(&report, || {
            format!(
                "{} texts in {:.0} s, written to {}",
                self.texts,
                began.elapsed().as_secs_f64(),
                self.out.display()
            )
        })
    }

    fn write(&self, tokenizer: &Tokenizer, kept: &mut KeptTexts) -> Result<(), Error> {
        let missing: Vec<usize> = (0..self.texts).filter(|text| !kept.texts.contains_key(text)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let ends = end_tokens(&self.model)?;
        let beginning = self.beginning(tokenizer, &ends)?;
        let model = self.context.load(&self.model)?;
        let stop =
            StopConditions { until: Vec::new(), end_tokens: ends, max_new_tokens: self.max_new_tokens };
        let drawn = OwnTexts { beginning, temperature: self.temperature, seed: self.context.seed };
        let terminal = shown_progress();
        let progress: &dyn Progress = &terminal;
        let stage = progress.begin("writing", Unit::Texts, self.texts as u64);
        stage.reuse(kept.texts.len() as u64);
        own_texts(&model, tokenizer, &missing, &stop, &drawn, &stage, |text, written| {
            kept.keep(text, written).map_err(|cause| dress_eval::Error::Io { path: kept.path.clone(), cause })
        })?;
        Ok(())
    }

    /// The tokens that every text begins behind: the prompt's, or what a text begins with, or the token that ends the text before.
    fn beginning(&self, tokenizer: &Tokenizer, ends: &[u32]) -> Result<Vec<u32>, Error> {
        let tokens = tokenizer.encode(self.prompt.as_deref().unwrap_or_default(), true)?;
        match (tokens.is_empty(), ends) {
            (false, _) => Ok(tokens),
            (true, [end, ..]) => Ok(vec![*end]),
            (true, []) => Err(Error::NoBeginning { model: self.model.clone() }),
        }
    }

    /// All that the texts depend on.
    fn key(&self) -> Result<String, Error> {
        let about = json!({
            "fingerprint": fingerprint(&self.model)?,
            "tokenizer": tokenizer(&self.model)?.sha256(),
            "prompt": self.prompt,
            "max_new_tokens": self.max_new_tokens,
            "temperature": self.temperature,
            "seed": self.context.seed,
            "dtype": self.context.compute.dtype.to_string(),
        });
        Ok(about.to_string())
    }
}

/// Whether a file is a corpus as this command writes it.
fn is_corpus(path: &Path) -> bool {
    let first = File::open(path).ok().and_then(|file| BufReader::new(file).lines().next()?.ok());
    first.is_some_and(|line| serde_json::from_str::<Line>(&line).is_ok())
}

/// The texts that are finished, in a file that grows by a line a text.
struct KeptTexts {
    path: PathBuf,
    file: File,
    texts: BTreeMap<usize, String>,
}

impl KeptTexts {
    /// What `path` has of the texts of this key; with nothing there it begins anew, and with another run's where `replace` says so.
    fn open(path: &Path, key: String, replace: bool) -> Result<Self, Error> {
        let failed = |cause| Error::Io { path: path.into(), cause };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let lines: Vec<String> = match File::open(path) {
            // A line that an end of the process cut is not read, nor what stands behind it.
            Ok(file) => BufReader::new(file).lines().map_while(Result::ok).collect(),
            Err(_) => Vec::new(),
        };
        let is_ours = lines.first().is_none_or(|first| *first == key);
        if !is_ours && !replace {
            return Err(Error::OtherTexts { path: path.into() });
        }
        let whole = lines.iter().skip(1).map_while(|line| serde_json::from_str(line).ok());
        let texts: BTreeMap<usize, String> = if is_ours { whole.collect() } else { BTreeMap::new() };
        let mut all = key + "\n";
        all.extend(texts.iter().map(|text| line_of(text.0, text.1)));
        files::write_whole(path, all.as_bytes()).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Self { path: path.into(), file, texts })
    }

    fn keep(&mut self, text: usize, written: String) -> std::io::Result<()> {
        self.file.write_all(line_of(&text, &written).as_bytes())?;
        self.texts.insert(text, written);
        Ok(())
    }
}

fn line_of(text: &usize, written: &str) -> String {
    serde_json::to_string(&(text, written)).expect("a number and a text are JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_texts_are_found_again_by_the_same_run_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("own.jsonl.run/texts.jsonl");
        let open = |key: &str, replace: bool| KeptTexts::open(&path, key.into(), replace);
        let mut kept = open("one", false).unwrap();
        kept.keep(2, "And\n".into()).unwrap();
        kept.keep(0, "it".into()).unwrap();
        // The process ends in the middle of a line.
        kept.file.write_all(b"[1, \"cam").unwrap();
        let mut again = open("one", false).unwrap();
        assert_eq!(again.texts, BTreeMap::from([(0, "it".to_string()), (2, "And\n".to_string())]));
        again.keep(1, "came".into()).unwrap();
        assert_eq!(open("one", true).unwrap().texts.len(), 3);
        let refused = open("two", false).err().unwrap().to_string();
        assert!(refused.contains("texts.jsonl") && refused.contains("--force"), "{refused}");
        assert_eq!(open("one", false).unwrap().texts.len(), 3);
        assert!(open("two", true).unwrap().texts.is_empty());
    }
}
