"""Times PyTorch at SD 1.5's real shape, with random weights: prints one JSON report.

Needs torch and diffusers. Run by `cargo xtask bench sd`.
"""
import json
import sys
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

rounds = int(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))


def seconds(run):
    times, processors = [], []
    for _ in range(rounds):
        begin, processor = time.perf_counter(), time.process_time()
        run()
        times.append(time.perf_counter() - begin)
        processors.append(time.process_time() - processor)
    return times, processors


report = {"threads": torch.get_num_threads(), "torch": torch.__version__}
with torch.inference_mode():
    unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8).eval()
    vae = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[128, 256, 512, 512],
        layers_per_block=2,
    ).eval()
    for name, dtype in [("f32", torch.float32), ("bf16", torch.bfloat16)]:
        unet, vae = unet.to(dtype), vae.to(dtype)
        latents = torch.randn(2, 4, 64, 64, dtype=dtype)
        context = torch.randn(2, 77, 768, dtype=dtype)
        step = seconds(lambda: unet(latents, 500, context))
        decode = seconds(lambda: vae.decode(latents[:1]))
        report[name] = {
            "step_seconds": step[0],
            "step_processor_seconds": step[1],
            "decode_seconds": decode[0],
            "decode_processor_seconds": decode[1],
        }
print(json.dumps(report))
