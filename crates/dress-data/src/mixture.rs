//! Several corpora, of which each gives its share of the blocks.

use crate::{
    Corpus, CorpusFormat, Error, RowText, SampleConfig, Tokenizer, calibration_and_held_back, sha256,
};
use dress_core::{Calibration, published_paths};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};

/// Corpora with weights, as `a.jsonl:0.7,b.parquet:0.3`; one corpus is a mixture of one.
#[derive(Debug, Clone)]
pub struct Mixture {
    given: PathBuf,
    parts: Vec<(Corpus, f64)>,
}

impl Mixture {
    /// Reads what a path or a list with weights names; what exists under the whole name is one corpus.
    ///
    /// # Errors
    /// [`Error::Weights`] and those of [`Corpus::read_as`].
    pub fn read(given: &Path, rows: &RowText) -> Result<Self, Error> {
        let read = |path: &Path| Corpus::read_as(path, CorpusFormat::Auto, rows);
        let parts = match weighted(given)? {
            Some(parts) => parts.into_iter().map(|(path, weight)| Ok((read(&path)?, weight))).collect(),
            None => read(given).map(|corpus| vec![(corpus, 1.0)]),
        };
        Ok(Self { given: given.into(), parts: parts? })
    }

    /// SHA-256 of the corpus, or of all their hashes and weights.
    pub fn sha256(&self) -> String {
        match &self.parts[..] {
            [(corpus, _)] => corpus.sha256().into(),
            parts => {
                let lines = parts.iter().map(|(corpus, weight)| format!("{} {weight}\n", corpus.sha256()));
                sha256::hex(lines.collect::<String>().as_bytes())
            }
        }
    }

    /// SHA-256 of the chat template, where one made texts of rows.
    pub fn template_sha256(&self) -> Option<&str> {
        self.parts.iter().find_map(|(corpus, _)| corpus.template_sha256())
    }

    /// The blocks of each corpus, as [`calibration_blocks`](crate::calibration_blocks) draws them, by largest
    /// remainder of its weight; of several, in an order that the seed says.
    ///
    /// # Errors
    /// Those of [`calibration_blocks`](crate::calibration_blocks).
    pub fn blocks(&self, tokenizer: &Tokenizer, config: &SampleConfig) -> Result<Calibration, Error> {
        Ok(self.blocks_and_held_back(tokenizer, config, 0)?.0)
    }

    /// [`Mixture::blocks`], and up to `held_back` more that share no text with them, of each corpus its
    /// share; of one that is there twice, from which blocks are drawn twice, none.
    ///
    /// # Errors
    /// Those of [`Mixture::blocks`].
    pub fn blocks_and_held_back(
        &self,
        tokenizer: &Tokenizer,
        config: &SampleConfig,
        held_back: usize,
    ) -> Result<(Calibration, Calibration), Error> {
        if let [(corpus, _)] = &self.parts[..] {
            return calibration_and_held_back(corpus, tokenizer, config, held_back);
        }
        let (mut all, mut rest): (Option<Calibration>, Option<Calibration>) = (None, None);
        let shares = self.shares(config.samples).into_iter().zip(self.shares(held_back));
        for ((corpus, _), (samples, held_back)) in self.parts.iter().zip(shares) {
            if samples == 0 {
                tracing::warn!("no block is drawn from {}: its weight is too small", corpus.path().display());
                continue;
            }
            let config = SampleConfig { samples, ..config.clone() };
            let held_back = if self.is_there_twice(corpus) { 0 } else { held_back };
            let (drawn, more) = calibration_and_held_back(corpus, tokenizer, &config, held_back)?;
            for (all, drawn) in [(&mut all, drawn), (&mut rest, more)] {
                match all {
                    Some(all) => all.blocks.extend(drawn.blocks),
                    None => *all = Some(drawn),
                }
            }
        }
        let mut all = all.unwrap_or_default();
        all.blocks.shuffle(&mut ChaCha8Rng::seed_from_u64(config.seed));
        Ok((self.as_given(all), self.as_given(rest.unwrap_or_default())))
    }

    /// With the mixture as where the blocks are from.
    fn as_given(&self, mut of: Calibration) -> Calibration {
        of.provenance.path = published_paths(&self.given.to_string_lossy());
        of.provenance.sha256 = self.sha256();
        of.provenance.blocks = of.blocks.len();
        of.provenance.text_field =
            self.parts.iter().find_map(|(corpus, _)| corpus.text_field()).map(String::from);
        of.provenance.chat_template_sha256 = self.template_sha256().map(String::from);
        of
    }

    fn is_there_twice(&self, corpus: &Corpus) -> bool {
        self.parts.iter().filter(|(other, _)| other.sha256() == corpus.sha256()).count() > 1
    }

    fn shares(&self, samples: usize) -> Vec<usize> {
        let sum: f64 = self.parts.iter().map(|(_, weight)| weight).sum();
        let exact: Vec<f64> = self.parts.iter().map(|(_, weight)| samples as f64 * weight / sum).collect();
        let mut shares: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
        let mut order: Vec<usize> = (0..exact.len()).collect();
        order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
        let left = samples.saturating_sub(shares.iter().sum());
        order.into_iter().cycle().take(left).for_each(|index| shares[index] += 1);
        shares
    }
}

