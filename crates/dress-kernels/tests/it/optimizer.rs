//! The optimizer and the passes over gradients.

use burn::module::{Module, Param};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Distribution, Tensor, Tolerance};
use dress_kernels::{FusedAdamW, scale, sum_of_squares};

#[derive(Module, Debug)]
struct Weights {
    weight: Param<Tensor<2>>,
}

fn start(weight: &Tensor<2>) -> Weights {
    Weights { weight: Param::from_tensor(weight.clone()) }
}

fn steps(
    mut optimizer: ModuleOptimizer,
    module: &Weights,
    slopes: &[Tensor<2>],
) -> (Weights, ModuleOptimizer) {
    let mut module = module.clone().train();
    for (index, slope) in slopes.iter().enumerate() {
        let loss = (module.weight.val() * Tensor::from_inner(slope.clone())).sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &module);
        module = optimizer.step(0.01 / (index + 1) as f64, module, gradients);
    }
    (module.valid(), optimizer)
}

#[test]
fn its_weights_and_records_are_those_of_burn() {
    let random = || Tensor::<2>::random([70, 600], Distribution::Normal(0.0, 1.0), &Device::flex());
    let (start, slopes) = (start(&random()), [random(), random(), random(), random()]);
    let close = |found: &Weights, expected: &Weights| {
        let (found, expected) = (found.weight.val().into_data(), expected.weight.val().into_data());
        found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
    };
    for decay in [0.0, 0.1] {
        let plain = || {
            let config = AdamWConfig::new().with_beta_2(0.95).with_epsilon(1e-8);
            config.with_weight_decay(decay).init()
        };
        let fused = || FusedAdamW::new([0.9, 0.95], 1e-8, decay).init();
        let (expected, of_plain) = steps(plain(), &start, &slopes);
        let (found, of_fused) = steps(fused(), &start, &slopes);
        close(&found, &expected);
        // Each goes on from the other's record as the other does.
        let (expected, _) = steps(plain().load_record(of_plain.to_record()), &found, &slopes[..1]);
        for (record, optimizer) in [(&of_plain, fused()), (&of_fused, plain()), (&of_fused, fused())] {
            close(&steps(optimizer.load_record(record.to_record()), &found, &slopes[..1]).0, &expected);
        }
        let moved = steps(fused(), &found, &slopes[..1]).0.weight.val() - expected.weight.val();
        assert!(moved.abs().max().into_scalar::<f32>() > 1e-3, "records make no difference");
    }
}

#[test]
fn shared_weights_are_not_written_to() {
    let ones = Tensor::<2>::ones([3, 3], &Device::flex());
    let optimizer = FusedAdamW::new([0.9, 0.95], 1e-8, 0.0).init();
    let (moved, _) = steps(optimizer, &start(&ones), std::slice::from_ref(&ones));
    ones.into_data().assert_eq(&Tensor::<2>::ones([3, 3], &Device::flex()).into_data(), true);
    assert!(moved.weight.val().into_data().iter::<f32>().all(|x| x < 1.0));
}

#[test]
fn squares_are_summed_and_numbers_scaled() {
    let x = Tensor::<2>::random([300, 300], Distribution::Default, &Device::flex());
    let expected: f64 = x.to_data().iter::<f64>().map(|x| x * x).sum();
    assert!((sum_of_squares(&x).unwrap() / expected - 1.0).abs() < 1e-6);
    scale(x.clone(), 0.5).into_data().assert_eq(&(x * 0.5).into_data(), true);
}
