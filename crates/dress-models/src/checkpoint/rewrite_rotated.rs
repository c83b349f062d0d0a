//! From files to files in other coordinates, without a model in memory.

use super::rewritten::{RewriteConfig, Rewritten, place};
use super::shard_file::{Planned, ShardFile};
use super::tensor_names::match_names;
use super::tensor_rows::TensorRows;
use super::tensor_stream::{Buffers, TensorStream};
use super::turn_stream::TurnStream;
use super::{SafetensorsDirectory, SaveReport, Weights};
use crate::{Error, Family};
use burn::tensor::Tensor;
use dress_core::{Progress, Rotation, RunningStage, Selection, TensorEdit, Turn, TurnedChannels, parameters};
use std::collections::BTreeMap;
use std::path::Path;

/// Writes a checkpoint in other coordinates from the safetensors of another, one tensor after the other:
/// memory holds the basis and at most two copies in f32 of the largest tensor that writes the stream. Every
/// tensor keeps its type and its file; one that the source does not have, a head that was tied, comes last.
///
/// `declared` is the model of the source's configuration, which need not have its weights, `rotated` that
/// of the result's; `rotation` says what happens to each parameter that changes.
///
/// # Errors
/// Those of [`rewrite`](super::rewrite()), and [`Error::Overflow`]; nothing is left behind.
pub fn rewrite_rotated<F: Family>(
    declared: &F,
    rotated: &F,
    rotation: &Rotation,
    [source, place]: [&Path; 2],
    config: &RewriteConfig,
    progress: &dyn Progress,
) -> Result<SaveReport, Error> {
    rotated.check_stock(&Selection::new(), config.target)?;
    let weights = Weights::open_for(declared, source)?;
    let names = match_names(declared, &weights)?;
    let files = weights.streamable()?;
    let shards = shards(rotated, files, &names, rotation)?;
    let basis = &rotation.basis;
    Rewritten { files, shards, model: rotated }.write(
        place,
        config,
        ("rotation", progress),
        |shard, file, stage| carry(shard, basis, file, stage),
    )
}

/// A tensor, and how it is turned if it is.
type PlannedTurn<'a> = Planned<'a, Option<&'a Turn>>;

/// What each file will hold: what the source's file holds, in its order, and in the last one what is new.
fn shards<'a, F: Family>(
    rotated: &F,
    files: &'a SafetensorsDirectory,
    names: &BTreeMap<String, String>,
    rotation: &'a Rotation,
) -> Result<Vec<Vec<PlannedTurn<'a>>>, Error> {
    let (mut shards, mut new) = (BTreeMap::<usize, Vec<PlannedTurn<'_>>>::new(), Vec::new());
    for parameter in parameters::list(rotated) {
        let edit = rotation.turns.get(&parameter.name);
        let other = match edit {
            Some(Turn::Channels(TurnedChannels { from, .. })) => from.as_ref(),
            _ => None,
        };
        let source = other.unwrap_or(&parameter.name);
        let Some(from) = place(files, names, source, &parameter.shape)? else { continue };
        let shard = if other.is_some() { &mut new } else { shards.entry(from.shard).or_default() };
        shard.push(Planned { name: parameter.name, from, edit, shape: parameter.shape });
    }
    let mut shards: Vec<_> = shards.into_values().collect();
    shards.iter_mut().for_each(|shard| shard.sort_by_key(|tensor| tensor.from.start));
    if let Some(last) = shards.last_mut() {
        last.append(&mut new);
    }
    Ok(shards)
}

fn carry(
    shard: &[PlannedTurn<'_>],
    basis: &Tensor<2>,
    file: &ShardFile<'_>,
    stage: &RunningStage<'_>,
) -> Result<(), Error> {
    for (tensor, &to) in shard.iter().zip(file.starts()) {
        let rows = || TensorRows::new(&tensor.name, &tensor.from);
        let stream = || rows().map(|from| TurnStream { from, basis, to });
        match tensor.edit {
            Some(Turn::Channels(channels)) => stream()?.turn(channels, file, stage)?,
            Some(Turn::Set(numbers)) => {
                stream()?.set(numbers, file)?;
                stage.advance(tensor.bytes_read())?;
            }
            None => copy(tensor, to, file, stage)?,
        }
    }
    Ok(())
}

fn copy(
    tensor: &PlannedTurn<'_>,
    to: u64,
    file: &ShardFile<'_>,
    stage: &RunningStage<'_>,
) -> Result<(), Error> {
    let (same, mut buffers) = (TensorEdit::default(), Buffers::default());
    let stream = TensorStream::new(&tensor.name, &tensor.from, &same, to)?;
    stream.chunks().try_for_each(|rows| stream.carry(rows, file, &mut buffers))?;
    stage.advance(tensor.bytes_read())?;
    Ok(())
}
