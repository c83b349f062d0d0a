//! What every cell of a comparison has in common.

use super::{By, CompareArgs};
use crate::commands::common_args::{CalibrationArgs, seqlen_or};
use crate::commands::run_directory::RunDirectory;
use crate::comparison::{COMPARISON_SCHEMA, CellId, CellKey, CellStore, DataKey};
use crate::{Error, declared, tokenizer};
use dress_core::{CausalLm, Fingerprint, Ratio};
use dress_data::{BlockConfig, Corpus, CorpusFormat, SampleConfig, Tokenizer};
use dress_models::AnyModel;
use dress_models::checkpoint::{fingerprint, read_config};
use dress_prune::{Amount, Preset, PresetSettings};

/// The checkpoint and the texts that every cell has in common.
pub(super) struct Bench<'a> {
    pub args: &'a CompareArgs,
    pub declared: AnyModel,
    pub fingerprint: Fingerprint,
    pub tokenizer: Tokenizer,
    pub seen: Corpus,
    pub unseen: Corpus,
    pub cut: BlockConfig,
    pub store: CellStore,
    config: String,
}

impl<'a> Bench<'a> {
    /// Reads the texts and checks the checkpoint; no weights are loaded.
    ///
    /// # Errors
    /// Those of the checkpoint, of the texts and of the directory for the results.
    pub fn new(args: &'a CompareArgs) -> Result<Self, Error> {
        let declared = declared(&args.model)?;
        let seqlen = checked_length(seqlen_or(args.eval_seqlen, 2048, &args.model)?, &declared)?;
        let cut = BlockConfig::new(seqlen).max_blocks(args.max_blocks);
        Ok(Self {
            config: read_config(&args.model)?.0,
            fingerprint: fingerprint(&declared, &args.model)?,
            declared,
            tokenizer: tokenizer(&args.model)?,
            seen: Corpus::read(&args.data, CorpusFormat::Auto)?,
            unseen: Corpus::read(&args.unseen, CorpusFormat::Auto)?,
            cut,
            store: CellStore::open(&args.out.join("cells"))?,
            args,
        })
    }

    /// What the result of a cell depends on; whether there can be such a cell is seen from the shapes.
    ///
    /// # Errors
    /// Those of [`Preset::of`], and [`Error::NeedsCalibration`].
    pub fn key(&self, id: CellId) -> Result<CellKey, Error> {
        let text = |corpus: &Corpus| DataKey {
            sha256: corpus.sha256().into(),
            tokenizer_sha256: self.tokenizer.sha256().into(),
            seqlen: self.cut.seqlen,
            blocks: self.cut.max_blocks,
            seed: None,
            draw: None,
            join: self.cut.join.clone(),
        };
        let (preset, calibration) = match id {
            CellId::Dense => (None, None),
            CellId::Pruned { preset, ratio } => {
                let settings = self.settings(preset, ratio)?;
                preset.of(&self.declared, &settings)?;
                (Some((preset, settings)), self.calibration_key(preset)?)
            }
        };
        Ok(CellKey {
            schema: COMPARISON_SCHEMA,
            dress_version: env!("CARGO_PKG_VERSION"),
            fingerprint: self.fingerprint.clone(),
            config: self.config.clone(),
            preset,
            calibration,
            seen: text(&self.seen),
            unseen: text(&self.unseen),
            device: self.args.common.device_name(),
            dtype: self.args.common.dtype.to_string(),
        })
    }

    /// A preset's settings, those of the regularization only where it trains.
    ///
    /// # Errors
    /// Those of [`Ratio::new`], and [`Error::OptionUnused`].
    pub fn settings(&self, preset: Preset, ratio: f64) -> Result<PresetSettings, Error> {
        let args = self.args;
        let ratio = Ratio::new(ratio)?;
        let amount = match args.by {
            By::Params => Amount::Parameters(ratio),
            By::Width => Amount::Width(ratio),
        };
        let mut settings = PresetSettings::new(amount);
        (settings.stock, settings.tile, settings.seed) = (args.target, args.tile, args.common.seed);
        if preset.trains() {
            let run = self.run_directory(CellId::Pruned { preset, ratio: ratio.get() });
            settings.regularize = args.regularize.config(&args.common, run)?;
            settings.dress_axes.clone_from(&args.dress_axis);
            settings.dress_criterion = args.dress_criterion;
        }
        Ok(settings)
    }

    /// Where a cell's run goes on. What one with other settings left there is of no use to this one.
    pub fn run_directory(&self, id: CellId) -> RunDirectory {
        RunDirectory::of(&self.args.out.join(id.to_string()), true)
    }

    /// The blocks that a preset sees.
    pub fn samples(&self, preset: Preset) -> CalibrationArgs {
        let mut blocks = self.args.calibration.clone();
        if preset.searches() {
            blocks.samples = self.args.search_samples;
        }
        if preset.trains() {
            blocks.samples = self.args.train_samples.unwrap_or(blocks.samples);
        }
        blocks
    }

    fn calibration_key(&self, preset: Preset) -> Result<Option<DataKey>, Error> {
        if !preset.needs_calibration() {
            return Ok(None);
        }
        let blocks = self.samples(preset);
        let Some(path) = &blocks.calibration else {
            return Err(Error::NeedsCalibration { criterion: preset.name().into() });
        };
        Ok(Some(DataKey {
            sha256: Corpus::read(path, CorpusFormat::Auto)?.sha256().into(),
            tokenizer_sha256: self.tokenizer.sha256().into(),
            seqlen: checked_length(seqlen_or(blocks.seqlen, 1024, &self.args.model)?, &self.declared)?,
            blocks: Some(blocks.samples),
            seed: Some(self.args.common.seed),
            draw: Some(blocks.draw),
            join: SampleConfig::default().join,
        }))
    }
}

/// A length that the model has positions for.
fn checked_length(seqlen: usize, declared: &AnyModel) -> Result<usize, Error> {
    let positions = declared.max_positions();
    if seqlen > positions {
        return Err(dress_core::Error::TooLong { seqlen, positions }.into());
    }
    Ok(seqlen)
}
