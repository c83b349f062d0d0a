use burn::module::Module;
use dress_core::{Calibration, CausalLm, Forward, NoTap};
use dress_models::{AnyModel, LoadConfig};
use safetensors::SafeTensors;
use std::time::Instant;
fn main() {
    let device = dress_core::device::parse("cpu").unwrap();
    let dir = std::path::PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/dress/smollm2-135m-instruct");
    let t = Instant::now();
    let model = AnyModel::load(&dir, &LoadConfig::default(), &device).unwrap();
    println!("load {:?}", t.elapsed());
    let bytes = std::fs::read("/tmp/scratch/ref64.safetensors").unwrap();
    let st = SafeTensors::deserialize(&bytes).unwrap();
    let ids: Vec<u32> = st.tensor("input_ids").unwrap().data().chunks(8).map(|c| i64::from_le_bytes(c.try_into().unwrap()) as u32).collect();
    let want: Vec<f32> = st.tensor("logits").unwrap().data().chunks(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
    let logits = model.forward(Calibration::tensor(&[ids.clone()], &device), &mut Forward::new(&mut NoTap));
    let got: Vec<f32> = logits.into_data().iter().collect();
    let diff = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("max diff {diff}");
    let bytes = std::fs::read("/tmp/scratch/ids.safetensors").unwrap();
    let st = SafeTensors::deserialize(&bytes).unwrap();
    let ids: Vec<u32> = st.tensor("ids").unwrap().data().chunks(4).map(|c| i32::from_le_bytes(c.try_into().unwrap()) as u32).collect();
    for _ in 0..2 {
        let t = Instant::now();
        let l = model.forward(Calibration::tensor(&[ids[..1024].to_vec()], &device), &mut Forward::new(&mut NoTap));
        let _ = l.dims();
        println!("prefill {:.1} tok/s", 1024.0 / t.elapsed().as_secs_f64());
    }
    let t = Instant::now();
    let cfg = dress_models::generation::GenerationConfig { max_new_tokens: 32, sampling: dress_models::generation::Sampling::Greedy, stop: vec![] };
    dress_models::generation::generate(&model, &ids[..64], &cfg, |_| ()).unwrap();
    println!("gen 32 in {:?}", t.elapsed());
    if std::env::args().nth(1).as_deref() == Some("train") {
        let model = model.clone().train();
        for n in [512usize, 1024] { for _ in 0..2 {
            let t = Instant::now();
            let dev = model.device();
            let loss = model.next_token_loss(Calibration::tensor(&[ids[..n].to_vec()], &dev), &mut Forward::new(&mut NoTap));
            let f = t.elapsed();
            println!("loss {}", loss.clone().into_scalar::<f32>());
            let g = loss.backward();
            let p = burn::optim::GradientsParams::from_grads(g, &model);
            println!("train {n}: fwd {:?} total {:?} = {:.1} tok/s, grads {}", f, t.elapsed(), n as f64 / t.elapsed().as_secs_f64(), p.len());
        }}
    }
}
