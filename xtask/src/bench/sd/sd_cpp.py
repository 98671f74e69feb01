"""Times stable-diffusion.cpp on the model that the bench wrote: prints one JSON report.

Needs stable-diffusion-cpp-python, built for this processor. Run by `cargo xtask bench sd`.
"""
import json
import os
import sys
import time

# The library writes its log to standard output, which is for the report.
report_to = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from stable_diffusion_cpp import StableDiffusion

model, rounds, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
begin = time.perf_counter()
engine = StableDiffusion(
    model_path=model, n_threads=threads, diffusion_flash_attn=True, vae_decode_only=True, verbose=False
)
load = time.perf_counter() - begin
marks = []


def progress(step, steps, _seconds):
    if steps == rounds:
        marks.append((time.perf_counter(), time.process_time()))


begin = (time.perf_counter(), time.process_time())
engine.generate_image(
    prompt="a bee",
    width=512,
    height=512,
    cfg_scale=7.0,
    sample_method="euler",
    sample_steps=rounds,
    progress_callback=progress,
)
end = (time.perf_counter(), time.process_time())
# A mark at the beginning, where there is one, makes the first step countable; prompts are encoded before it.
steps = [(late[0] - early[0], late[1] - early[1]) for early, late in zip(marks, marks[1:])]
report = {
    "threads": threads,
    "load_seconds": load,
    "step_seconds": [step[0] for step in steps],
    "step_processor_seconds": [step[1] for step in steps],
    "decode_seconds": [end[0] - marks[-1][0]],
    "decode_processor_seconds": [end[1] - marks[-1][1]],
}
print(json.dumps(report), file=report_to)