/// The corpora of a list and their weights, where it has weights.
fn weighted(given: &Path) -> Result<Option<Vec<(PathBuf, f64)>>, Error> {
    let name = given.to_string_lossy();
    if given.exists() || !name.contains(':') {
        return Ok(None);
    }
    let part = |part: &str| {
        let (path, weight) = part.rsplit_once(':')?;
        let weight: f64 = weight.parse().ok()?;
        (weight > 0.0 && weight.is_finite() && !path.is_empty()).then(|| (path.into(), weight))
    };
    let parts: Vec<Option<(PathBuf, f64)>> = name.split(',').map(part).collect();
    match parts.iter().any(Option::is_some) {
        false => Ok(None),
        true => parts
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map(Some)
            .ok_or_else(|| Error::Weights { given: name.into_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::tests::rows;
    use crate::tokenizer::tests::words;
    use dress_core::Draw;

    #[test]
    fn each_corpus_gives_its_share_and_the_seed_says_the_order() {
        let at = tempfile::tempdir().unwrap();
        let path = |name: &str| at.path().join(name).display().to_string();
        std::fs::write(path("a.jsonl"), "{\"text\":\"w0 w0 w0\"}\n".repeat(50)).unwrap();
        std::fs::write(path("b.csv"), format!("id,body\n{}", "1,w1 w1 w1\n".repeat(50))).unwrap();
        std::fs::write(path("c.csv"), format!("id,text\n{}", "1,w1 w1 w1\n".repeat(50))).unwrap();
        let given = format!("{}:0.7,{}:0.3", path("a.jsonl"), path("c.csv"));
        let config =
            |seed| SampleConfig { samples: 10, seqlen: 3, seed, draw: Draw::Rows, ..SampleConfig::default() };
        let mixture = Mixture::read(Path::new(&given), &RowText::default()).unwrap();
        let drawn = |seed| mixture.blocks(&words(), &config(seed)).unwrap();
        let blocks = drawn(1).blocks;
        assert_eq!(blocks.iter().filter(|block| block[1] == 2).count(), 7);
        assert_eq!((blocks.len(), blocks == drawn(1).blocks), (10, true));
        assert_eq!(drawn(1).provenance.sha256, mixture.sha256());
        let half = Mixture::read(Path::new(&given.replace(":0.3", "")), &RowText::default())
            .unwrap_err()
            .to_string();
        assert!(half.contains("weight"), "{half}");
        let body = RowText::default().field(Some("body"));
        let body = Mixture::read(Path::new(&path("b.csv")), &body).unwrap();
        assert_eq!(rows(&body.parts[0].0)[0], "w1 w1 w1");
        let config = SampleConfig { samples: 1, seqlen: 3, ..SampleConfig::default() };
        let provenance = body.blocks(&words(), &config).unwrap().provenance;
        assert_eq!(provenance.text_field.as_deref(), Some("body"));
    }

    #[test]
    fn nothing_is_held_back_of_a_corpus_that_is_there_twice() {
        let at = tempfile::tempdir().unwrap();
        let path = |name: &str| at.path().join(name).display().to_string();
        for word in ["w0", "w1"] {
            let row = format!("{{\"text\":\"{word} {word} {word}\"}}\n");
            std::fs::write(path(&format!("{word}.jsonl")), row.repeat(50)).unwrap();
        }
        let config = SampleConfig { samples: 4, seqlen: 3, draw: Draw::Rows, ..SampleConfig::default() };
        let held_back = |names: [&str; 2]| {
            let given = names.map(|name| format!("{}:0.5", path(name))).join(",");
            let mixture = Mixture::read(Path::new(&given), &RowText::default()).unwrap();
            let (drawn, more) = mixture.blocks_and_held_back(&words(), &config, 2).unwrap();
            assert_eq!(drawn, mixture.blocks(&words(), &config).unwrap());
            more.blocks.len()
        };
        assert_eq!(held_back(["w0.jsonl", "w1.jsonl"]), 2);
        assert_eq!(held_back(["w0.jsonl", "w0.jsonl"]), 0, "the other half may have drawn it");
    }

    #[test]
    fn a_folder_and_a_list_are_one_corpus_each() {
        let at = tempfile::tempdir().unwrap();
        let path = |name: &str| at.path().join(name).display().to_string();
        std::fs::write(path("1.jsonl"), "{\"text\":\"w0\"}\n").unwrap();
        std::fs::write(path("2.csv"), "id,text\n1,w1\n").unwrap();
        std::fs::write(path("README.md"), "read me").unwrap();
        let list = format!("{},{}", path("1.jsonl"), path("2.csv"));
        for given in [at.path(), Path::new(&list)] {
            let corpus = Corpus::read(given, CorpusFormat::Auto).unwrap();
            assert_eq!(rows(&corpus), ["w0", "w1"]);
        }
        std::fs::write(path("test-0.jsonl"), "{\"text\":\"w0\"}\n").unwrap();
        std::fs::write(path("train-0.jsonl"), "{\"text\":\"w0\"}\n").unwrap();
        let splits = Corpus::read(at.path(), CorpusFormat::Auto).unwrap_err().to_string();
        assert!(splits.contains("train") && splits.contains("test"), "{splits}");
    }
}
