//! The optimizer and the passes over gradients.

use burn::module::{Module, Param};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Tensor, Tolerance};
use dress_kernels::{FusedAdamW, scale, sum_of_squares};

#[derive(Module, Debug)]
struct Weights {
    weight: Param<Tensor<2>>,
}

fn steps(
    mut optimizer: ModuleOptimizer,
    start: &Tensor<2>,
    slopes: &[Tensor<2>],
) -> (Tensor<2>, ModuleOptimizer) {
    let mut module = Weights { weight: Param::from_tensor(start.clone()) }.train();
    for (index, slope) in slopes.iter().enumerate() {
        let loss = (module.weight.val() * Tensor::from_inner(slope.clone())).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &module);
        module = optimizer.step(0.01 / (index + 1) as f64, module, gradients);
    }
    (module.valid().weight.val(), optimizer)
}

#[test]
fn its_weights_and_records_are_those_of_burn() {
    let random = || Tensor::<2>::random([70, 600], Distribution::Normal(0.0, 1.0), &Device::flex());
    let (start, slopes) = (random(), [random(), random(), random(), random()]);
    for decay in [0.0, 0.1] {
        let plain = AdamWConfig::new().with_beta_2(0.95).with_epsilon(1e-8).with_weight_decay(decay);
        let (expected, record) = steps(plain.init(), &start, &slopes);
        let (found, own) = steps(FusedAdamW::new([0.9, 0.95], 1e-8, decay).init(), &start, &slopes);
        let close = Tolerance::absolute(1e-6);
        found.to_data().assert_approx_eq::<f32>(&expected.to_data(), close);
        assert_eq!(record.to_record().len(), own.to_record().len());
    }
}

#[test]
fn shared_weights_are_not_written_to() {
    let start = Tensor::<2>::ones([3, 3], &Device::flex());
    let (moved, _) =
        steps(FusedAdamW::new([0.9, 0.95], 1e-8, 0.0).init(), &start, std::slice::from_ref(&start));
    start.into_data().assert_eq(&Tensor::<2>::ones([3, 3], &Device::flex()).into_data(), true);
    assert!(moved.into_data().iter::<f32>().all(|x| x < 1.0));
}

#[test]
fn squares_are_summed_and_numbers_scaled() {
    let x = Tensor::<2>::random([300, 300], Distribution::Default, &Device::flex());
    let expected: f64 = x.to_data().iter::<f64>().map(|x| x * x).sum();
    assert!((sum_of_squares(&x).unwrap() / expected - 1.0).abs() < 1e-6);
    scale(x.clone(), 0.5).into_data().assert_eq(&(x * 0.5).into_data(), true);
}
