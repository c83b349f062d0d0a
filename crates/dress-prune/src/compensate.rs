//! Making up for what is sliced without training.

use crate::bias::take_over_means;
use crate::local::Streams;
use crate::projection::{CompensatedProjection, Projection, Write};
use crate::token_moments::{TokenMoments, embedded};
use crate::{Compensation, Error};
use dress_core::{Axis, Calibration, CausalLm, Forward, NoTap, Progress, Role, Selection, Unit, parameters};

/// Lets the projections behind every sliced feed-forward and head axis make up for what goes, layer after
/// layer, each on what the layers before it hand on once they have been made up for. What goes is zero
/// afterwards; the shapes stay.
///
/// # Errors
/// Those of [`Selection::check`] and [`Calibration::require`], [`Error::Solve`] and [`Error::NoBias`].
///
/// # Examples
/// ```
/// # use dress_core::burn::tensor::Device;
/// # let config = r#"{"model_type":"llama","vocab_size":32,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,
/// #     "num_attention_heads":4,"num_key_value_heads":2}"#;
/// # let model = dress_models::AnyModel::from_config(config, "config.json".as_ref(), &Device::flex())?;
/// use dress_core::{Axis, AxisSelection, Calibration, NoProgress, Selection};
/// use dress_prune::{Compensation, compensate};
///
/// let selection = Selection::new().with(Axis::Ffn { layer: 0 }, AxisSelection::new(24, (16..24).collect())?);
/// let calibration = Calibration::from_blocks((0..8).map(|i| (i..i + 16).collect()).collect());
/// let (_, report) = compensate(model, &selection, &calibration, Compensation::Ridge, &NoProgress)?;
/// assert!(report[0].error_with < report[0].error_without);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn compensate<M: CausalLm>(
    model: M,
    selection: &Selection,
    calibration: &Calibration,
    how: Compensation,
    progress: &dyn Progress,
) -> Result<(M, Vec<CompensatedProjection>), Error> {
    let map = model.coupling();
    selection.check(&map)?;
    if how == Compensation::None {
        return Ok((model, Vec::new()));
    }
    calibration.require(&model, "compensation")?;
    if how == Compensation::Bias {
        return take_over_means(model, selection, calibration, progress);
    }
    refitted(model, selection, calibration, progress)
}

/// The same of [`Compensation::Ridge`].
pub(crate) fn refitted<M: CausalLm>(
    model: M,
    selection: &Selection,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<(M, Vec<CompensatedProjection>), Error> {
    let mut streams = Streams::Memory(embedded(&model, calibration));
    let (mut model, mut report) = (model, Vec::new());
    let stage = progress.begin("compensation", Unit::Layers, model.num_layers() as u64);
    for layer in 0..model.num_layers() {
        let (refitted, lines) = of_layer(model, layer, selection, &streams)?;
        model = refitted;
        report.extend(lines);
        let after = streams.through(|stream| model.layer(layer, stream, &mut Forward::new(&mut NoTap)));
        let after: Result<Vec<_>, _> = after.collect();
        streams = Streams::Memory(after?);
        stage.advance(1)?;
    }
    drop(stage);
    Ok((model, report))
}

/// `model` with the projections of one layer refitted, into which `streams` go, and how well each is made up
/// for.
pub(crate) fn of_layer<M: CausalLm>(
    mut model: M,
    layer: usize,
    selection: &Selection,
    streams: &Streams,
) -> Result<(M, Vec<CompensatedProjection>), Error> {
    let (map, mut report) = (model.coupling(), Vec::new());
    for axis in [Axis::Heads { layer }, Axis::Ffn { layer }] {
        let Some(chosen) = selection.get(axis) else { continue };
        for slot in map.axis(axis)?.slots.iter().filter(|slot| slot.role == Role::Reads) {
            let Some(site) = slot.site else { continue };
            let moments = TokenMoments::collect(&model, layer, site, streams)?;
            let projection = Projection::read(&model, slot);
            let (refitted, line) = projection.refit(chosen, slot, &moments)?;
            model = parameters::map(model, &mut Write { projection: &refitted, slot });
            report.push(line);
        }
    }
    Ok((model, report))
}
