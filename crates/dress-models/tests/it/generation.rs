//! The KV cache changes the speed, not the text.

use crate::reference::{FIXTURES, Reference, fixture, load};
use dress_core::burn::tensor::Tensor;
use dress_core::parameters::{self, Layout, ParameterMapper};
use dress_core::{Calibration, CausalLm, Forward, KvCache, NoTap};
use dress_models::generation::{GenerationConfig, Sampling, generate};

#[test]
fn cached_logits_equal_uncached_ones_however_the_text_is_split() {
    for name in FIXTURES {
        let model = load(&fixture(name));
        let ids = &Reference::read(&fixture(name).join("reference.safetensors")).input_ids[0];
        let tokens =
            |range: std::ops::Range<usize>| Calibration::tensor(&[ids[range].to_vec()], &model.device());
        let mut cache = KvCache::new(model.num_layers(), 20);
        for mut range in [0..7, 7..8, 8..9, 9..20] {
            if model.outgrows_cache(range.start, range.end) {
                assert_eq!((name, range.start), ("phi3_long_rope", 9));
                cache = KvCache::new(model.num_layers(), 20);
                range.start = 0;
            }
            let mut tap = NoTap;
            let part =
                model.forward(tokens(range.clone()), &mut Forward::new(&mut tap).with_cache(&mut cache));
            let whole = model.forward(tokens(0..range.end), &mut Forward::new(&mut NoTap));
            let expected = whole.slice([0..1, range.clone(), 0..model.vocab_size()]);
            let worst: f32 = (part - expected).abs().max().into_scalar();
            assert!(worst < 1e-4, "{name} {range:?}: {worst}");
        }
        assert_eq!(cache.len(), 20);
    }
}

#[test]
fn greedy_text_is_the_same_with_and_without_the_cache() {
    for name in FIXTURES {
        let model = load(&fixture(name));
        let prompt = vec![3, 1, 4, 1, 5];
        let config = GenerationConfig { max_new_tokens: 24, sampling: Sampling::Greedy, stop: vec![] };
        let cached = generate(&model, &prompt, &config, |_| ()).unwrap();
        let mut text = prompt.clone();
        for _ in 0..24 {
            let tokens = Calibration::tensor(std::slice::from_ref(&text), &model.device());
            let logits = model.forward_last(tokens, &mut Forward::new(&mut NoTap));
            text.push(logits.argmax(2).into_scalar::<i32>() as u32);
        }
        assert_eq!(cached, text[prompt.len()..], "{name}");
    }
}

#[test]
fn sampling_repeats_for_a_seed_and_stops_where_told() {
    let model = load(&fixture("llama2_mha_untied"));
    let sample = |seed, stop: Vec<u32>| {
        let sampling = Sampling::TopP { top_p: 0.95, temperature: 1.5, seed };
        let config = GenerationConfig { max_new_tokens: 20, sampling, stop };
        generate(&model, &[1, 2, 3], &config, |_| ()).unwrap()
    };
    assert_eq!(sample(1, vec![]), sample(1, vec![]));
    assert_ne!(sample(1, vec![]), sample(2, vec![]));
    let stop = sample(1, vec![])[4];
    let stopped = sample(1, vec![stop]);
    assert_eq!(stopped.last(), Some(&stop));
    assert!(stopped.len() <= 5);
}

#[test]
fn logits_that_are_no_numbers_are_an_error() {
    struct NoNumbers;
    impl ParameterMapper for NoNumbers {
        fn map<const D: usize>(&mut self, _: &str, _: Layout, value: Tensor<D>) -> Tensor<D> {
            value * f32::NAN
        }
    }
    let model = parameters::map(load(&fixture("llama2_mha_untied")), &mut NoNumbers);
    let config = GenerationConfig { max_new_tokens: 3, sampling: Sampling::Greedy, stop: vec![] };
    let message = generate(&model, &[1, 2], &config, |_| ()).unwrap_err().to_string();
    assert!(message.contains("after 2 tokens") && message.contains("not finite"), "{message}");
}

#[test]
fn a_prompt_without_room_is_an_error() {
    let model = load(&fixture("llama2_mha_untied"));
    let config =
        |max_new_tokens| GenerationConfig { max_new_tokens, sampling: Sampling::Greedy, stop: vec![] };
    let refused = |prompt: &[u32], config: &GenerationConfig| {
        generate(&model, prompt, config, |_| ()).unwrap_err().to_string()
    };
    assert!(refused(&[1; 100], &config(29)).contains("128 positions"));
    assert!(refused(&[1; 100], &config(usize::MAX)).contains("128 positions"));
    assert!(refused(&[], &config(4)).contains("prompt is empty"));
    let unknown = model.vocab_size() as u32;
    assert!(refused(&[1, unknown], &config(4)).contains(&format!("token {unknown}")));
    let sampling = |top_p, temperature| Sampling::TopP { top_p, temperature, seed: 1 };
    for (sampling, setting) in [(sampling(1.5, 1.0), "`top_p`"), (sampling(0.5, -1.0), "`temperature`")] {
        assert!(refused(&[1], &GenerationConfig { sampling, ..config(4) }).contains(setting));
    }
}
