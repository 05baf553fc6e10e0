#!/usr/bin/env bash
# Makes the shipped weights again:  bash tools/train_mini.sh [OUT]
#
# Renders a world, trains the mini CLIP (unless CLIP=shipped), a detector and its association,
# and measures the result on worlds of other seeds. Interrupted, it resumes.
# SEED, SIZE and EPOCHS (of the detector) say what to train; WORLDS, the seeds to test on.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-work_dirs/train_mini}
seed=${SEED:-0} size=${SIZE:-training} epochs=${EPOCHS:-3} worlds=${WORLDS:-1 2 3}
python=${PYTHON:-python}
world=$out/world
shipped=saved_models/mini
clip=$shipped/clip_mini.safetensors
mkdir -p "$out"

rendered() { # rendered SIZE SEED FOLDER
  [[ -e $3/world.json ]] || vovtrack synth --size "$1" --seed "$2" --out "$3"
}

rendered "$size" "$seed" "$world"
if [[ ${CLIP:-} != shipped && ! -e $out/clip_mini.safetensors ]]; then
  "$python" tools/train_mini_clip.py --out "$out/clip_mini.safetensors" --seed "$seed"
fi
[[ ${CLIP:-} == shipped ]] || clip=$out/clip_mini.safetensors
text=model.detector.roi_head.classifier.text_encoder.pretrained=$clip

bash tools/dist_train.sh configs/mini/detector.py 1 --work-dir "$out/detector" --resume --seed "$seed" \
  --cfg-options train_dataloader.dataset.data_root="$world/" train_cfg.max_epochs="$epochs" \
  param_scheduler.1.T_max="$epochs" model.backbone.init_cfg.checkpoint="$clip" \
  model.roi_head.classifier.text_encoder.pretrained="$clip"
bash tools/dist_train.sh configs/mini/ovtrack.py 1 --work-dir "$out/ovtrack" --resume --seed "$seed" \
  --cfg-options train_dataloader.dataset.data_root="$world/" \
  load_from="$(<"$out/detector/last_checkpoint")" "$text"
vovtrack export --slim "$(<"$out/ovtrack/last_checkpoint")" "$out/ovtrack_mini.safetensors" \
  --note "tools/train_mini.sh: seed $seed, size $size, $epochs epochs"

for other in $worlds; do
  rendered validation "$other" "$out/world$other"
  vovtrack test configs/mini/ovtrack.py "$out/ovtrack_mini.safetensors" --out "$out/world$other.json" \
    --cfg-options test_dataloader.dataset.data_root="$out/world$other/" \
    test_evaluator.ann_file="$out/world$other/tao/annotations/validation.json" "$text"
done
echo "Weights: $out. To ship them, copy clip_mini.safetensors and ovtrack_mini.safetensors to $shipped."
