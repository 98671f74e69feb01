//! Many pictures, and as much memory as before.

use rbee_proto::worker::v1::{
    self as proto, Convention, GenerateImageRequest, HighResolutionPass, ImageFormat, InitialImage, LoraUse,
    Previews,
};

use super::harness::{Worker, fixture, png, quick};

/// Numbers that look random and are the same each time (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn request(&mut self) -> GenerateImageRequest {
        let mut request = quick();
        request.width = Some(64 + 64 * self.below(2) as u32);
        request.height = Some(128 + 64 * self.below(2) as u32);
        request.steps = Some(1 + self.below(3) as u32);
        request.seed = Some(self.below(1000));
        request.count = Some(1 + self.below(2) as u32);
        request.sampler = 1 + self.below(10) as i32;
        request.convention = [Convention::A1111, Convention::Comfyui][self.below(2) as usize].into();
        request.guidance_scale = Some(self.below(12) as f32);
        request.format =
            [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Webp][self.below(3) as usize].into();
        if self.below(4) == 0 {
            request.initial_image = Some(InitialImage {
                image: png(96, 160),
                strength: Some(1.0),
                mask: Vec::new(),
            });
        } else if self.below(4) == 0 {
            request.high_resolution = Some(HighResolutionPass {
                scale: 1.5,
                strength: Some(1.0),
                steps: Some(1),
            });
        }
        if self.below(3) == 0 {
            request.previews = Some(Previews {
                every_steps: 1,
                ..Previews::default()
            });
        }
        if self.below(3) == 0 {
            request.loras = vec![LoraUse {
                model_id: "local:lora".into(),
                weight: Some(0.5),
                ..LoraUse::default()
            }];
        }
        request
    }
}

#[tokio::test]
async fn fifty_generations_with_random_settings_leave_memory_where_it_was() {
    let worker = Worker::ready(&[]);
    std::fs::copy(
        fixture("sd15-tiny/lora.safetensors"),
        worker.add_ons.join("lora.safetensors"),
    )
    .unwrap();
    let mut chance = Chance(7);
    let mut run = async |count: usize| {
        let mut made = 0;
        while made < count {
            let request = chance.request();
            match worker.generate(request.clone()).await {
                Ok(_) => made += 1,
                Err(fault) => panic!("{fault:?}: {:?}", shown(&request)),
            }
        }
        worker.resident_bytes()
    };
    // Buffers and tables that stay are there after some.
    let before = run(15).await;
    let after = run(50).await;
    let grown = after.saturating_sub(before);
    assert!(grown < 24 << 20, "from {before} to {after} bytes");
}

/// A request without its pictures.
fn shown(request: &GenerateImageRequest) -> GenerateImageRequest {
    let mut request = request.clone();
    if let Some(initial) = &mut request.initial_image {
        *initial = proto::InitialImage::default();
    }
    request
}
