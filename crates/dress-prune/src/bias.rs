//! Biases that take over the mean of what is sliced.

use crate::Error;
use crate::projection::{CompensatedProjection, Projection, Write};
use dress_core::{Axis, AxisSelection, Calibration, CausalLm, Progress, Role, Selection, Slot, parameters};
use dress_importance::ActivationStatistics;

/// FLAP's compensation (arXiv 2312.11983): the bias of every projection behind a sliced feed-forward or head
/// axis takes over `W x` of what goes, `x` being the mean of its activations in the model as it is. What goes
/// is zero afterwards. The reported errors take channels for uncorrelated, as FLAP's metric does.
///
/// # Errors
/// [`Error::NoBias`] where a projection has none, and those of [`ActivationStatistics::collect`].
pub(crate) fn take_over_means<M: CausalLm>(
    model: M,
    selection: &Selection,
    calibration: &Calibration,
    progress: &dyn Progress,
) -> Result<(M, Vec<CompensatedProjection>), Error> {
    let map = model.coupling();
    let statistics = ActivationStatistics::collect(&model, calibration, "compensation", progress)?;
    let (mut model, mut report) = (model, Vec::new());
    let axes = (0..model.num_layers()).flat_map(|layer| [Axis::Heads { layer }, Axis::Ffn { layer }]);
    for axis in axes {
        let Some(chosen) = selection.get(axis) else { continue };
        for slot in map.axis(axis)?.slots.iter().filter(|slot| slot.role == Role::Reads) {
            let Some(site) = slot.site else { continue };
            let (Some(means), Some(variances)) = (statistics.means(site), statistics.variances(site)) else {
                continue;
            };
            let mut projection = Projection::read(&model, slot);
            report.push(take_over(&mut projection, chosen, slot, means, &variances)?);
            model = parameters::map(model, &mut Write { projection: &projection, slot });
        }
    }
    Ok((model, report))
}

fn take_over(
    projection: &mut Projection,
    chosen: &AxisSelection,
    slot: &Slot,
    means: &[f64],
    variances: &[f64],
) -> Result<CompensatedProjection, Error> {
    let Projection { weight, bias } = projection;
    let bias = bias.as_mut().ok_or_else(|| Error::NoBias { parameter: slot.parameter.clone() })?;
    let (mut varies, mut goes) = (0.0, 0.0);
    let (mut mean, mut mean_gone) = (vec![0.0; bias.len()], vec![0.0; bias.len()]);
    for channel in 0..weight.nrows() {
        let gone = chosen.removed().binary_search(&(channel / slot.block)).is_ok();
        let mut squares = 0.0;
        for output in 0..bias.len() {
            let each = weight[(channel, output)];
            squares += each * each;
            mean[output] += each * means[channel];
            if gone {
                mean_gone[output] += each * means[channel];
                weight[(channel, output)] = 0.0;
            }
        }
        varies += variances[channel] * squares;
        goes += if gone { variances[channel] * squares } else { 0.0 };
    }
    bias.iter_mut().zip(&mean_gone).for_each(|(bias, gone)| *bias += gone);
    let energy = |output: &[f64]| output.iter().map(|each| each * each).sum::<f64>();
    let whole = (varies + energy(&mean)).max(f64::MIN_POSITIVE);
    Ok(CompensatedProjection {
        parameter: slot.parameter.clone(),
        error_without: (goes + energy(&mean_gone)) / whole,
        error_with: goes / whole,
        damping: 0.0,
    })
}
