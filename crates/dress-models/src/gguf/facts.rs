//! What GGUF metadata says of one family, and what of it is not built.

use super::family::GgufFamily;
use super::{GgufHeader, MetadataArray, MetadataValue};

/// As many as a configuration may have.
const MOST_LAYERS: usize = 1024;

/// What to do about metadata that do not hold.
pub(super) const REMEDY: &str = "convert the Hugging Face checkpoint anew, or use that";

/// What the metadata says of one family.
pub(super) struct Facts<'a, 'f> {
    pub header: &'a GgufHeader<'f>,
    pub family: GgufFamily,
}

impl Facts<'_, '_> {
    pub fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.family.name())
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        let value = *self.header.metadata.get(self.key(key).as_str())?;
        match value.array() {
            None => value.unsigned(),
            // One number a layer, as files of some models have it.
            Some(list) => {
                let first = list.iter().next()?;
                list.iter().all(|one| one == first).then(|| first.unsigned())?
            }
        }
    }

    /// A number for each layer, where there is one for all or a list; none where a number is 0, as of layers
    /// that lack the part.
    pub fn numbers(&self, key: &str) -> Option<Vec<u64>> {
        let layers =
            usize::try_from(self.number("block_count")?).ok().filter(|&layers| layers <= MOST_LAYERS)?;
        let value = *self.header.metadata.get(self.key(key).as_str())?;
        let numbers: Vec<u64> = match value.array() {
            None => vec![value.unsigned()?; layers],
            Some(list) => list.iter().map(|one| one.unsigned()).collect::<Option<_>>()?,
        };
        (numbers.len() == layers && !numbers.contains(&0)).then_some(numbers)
    }

    /// Checks that biases are in all projections of all layers that may have them, or in none, and in no
    /// other: a configuration can say no more.
    pub fn check_biases(&self) -> Result<(), String> {
        if !self.family.is_decoder() {
            return Ok(());
        }
        let layers = self.number("block_count").unwrap_or(0);
        let biased = |name: &str| {
            let stem = name.strip_prefix("blk.")?.strip_suffix(".bias")?;
            Some(stem.split_once('.')?.1.to_string())
        };
        let groups = self.family.biased_parts();
        let found: Vec<(&str, String)> =
            self.header.tensors.keys().filter_map(|&name| Some((name, biased(name)?))).collect();
        let fits = |parts: &[&str]| {
            let count = found.iter().filter(|(_, part)| parts.contains(&part.as_str())).count();
            count == 0 || count as u64 == layers * parts.len() as u64
        };
        let misfit = |part: &str| groups.iter().all(|parts| !parts.contains(&part) || !fits(parts));
        match found.iter().find(|(_, part)| misfit(part)) {
            Some((first, _)) => Err(format!(
                "`{first}`: biases that only some projections or layers have are not built; {REMEDY}"
            )),
            None => Ok(()),
        }
    }

    /// Checks that a tensor belongs to a layer that there is, and says to which, if to one.
    pub fn check_layer(&self, name: &str) -> Result<Option<usize>, String> {
        let layer = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
        match (layer, self.number("block_count")) {
            (Some(layer), Some(count)) if layer >= count => Err(format!(
                "tensor `{name}` is of layer {layer}, and `{}` is {count}",
                self.key("block_count")
            )),
            _ => Ok(layer.map(|layer| layer as usize)),
        }
    }

    /// Checks that nothing asks for what is not built, and that no number is beyond numbers.
    pub fn check(&self, rows: u64, head_dim: u64) -> Result<(), String> {
        let infinite = |value: &MetadataValue<'_>| value.float().is_some_and(|number| !number.is_finite());
        let prefix = self.key("");
        let mut entries = self.header.metadata.iter().filter(|(key, _)| key.starts_with(&prefix));
        if let Some((key, value)) = entries.find(|(_, value)| infinite(value)) {
            let value = value.float().unwrap_or(f64::NAN);
            return Err(format!("its metadata has `{key}` {value}, which is no number; {REMEDY}"));
        }
        let metadata = |key: &str| self.header.metadata.get(key);
        let tokens = metadata("tokenizer.ggml.tokens").and_then(|tokens| tokens.array());
        if let Some(tokens) = tokens.map(MetadataArray::len).filter(|&tokens| tokens != rows) {
            return Err(format!(
                "its vocabulary has {tokens} tokens and token_embd.weight {rows} rows; {REMEDY}"
            ));
        }
        if self.number("expert_count").is_some_and(|count| count > 0) {
            return Err(format!("`{}`: experts are not built", self.key("expert_count")));
        }
        let causal = metadata(&self.key("attention.causal")).and_then(|causal| causal.bool());
        if causal == Some(false) {
            return Err(format!(
                "`{}`: attention to later tokens is not built",
                self.key("attention.causal")
            ));
        }
        let factors = ["rope.scaling.yarn_attn_factor", "rope.scaling.attn_factor"];
        let built = self.family == GgufFamily::Phi3;
        for key in &factors[..if built { 1 } else { 2 }] {
            if self.float(key).is_some_and(|factor| factor != 1.0) {
                return Err(format!("`{}` other than 1 is not built", self.key(key)));
            }
        }
        let whole_heads = self.family.is_decoder() && self.family != GgufFamily::Phi3;
        let rotated = whole_heads.then_some("rope.dimension_count");
        for key in ["attention.value_length"].into_iter().chain(rotated) {
            if let Some(found) = self.number(key).filter(|&found| found != head_dim) {
                let key = self.key(key);
                return Err(format!("`{key}` is {found} and heads are {head_dim} wide: that is not built"));
            }
        }
        Ok(())
    }

    pub fn float(&self, key: &str) -> Option<f64> {
        self.header.metadata.get(self.key(key).as_str())?.float()
    }

    pub fn bool(&self, key: &str) -> Option<bool> {
        self.header.metadata.get(self.key(key).as_str())?.bool()
    }

    pub fn need<T>(&self, key: &str, value: Option<T>) -> Result<T, String> {
        value.ok_or_else(|| format!("its metadata has no usable `{}`", self.key(key)))
    }

    /// Query heads and key/value heads of every layer. Where layers differ, each key/value head has the same
    /// number of query heads in all of them, as a configuration can say no other.
    pub fn heads_of_layers(&self) -> Result<Vec<[usize; 2]>, String> {
        if self.family != GgufFamily::Deci {
            let layers = self.number("block_count").unwrap_or(1).clamp(1, MOST_LAYERS as u64);
            return Ok(vec![self.heads()?; layers as usize]);
        }
        let [heads, kv_heads] =
            ["attention.head_count", "attention.head_count_kv"].map(|key| self.need(key, self.numbers(key)));
        let pairs: Vec<_> = heads?.into_iter().zip(kv_heads?).map(<[u64; 2]>::from).collect();
        let Some(&[first, first_kv]) = pairs.first() else { return Err("it has no layers".into()) };
        match pairs.iter().find(|[heads, kv_heads]| heads * first_kv != first * kv_heads || *heads >= 1 << 20)
        {
            Some([heads, kv_heads]) => Err(format!(
                "a layer has {heads} query heads for {kv_heads} key/value heads and the first has {first} for {first_kv}: \
                 layers that share them otherwise are not built"
            )),
            None => Ok(pairs.into_iter().map(|pair| pair.map(|count| count as usize)).collect()),
        }
    }

    /// Query heads and key/value heads: the most that a layer has.
    pub fn heads(&self) -> Result<[usize; 2], String> {
        if self.family == GgufFamily::Deci {
            let each = self.heads_of_layers()?;
            return each.into_iter().max().ok_or_else(|| "it has no layers".into());
        }
        let heads = self.need("attention.head_count", self.number("attention.head_count"))?;
        let kv_heads = self.number("attention.head_count_kv").unwrap_or(heads);
        // A number of heads beyond any row count is no number of heads.
        let small = |n: u64| usize::try_from(n).ok().filter(|&n| n < 1 << 20);
        match (small(heads), small(kv_heads)) {
            (Some(heads), Some(kv_heads)) if heads > 0 => Ok([heads, kv_heads]),
            _ => Err(format!("its metadata has {heads} and {kv_heads} heads")),
        }
    }
}
