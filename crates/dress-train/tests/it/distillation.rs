//! Learning from a teacher.

use crate::small::{data, model};
use dress_core::burn::module::{Module, Param};
use dress_core::burn::tensor::{Gradients, Tensor, TensorData};
use dress_core::parameters::{self, Layout, ParameterMapper, ParameterVisitor};
use dress_core::{Calibration, CausalLm, Divergence, NoProgress, NoTap};
use dress_models::AnyModel;
use dress_train::{Batch, Distillation, DistillationConfig, Objective, Teacher};

const PARAMETER: &str = "model.layers.0.mlp.down_proj.weight";

struct Nudge(usize, f32);

impl ParameterMapper for Nudge {
    fn map<const D: usize>(&mut self, name: &str, _layout: Layout, value: Tensor<D>) -> Tensor<D> {
        if name != PARAMETER {
            return value;
        }
        let (dims, device) = (value.dims(), value.device());
        let mut numbers: Vec<f32> = value.into_data().iter().collect();
        numbers[self.0] += self.1;
        Tensor::from_data(TensorData::new(numbers, dims), &device)
    }
}

fn gradient(model: &AnyModel, loss: Tensor<1>) -> Vec<f32> {
    struct Of(Gradients, Vec<f32>);
    impl ParameterVisitor for Of {
        fn visit<const D: usize>(&mut self, name: &str, _layout: Layout, parameter: &Param<Tensor<D>>) {
            if name == PARAMETER {
                self.1 = parameter.val().grad(&self.0).unwrap().into_data().iter().collect();
            }
        }
    }
    let mut of = Of(loss.backward(), Vec::new());
    parameters::visit(model, &mut of);
    of.1
}

fn loss(student: &AnyModel, teacher: &Teacher<AnyModel>, config: DistillationConfig) -> (Tensor<1>, f64) {
    let (data, indices) = (data(), [3, 5]);
    let blocks = [data.blocks[3].clone(), data.blocks[5].clone()];
    let batch = Batch { indices: &indices, tokens: Calibration::tensor(&blocks, &student.device()) };
    let found = Distillation { teacher, config }.loss(student, &batch, &mut NoTap).unwrap();
    let distance = f64::from(found.distillation.unwrap().into_scalar::<f32>());
    (found.total, distance)
}

#[test]
fn its_gradient_is_that_of_its_value() {
    let teacher = Teacher::new(model(), vec![0, 1], 16);
    let student = model().train();
    let (forward, reverse) = (Divergence::Forward, Divergence::Reverse);
    let cases = [(1.0, 1.0, 0.0, forward), (0.5, 2.0, 0.0, forward), (0.3, 1.5, 0.7, forward)];
    for (alpha, temperature, hidden, divergence) in cases.into_iter().chain([(0.8, 2.0, 0.0, reverse)]) {
        let config = DistillationConfig { alpha, temperature, hidden, divergence };
        let number = |by: f32, index| {
            let moved = parameters::map(student.clone(), &mut Nudge(index, by));
            f64::from(loss(&moved, &teacher, config).0.into_scalar::<f32>())
        };
        let gradient = gradient(&student, loss(&student, &teacher, config).0);
        for index in [0, 100, 511] {
            let slope = (number(5e-3, index) - number(-5e-3, index)) / 1e-2;
            let found = f64::from(gradient[index]);
            assert!((found - slope).abs() < 1e-3 + 2e-2 * slope.abs(), "{config:?}: {found} {slope}");
        }
    }
}

#[test]
fn a_student_like_its_teacher_is_at_distance_zero_from_memory_and_from_a_file() {
    let same = model();
    let config =
        DistillationConfig { alpha: 1.0, temperature: 2.0, hidden: 1.0, ..DistillationConfig::default() };
    let teacher = || Teacher::new(same.clone(), vec![0, 1], 16);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("teacher.cache");
    let cached = || teacher().cached(&data(), true, &path, false, &NoProgress).unwrap();
    let (first, written) = (cached(), std::fs::metadata(&path).unwrap().modified().unwrap());
    let again = cached();
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), written);
    for teacher in [&teacher(), &first, &again] {
        let (_, distance) = loss(&same, teacher, config);
        assert!(distance.abs() < 1e-6, "{distance}");
        let other = loss(&model(), teacher, config).1;
        assert!(other > 1e-2, "{other}");
    }
    drop((first, again));
    let mut damaged = std::fs::read(&path).unwrap();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let says = teacher().cached(&data(), true, &path, false, &NoProgress).unwrap_err().to_string();
    assert!(says.contains("teacher.cache") && says.contains("`force`"), "{says}");
    let replaced = teacher().cached(&data(), true, &path, true, &NoProgress).unwrap();
    assert!(loss(&same, &replaced, config).1.abs() < 1e-6);
    cached();
}
