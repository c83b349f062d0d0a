//! The tokens that scoring and regularization see.

use crate::{CausalLm, Draw, Error};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where token blocks came from: enough to make them again, and to see that they are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CorpusProvenance {
    /// The file, as [`published_paths`](crate::published_paths) says it.
    pub path: String,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of what decides the tokenizer's ids, in hexadecimal.
    pub tokenizer_sha256: String,
    /// Tokens a block.
    pub seqlen: usize,
    /// How many blocks there are.
    pub blocks: usize,
    /// The seed of the draw, or `None` where blocks follow each other from the start.
    pub seed: Option<u64>,
    /// How they were drawn.
    #[serde(default)]
    pub draw: Draw,
    /// What was put between two rows of the corpus before tokenization; nothing where it was tokenized as it
    /// is.
    pub join: String,
    /// The field of each row that was its text, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_field: Option<String>,
    /// SHA-256 of the chat template that made texts of rows, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template_sha256: Option<String>,
}

/// Blocks of token ids of equal length, with where they came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Calibration {
    /// The blocks, each of the same number of tokens.
    pub blocks: Vec<Vec<u32>>,
    /// Where they came from.
    pub provenance: CorpusProvenance,
}

impl Calibration {
    /// Blocks of unknown origin, for tests and for callers with their own data.
    pub fn from_blocks(blocks: Vec<Vec<u32>>) -> Self {
        let provenance = CorpusProvenance {
            seqlen: blocks.first().map_or(0, Vec::len),
            blocks: blocks.len(),
            ..CorpusProvenance::default()
        };
        Self { blocks, provenance }
    }

    /// One or several blocks as a tensor of token ids. `[batch, seq]`
    ///
    /// # Panics
    /// Where the blocks differ in length.
    pub fn tensor(blocks: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
        let seq = blocks.first().map_or(0, Vec::len);
        assert!(blocks.iter().all(|b| b.len() == seq), "blocks of one batch differ in length");
        let ids: Vec<i32> = blocks.iter().flatten().map(|&id| id as i32).collect();
        Tensor::from_data(TensorData::new(ids, [blocks.len(), seq]), device)
    }

    /// SHA-256 of the tokens, block by block, in hexadecimal digits.
    ///
    /// # Examples
    /// ```
    /// use dress_core::Calibration;
    ///
    /// let (one, other) = (vec![vec![1, 2], vec![3]], vec![vec![1], vec![2, 3]]);
    /// assert_ne!(Calibration::from_blocks(one).sha256(), Calibration::from_blocks(other).sha256());
    /// ```
    pub fn sha256(&self) -> String {
        let mut tokens = Sha256::new();
        for block in &self.blocks {
            block.iter().for_each(|token| tokens.update(token.to_le_bytes()));
            tokens.update([0xff; 4]);
        }
        tokens.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks that all blocks have the same number of tokens.
    ///
    /// # Errors
    /// [`Error::UnequalBlocks`].
    ///
    /// # Examples
    /// ```
    /// use dress_core::Calibration;
    ///
    /// let blocks = Calibration::from_blocks(vec![vec![1, 2, 3], vec![4, 5]]);
    /// let error = blocks.check_lengths().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "block 1 has 2 tokens and the first 3; give blocks of one length, or leave out the shorter ones"
    /// );
    /// ```
    pub fn check_lengths(&self) -> Result<(), Error> {
        let expected = self.blocks.first().map_or(0, Vec::len);
        match self.blocks.iter().enumerate().find(|(_, block)| block.len() != expected) {
            Some((block, tokens)) => Err(Error::UnequalBlocks { block, found: tokens.len(), expected }),
            None => Ok(()),
        }
    }

    /// Checks that there is something to look at, and that `model` can look at it.
    ///
    /// # Errors
    /// [`Error::CalibrationEmpty`] where there is no block, [`Error::TooShort`] where one predicts nothing,
    /// and those of [`Calibration::check_lengths`] and [`Calibration::check`].
    pub fn require<M: CausalLm>(&self, model: &M, who: &str) -> Result<(), Error> {
        if self.blocks.is_empty() {
            return Err(Error::CalibrationEmpty { who: who.into() });
        }
        if let Some(block) = self.blocks.iter().find(|block| block.len() < 2) {
            return Err(Error::TooShort { who: who.into(), seqlen: block.len() });
        }
        self.check_lengths()?;
        self.check(model)
    }

    /// Checks that the blocks, if there are any, fit `model`: no longer than its positions, no token
    /// that it does not have.
    ///
    /// # Errors
    /// [`Error::TooLong`] and [`Error::Vocabulary`].
    pub fn check<M: CausalLm>(&self, model: &M) -> Result<(), Error> {
        let (positions, vocab_size) = (model.max_positions(), model.vocab_size());
        if let Some(block) = self.blocks.iter().find(|block| block.len() > positions) {
            return Err(Error::TooLong { seqlen: block.len(), positions });
        }
        match self.blocks.iter().flatten().find(|&&token| token as usize >= vocab_size) {
            Some(&token) => Err(Error::Vocabulary { token, vocab_size }),
            None => Ok(()),
        }
    }
}
