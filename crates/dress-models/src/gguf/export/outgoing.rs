//! Which tensors a GGUF file will have, and of which parameters each is made.

use super::GgufType;
use super::architecture::Architecture;
use crate::gguf::TensorType;
use crate::gguf::family::GgufFamily;
use crate::gguf::row_order::RowOrder;
use dress_core::parameters::ParameterInfo;

/// A tensor of the file.
#[derive(Debug, PartialEq)]
pub(super) struct Outgoing {
    pub name: String,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    pub kind: TensorType,
    pub from: Origin,
}

/// Where its numbers are from.
#[derive(Debug, PartialEq)]
pub(super) enum Origin {
    /// Parameters, the rows of one behind those of the other.
    Parameters(Vec<Rows>),
    /// Computed.
    Numbers(Vec<f32>),
}

/// The rows of a parameter.
#[derive(Debug, PartialEq)]
pub(super) struct Rows {
    pub parameter: String,
    pub shape: Vec<usize>,
    /// How they lie in the file.
    pub order: RowOrder,
    /// Whether the numbers are one more in the file.
    pub one_more: bool,
}

impl Outgoing {
    /// Bytes in the file.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() / self.kind.block() * self.kind.block_bytes()
    }
}

impl Rows {
    /// How many.
    pub fn count(&self) -> usize {
        self.shape[0]
    }

    /// Numbers in each.
    pub fn columns(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Which row of the parameter is row `row` of the tensor.
    pub fn source(&self, row: usize) -> usize {
        self.order.in_checkpoint(row, self.count())
    }
}

/// The tensors of a model with these parameters, in their order.
///
/// # Errors
/// The name of a parameter that the architecture has no place for.
pub(super) fn plan(
    architecture: &Architecture<'_>,
    parameters: Vec<ParameterInfo>,
    wanted: GgufType,
) -> Result<Vec<Outgoing>, String> {
    let family = architecture.family();
    let rows = |parameter: ParameterInfo, order: RowOrder| Rows {
        order,
        one_more: family.adds_one(&parameter.name),
        parameter: parameter.name,
        shape: parameter.shape,
    };
    let mut tensors: Vec<Outgoing> = Vec::new();
    for parameter in parameters {
        let name = family.gguf_name(&parameter.name).ok_or(parameter.name.clone())?;
        let order = architecture.row_order(&name);
        // Queries, keys and values come in this order among a model's parameters, each with its bias, and gate before up.
        let name = joined(family, &name).unwrap_or(name);
        match tensors.iter_mut().find(|tensor| tensor.name == name) {
            Some(Outgoing { shape, from: Origin::Parameters(parts), .. }) => {
                shape[0] += parameter.shape[0];
                parts.push(rows(parameter, order));
            }
            _ => {
                let shape = parameter.shape.clone();
                let kind = kind(wanted, &shape, is_head(architecture, &name));
                let from = Origin::Parameters(vec![rows(parameter, order)]);
                tensors.push(Outgoing { name, shape, kind, from });
            }
        }
    }
    tensors.extend(architecture.computed().into_iter().map(|(name, numbers)| Outgoing {
        name,
        shape: vec![numbers.len()],
        kind: TensorType::F32,
        from: Origin::Numbers(numbers),
    }));
    Ok(tensors)
}

/// The tensor that has Phi's queries, keys and values together, or Phi-3's gate and up projection, of the
/// name of one of them.
fn joined(family: GgufFamily, name: &str) -> Option<String> {
    let part = name.split('.').nth(2).filter(|_| family.joins_heads())?;
    match part {
        "attn_q" | "attn_k" | "attn_v" => Some(name.replace(part, "attn_qkv")),
        "ffn_gate" => Some(name.replace(part, "ffn_up")),
        _ => None,
    }
}

/// Whether a matrix makes the logits.
fn is_head(architecture: &Architecture<'_>, name: &str) -> bool {
    name == "output.weight" || (architecture.is_tied() && name == "token_embd.weight")
}

/// Vectors stay whole, rows that are no whole blocks become F16, and a head in four bits would cost more than
/// it saves.
fn kind(wanted: GgufType, shape: &[usize], is_head: bool) -> TensorType {
    let kind = match wanted {
        _ if shape.len() < 2 => TensorType::F32,
        GgufType::Q4_0 if is_head => TensorType::Q8_0,
        wanted => wanted.tensor_type(),
    };
    match shape.last().is_some_and(|row| row.is_multiple_of(kind.block())) {
        true => kind,
        false => TensorType::F16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_halves_become_interleaved_pairs() {
        let rows = |order| Rows { parameter: "q".into(), shape: vec![8, 3], order, one_more: false };
        let order = |rows: Rows| (0..8).map(|row| rows.source(row)).collect::<Vec<_>>();
        assert_eq!(order(rows(RowOrder::Interleaved { heads: 2 })), [0, 2, 1, 3, 4, 6, 5, 7]);
        assert_eq!(order(rows(RowOrder::Same)), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn the_type_of_a_tensor_follows_from_its_rows() {
        for (wanted, shape, is_head, expected) in [
            (GgufType::Q4_0, &[8, 64][..], false, TensorType::Q4_0),
            (GgufType::Q4_0, &[8, 64], true, TensorType::Q8_0),
            (GgufType::Q4_0, &[8, 40], true, TensorType::F16),
            (GgufType::Q8_0, &[8, 40], false, TensorType::F16),
            (GgufType::Bf16, &[8, 40], true, TensorType::Bf16),
            (GgufType::Q8_0, &[64], false, TensorType::F32),
        ] {
            assert_eq!(kind(wanted, shape, is_head), expected, "{wanted:?} {shape:?}");
        }
    }
}
