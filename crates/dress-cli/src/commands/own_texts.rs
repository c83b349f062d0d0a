//! `dress generate --texts`: a corpus that the model writes itself.

use crate::interrupted_run::explain_interrupt;
use crate::{Error, PlaceLock, RunContext, check_own_file_place, fingerprint, shown_progress, tokenizer};
use dress_core::{Progress, Unit, files};
use dress_data::Tokenizer;
use dress_eval::generation::{OwnTexts, StopConditions, own_texts};
use dress_eval::journal::{Journal, ResultKey};
use dress_models::end_tokens;
use dress_train::RunDirectory;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
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
        let mut kept = KeptTexts::open(&directory.texts(), self.key(&tokenizer)?, self.force)?;
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
        let keep = |text, written| kept.keep(text, written);
        Ok(own_texts(&model, tokenizer, &missing, &stop, &drawn, &stage, keep)?)
    }

    /// The tokens that every text begins behind: the prompt's, or what a text begins with, or the token that
    /// ends the text before.
    fn beginning(&self, tokenizer: &Tokenizer, ends: &[u32]) -> Result<Vec<u32>, Error> {
        let tokens = tokenizer.encode(self.prompt.as_deref().unwrap_or_default(), true)?;
        match (tokens.is_empty(), ends) {
            (false, _) => Ok(tokens),
            (true, [end, ..]) => Ok(vec![*end]),
            (true, []) => Err(Error::NoBeginning { model: self.model.clone() }),
        }
    }

    /// All that the texts depend on.
    fn key(&self, tokenizer: &Tokenizer) -> Result<String, Error> {
        let about = json!({
            "fingerprint": fingerprint(&self.model)?,
            "tokenizer": tokenizer.sha256(),
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

/// The texts that are finished, in a journal.
struct KeptTexts {
    journal: Journal,
    texts: BTreeMap<usize, String>,
}

/// What the journal has: first what the texts depend on, then each text behind its number.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Settings(String),
    Text(usize, String),
}

impl KeptTexts {
    /// What `path` has of the texts of this key; with nothing there it begins anew, and where `replace` says
    /// so with another run's file too. A damaged one keeps what is before the damage then.
    fn open(path: &Path, key: String, replace: bool) -> Result<Self, Error> {
        let key_of_file = ResultKey::new("texts", &());
        let (entries, mut journal) = match replace {
            true => Journal::open_or_begin::<Entry>(path, &key_of_file)?,
            false => Journal::open::<Entry>(path, &key_of_file)?,
        };
        let mut entries = entries.into_iter();
        match entries.next() {
            None => journal.keep(&Entry::Settings(key))?,
            Some(Entry::Settings(found)) if found == key => {}
            Some(_) if !replace => return Err(Error::OtherTexts { path: path.into() }),
            Some(_) => {
                drop(journal);
                std::fs::remove_file(path).map_err(|cause| Error::Io { path: path.into(), cause })?;
                return Self::open(path, key, false);
            }
        }
        let text = |entry| match entry {
            Entry::Text(text, written) => Some((text, written)),
            Entry::Settings(_) => None,
        };
        Ok(Self { journal, texts: entries.filter_map(text).collect() })
    }

    fn keep(&mut self, text: usize, written: String) -> Result<(), dress_eval::Error> {
        self.journal.keep(&(text, &written))?;
        self.texts.insert(text, written);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Write;

    #[test]
    fn finished_texts_are_found_again_by_the_same_run_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("own.jsonl.run/texts.jsonl");
        let open = |key: &str, replace: bool| KeptTexts::open(&path, key.into(), replace);
        let mut kept = open("one", false).unwrap();
        kept.keep(2, "And\n".into()).unwrap();
        kept.keep(0, "it".into()).unwrap();
        drop(kept);
        // The process ended in the middle of a line.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"[1, \"cam").unwrap();
        let mut again = open("one", false).unwrap();
        assert_eq!(again.texts, BTreeMap::from([(0, "it".to_string()), (2, "And\n".to_string())]));
        again.keep(1, "came".into()).unwrap();
        drop(again);
        assert_eq!(open("one", true).unwrap().texts.len(), 3);
        let refused = open("two", false).err().unwrap().to_string();
        assert!(refused.contains("texts.jsonl") && refused.contains("--force"), "{refused}");
        assert_eq!(open("one", false).unwrap().texts.len(), 3);
        assert!(open("two", true).unwrap().texts.is_empty());
    }

    #[test]
    fn a_damaged_journal_is_refused_by_name_and_mended_by_force() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("own.jsonl.run/texts.jsonl");
        let open = |replace: bool| KeptTexts::open(&path, "one".into(), replace);
        let mut kept = open(false).unwrap();
        kept.keep(0, "it".into()).unwrap();
        kept.keep(1, "came".into()).unwrap();
        drop(kept);
        let whole = std::fs::read_to_string(&path).unwrap();
        let flipped = whole.replace("it", "at");
        // Another version has another hash in its first line.
        let of_another_version = format!("{}{}", "0".repeat(32), &whole[32..]);
        let truncated_inside = whole.replacen("came", "ca\n", 1);
        let first = BTreeMap::from([(0, "it".to_string())]);
        for (damaged, good) in [
            ("garbage\n", BTreeMap::new()),
            (flipped.as_str(), BTreeMap::new()),
            (of_another_version.as_str(), BTreeMap::new()),
            (truncated_inside.as_str(), first),
        ] {
            std::fs::write(&path, damaged).unwrap();
            let refused = open(false).err().unwrap().to_string();
            assert!(refused.contains("texts.jsonl") && refused.contains("`force`"), "{refused}");
            let mut mended = open(true).unwrap();
            assert_eq!(mended.texts, good, "{damaged:?}");
            mended.keep(1, "again".into()).unwrap();
            let texts = mended.texts.clone();
            drop(mended);
            assert_eq!(open(false).unwrap().texts, texts);
        }
    }
}
