//! Telling one model from another.

use crate::parameters::{self, Layout, NamedParameters, ParameterVisitor};
use burn::module::Param;
use burn::tensor::{DType, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Rows of a matrix that a fingerprint looks at.
const ROWS: usize = 8;

/// A short name of one set of weights: SHA-256 over every parameter's Hugging Face name, its shape and the
/// numbers of [`FingerprintBuilder::sampled_rows`], rounded to bf16.
///
/// Every axis is a column of some matrix, whole rows of which are looked at: no two selections of one
/// checkpoint leave models of one fingerprint, unless what they leave is the same.
///
/// A checkpoint has the same fingerprint in its files and loaded as f32 or bf16, and as f16 where its files
/// are f16. Other files loaded as f16 are rounded twice and have another; take that of the files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a model in memory.
    ///
    /// # Examples
    /// ```
    /// use dress_core::Fingerprint;
    /// use dress_core::burn::module::{Module, Param};
    /// use dress_core::burn::tensor::{Device, Tensor};
    /// use dress_core::parameters::{Layout, NamedParameters, ParameterPlace};
    ///
    /// #[derive(Module, Debug)]
    /// struct Gains {
    ///     weight: Param<Tensor<1>>,
    /// }
    ///
    /// impl NamedParameters for Gains {
    ///     fn layout(&self, _place: &ParameterPlace<'_>) -> Layout {
    ///         Layout::AsFiled
    ///     }
    /// }
    ///
    /// let of = |gain: f32| {
    ///     let weight = Tensor::<1>::full([4], gain, &Device::flex());
    ///     Fingerprint::of(&Gains { weight: Param::from_tensor(weight) })
    /// };
    /// assert_eq!(of(1.0), of(1.0));
    /// assert_ne!(of(1.0), of(2.0));
    /// ```
    pub fn of<M: NamedParameters>(module: &M) -> Self {
        let mut collect = Collect(FingerprintBuilder::default());
        parameters::visit(module, &mut collect);
        collect.0.finish()
    }

    /// Starts the fingerprint of a model that is not in memory.
    pub fn builder() -> FingerprintBuilder {
        FingerprintBuilder::default()
    }

    /// That of a model nothing is known of, which is no model's own.
    pub fn unknown() -> Self {
        Self(String::new())
    }

    /// Whether it is a model's.
    pub fn is_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Collects parameters in any order.
#[derive(Debug, Default)]
pub struct FingerprintBuilder {
    /// By name, the digest of what is looked at.
    parameters: Vec<(String, [u8; 32])>,
}

impl FingerprintBuilder {
    /// Adds one parameter: its name, its shape in the file, and the numbers of
    /// [`FingerprintBuilder::sampled_rows`] in the file's order.
    pub fn add(&mut self, name: &str, shape: &[usize], numbers: impl IntoIterator<Item = f32>) {
        let mut bytes = format!("{name}{shape:?}").into_bytes();
        let rounded = numbers.into_iter().map(burn::tensor::bf16::from_f32);
        bytes.extend(rounded.flat_map(|n| n.to_bits().to_le_bytes()));
        self.parameters.push((name.into(), Sha256::digest(bytes).into()));
    }

    /// The rows, along the first dimension of a parameter's shape in the file, that a fingerprint looks at:
    /// the first, the last and some evenly between. A vector is looked at as a whole, as one row.
    pub fn sampled_rows(shape: &[usize]) -> Vec<usize> {
        let rows = if shape.len() < 2 { 1 } else { shape[0] };
        match rows {
            0..=ROWS => (0..rows).collect(),
            _ => (0..ROWS).map(|index| index * (rows - 1) / (ROWS - 1)).collect(),
        }
    }

    /// The fingerprint of all that was added.
    pub fn finish(mut self) -> Fingerprint {
        self.parameters.sort();
        let mut hash = Sha256::new();
        self.parameters.iter().for_each(|(_, digest)| hash.update(digest));
        Fingerprint(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

struct Collect(FingerprintBuilder);

impl ParameterVisitor for Collect {
    fn visit<const D: usize>(&mut self, name: &str, layout: Layout, parameter: &Param<Tensor<D>>) {
        let value = parameter.val().detach();
        let shape = layout.shape(&value.dims());
        let sampled =
            if D < 2 { value } else { filed_rows(value, layout, &FingerprintBuilder::sampled_rows(&shape)) };
        let numbers = sampled.cast(DType::F32).into_data();
        self.0.add(name, &shape, numbers.iter::<f32>());
    }
}

/// Some rows of a parameter, in the order of the file.
fn filed_rows<const D: usize>(value: Tensor<D>, layout: Layout, rows: &[usize]) -> Tensor<D> {
    let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let indices = Tensor::from_data(TensorData::new(indices, [rows.len()]), &value.device());
    let rows = value.select(layout.dim(0), indices);
    if layout == Layout::Transposed { rows.swap_dims(0, 1) } else { rows }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::ParameterPlace;
    use burn::module::Module;
    use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
    use burn::tensor::{Device, Distribution};

    #[derive(Module, Debug)]
    struct Small {
        embedding: Embedding,
        linear: Linear,
    }

    impl NamedParameters for Small {
        fn layout(&self, place: &ParameterPlace<'_>) -> Layout {
            Layout::of_burn(place)
        }
    }

    fn small() -> Small {
        let device = Device::flex();
        Small {
            embedding: EmbeddingConfig::new(40, 12).init(&device),
            linear: LinearConfig::new(12, 100).init(&device),
        }
    }

    /// The fingerprint of the files that `module` would be saved as.
    fn of_files(module: &Small) -> Fingerprint {
        struct Files(FingerprintBuilder);
        impl ParameterVisitor for Files {
            fn visit<const D: usize>(&mut self, name: &str, layout: Layout, p: &Param<Tensor<D>>) {
                let value = p.val();
                let filed = if layout == Layout::Transposed { value.swap_dims(0, 1) } else { value };
                let shape = filed.dims().to_vec();
                let numbers: Vec<f32> = filed.into_data().iter().collect();
                let width = if D < 2 { numbers.len() } else { numbers.len() / shape[0] };
                let rows = FingerprintBuilder::sampled_rows(&shape).into_iter();
                let sampled = rows.flat_map(|row| &numbers[row * width..(row + 1) * width]);
                self.0.add(name, &shape, sampled.copied());
            }
        }
        let mut files = Files(Fingerprint::builder());
        parameters::visit(module, &mut files);
        files.0.finish()
    }

    fn with_weight(module: &Small, change: impl Fn(Tensor<2>) -> Tensor<2>) -> Fingerprint {
        let mut module = module.clone();
        module.linear.weight = module.linear.weight.map(change);
        Fingerprint::of(&module)
    }

    #[test]
    fn rows_are_sampled_from_the_first_to_the_last() {
        assert_eq!(FingerprintBuilder::sampled_rows(&[5, 3]), [0, 1, 2, 3, 4]);
        assert_eq!(FingerprintBuilder::sampled_rows(&[100, 3]), [0, 14, 28, 42, 56, 70, 84, 99]);
        assert_eq!(
            (FingerprintBuilder::sampled_rows(&[100]), FingerprintBuilder::sampled_rows(&[])),
            (vec![0], vec![0])
        );
    }

    #[test]
    fn memory_and_files_of_every_layout_have_one_fingerprint() {
        let module = small();
        assert_eq!(Fingerprint::of(&module), of_files(&module));
    }

    #[test]
    fn every_column_and_the_last_row_count() {
        let module = small();
        let whole = Fingerprint::of(&module);
        let noise = Tensor::<2>::random([12, 100], Distribution::Uniform(1.0, 2.0), &Device::flex());
        for column in 0..12 {
            let noise = noise.clone().slice([column..column + 1, 99..100]);
            let range = [column..column + 1, 99..100];
            assert_ne!(
                with_weight(&module, |weight| weight.slice_assign(range.clone(), noise.clone())),
                whole
            );
        }
        assert_eq!(with_weight(&module, |weight| weight), whole);
    }

    #[test]
    fn removing_one_column_or_another_is_told_apart() {
        let module = small();
        let without = |gone: i32| {
            let kept: Vec<i32> = (0..12).filter(|index| *index != gone).collect();
            let kept = Tensor::from_data(TensorData::new(kept, [11]), &Device::flex());
            with_weight(&module, |weight| weight.select(0, kept.clone()))
        };
        assert_ne!(without(10), without(11));
    }

    #[test]
    fn f32_and_bf16_in_memory_have_one_fingerprint() {
        struct Cast(DType);
        impl parameters::ParameterMapper for Cast {
            fn map<const D: usize>(&mut self, _: &str, _: Layout, value: Tensor<D>) -> Tensor<D> {
                value.cast(self.0)
            }
        }
        let module = small();
        let as_type = |module: Small, dtype| parameters::map(module, &mut Cast(dtype));
        let bf16 = as_type(module.clone(), DType::BF16);
        assert_eq!(Fingerprint::of(&bf16), Fingerprint::of(&module));
        let filed_as_f16 = as_type(as_type(module, DType::F16), DType::F32);
        let f16 = as_type(filed_as_f16.clone(), DType::F16);
        assert_eq!(Fingerprint::of(&f16), Fingerprint::of(&filed_as_f16));
    }
}
