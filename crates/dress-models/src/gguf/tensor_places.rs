//! Where every tensor of a GGUF file is in the Hugging Face checkpoint it was made from.

use super::facts::Facts;
use super::family::GgufFamily;
use super::tensor_part::TensorPart;
use super::{GgufHeader, TensorInfo};
use std::collections::BTreeMap;

impl GgufFamily {
    /// Every tensor's part in the Hugging Face checkpoint.
    pub fn tensors(self, header: &GgufHeader<'_>) -> Result<BTreeMap<String, TensorPart>, String> {
        let facts = Facts { header, family: self };
        let each = facts.heads_of_layers()?;
        facts.check_biases()?;
        let mut tensors = BTreeMap::new();
        for (&name, info) in &header.tensors {
            let kind = name.rsplit('.').next().unwrap_or_default();
            let of_rotary = match self {
                GgufFamily::Phi3 => &["rope_factors_long.weight", "rope_factors_short.weight"][..],
                _ if self.has_rope_freqs() => &["rope_freqs.weight"],
                _ => &[],
            };
            if of_rotary.contains(&name) {
                continue;
            }
            let layer = facts.check_layer(name)?;
            let [heads, kv_heads] = layer.and_then(|layer| each.get(layer)).copied().unwrap_or(each[0]);
            if self.joins_heads() && name.contains("attn_qkv") {
                tensors.extend(self.split_qkv(name, info, [heads, kv_heads])?);
                continue;
            }
            if let (GgufFamily::Phi3, Some(layer), Some("ffn_up")) = (self, layer, name.split('.').nth(2)) {
                tensors.extend(split_network(layer, kind, name, info)?);
                continue;
            }
            let found = self.hugging_face_name(name).ok_or_else(|| {
                format!(
                    "tensor `{name}` has no place in a {} checkpoint; was it made for another program?",
                    self.name()
                )
            })?;
            let order = self.row_order(name, [heads, kv_heads]);
            let rows = info.shape.first().copied().unwrap_or(0);
            order.check(rows).map_err(|why| format!("tensor `{name}` {why}"))?;
            let part = TensorPart::whole(info).one_more(self.adds_one(name)).ordered(order);
            tensors.insert(format!("{found}.{kind}"), part);
        }
        Ok(tensors)
    }

    fn split_qkv(
        self,
        name: &str,
        info: &TensorInfo,
        [heads, kv_heads]: [usize; 2],
    ) -> Result<Vec<(String, TensorPart)>, String> {
        let mut words = name.split('.');
        let layer = words.nth(1).and_then(|layer| layer.parse::<usize>().ok());
        let (Some(layer), Some(kind)) = (layer, words.nth(1)) else {
            return Err(format!("tensor `{name}` has no layer"));
        };
        let rows = info.shape.first().copied().unwrap_or(0);
        let all = heads + 2 * kv_heads;
        if !rows.is_multiple_of(all) {
            return Err(format!("tensor `{name}` has {rows} rows, which {all} heads do not share evenly"));
        }
        let head_dim = rows / all;
        let ends = [0, heads, heads + kv_heads, all].map(|head| head * head_dim);
        let parts = ["q_proj", "k_proj", "v_proj"].iter().zip(ends.windows(2)).map(|(projection, range)| {
            let hf = format!("model.layers.{layer}.self_attn.{projection}.{kind}");
            (hf, TensorPart::rows(info, range[0]..range[1]))
        });
        Ok(parts.collect())
    }
}

/// The gate's rows and, behind them, those of the up projection.
fn split_network(
    layer: usize,
    kind: &str,
    name: &str,
    info: &TensorInfo,
) -> Result<[(String, TensorPart); 2], String> {
    let rows = info.shape.first().copied().unwrap_or(0);
    if rows == 0 || !rows.is_multiple_of(2) {
        return Err(format!("tensor `{name}` has {rows} rows, which are not those of two projections"));
    }
    let part = |projection: &str, range| {
        (format!("model.layers.{layer}.mlp.{projection}.{kind}"), TensorPart::rows(info, range))
    };
    Ok([part("gate_proj", 0..rows / 2), part("up_proj", rows / 2..rows)])
}
