#!/usr/bin/env bash
# From a fresh clone to tracked video, in minutes:  bash tools/quickstart.sh
#
# Installs into .venv, renders validation videos, tracks them with the shipped model, prints the
# TETA table, tracks a rendered clip and a real one. Interrupted, it resumes with the stage that it
# was in; delete work_dirs/quickstart to start over.
#
#   --train        renders the whole small world and trains the detector and its tracker on it
#                  instead of taking the shipped model: about 25 minutes on two cores
#   --video FILE   the real clip; without it the demo of mmdetection (Apache-2.0) is fetched
# PYTHON names the interpreter that makes .venv (default: python3).
set -euo pipefail
train= video=
while (($#)); do
  case $1 in
    --train) train=yes ;;
    --video)
      video=$(realpath "${2:?--video needs a file}")
      shift
      ;;
    *)
      echo "$0: unknown option '$1', expected --train or --video FILE" >&2
      exit 2
      ;;
  esac
  shift
done
cd "$(dirname "$0")/.."
out=work_dirs/quickstart
world=$out/world
annotations=$world/tao/annotations/validation.json
config=configs/mini/ovtrack.py
clip=val/MiniWorld/v_0008
classes="checkered cyan circle, checkered yellow triangle, striped blue triangle, striped purple cross"
demo=https://raw.githubusercontent.com/open-mmlab/mmdetection/v3.3.0/demo/demo.mp4
demo_sha256=510a80cf99607d625a267b0fb21ce405cedb3c9352e25bb42b9972490cf5a1c7
mkdir -p "$out/done"
started=$SECONDS

stage() { # stage NAME COMMAND...: run a command once, remember that it finished
  local name=$1
  shift
  if [[ -e $out/done/$name ]]; then
    echo "== $name: done before"
    return
  fi
  echo "== $name"
  local begin=$SECONDS
  "$@"
  touch "$out/done/$name"
  echo "== $name: $((SECONDS - begin)) s"
}

install() {
  echo "into .venv; downloading torch takes most of the time"
  [[ -x .venv/bin/pip ]] || "${PYTHON:-python3}" -m venv .venv
  .venv/bin/python -m pip install --quiet -e .
}

fetch_demo() { # without a network there is no real clip, and everything else works
  [[ -e $out/demo.mp4 ]] && return
  curl --fail --silent --location --max-time 60 "$demo" --output "$out/demo.part" || return 1
  echo "$demo_sha256  $out/demo.part" | sha256sum --check --status || return 1
  mv "$out/demo.part" "$out/demo.mp4"
}

score() { # score CHECKPOINT: results of the validation videos, the table, a page with charts
  echo "tracking 24 validation videos (log: $report/test.log)"
  vovtrack test "$config" "$1" --format-only --eval-options resfile_path="$results" \
    >"$report/test.log" 2>&1 || {
    tail -n 20 "$report/test.log" >&2
    return 1
  }
  vovtrack evaluate --gt "$annotations" --pred "$results/tao_track.json" \
    --html "$report/report.html" | tee "$report/teta.txt"
}

rendered() { # rendered CHECKPOINT: the clip as a video, its tracks as JSON, four frames as a picture
  vovtrack track "$world/tao/frames/$clip" --config "$config" --checkpoint "$1" \
    --classes "$classes" --out "$report/tracked.mp4" --json "$report/tracked.json"
  vovtrack draw tracks "$report/tracked.json" --out "$report/tracked.png"
}

real() { # real CHECKPOINT
  vovtrack track "$video" --config "$config" --checkpoint "$1" --out "$report/real.mp4"
  echo "Nothing real is recognised here: this small model has seen coloured shapes only, and what it"
  echo "finds in a real video are look-alikes. The published weights are for real videos."
}

[[ -x .venv/bin/vovtrack ]] || { rm -f "$out/done/install" && stage install install; }
export PATH="$PWD/.venv/bin:$PATH" PYTHON=python

if [[ $train ]]; then
  stage world vovtrack synth --size small --out "$world" --force
  stage detector bash tools/dist_train.sh configs/mini/detector.py 1 \
    --work-dir "$out/detector" --resume
  stage association bash tools/dist_train.sh "$config" 1 --work-dir "$out/ovtrack" --resume
  checkpoint=$(<"$out/ovtrack/last_checkpoint")
  model=trained
else
  [[ -e $out/done/world ]] ||
    stage videos vovtrack synth --size validation --out "$world" --force
  checkpoint=saved_models/mini/ovtrack_mini.safetensors
  model=shipped
fi
report=$out/$model
results=$report/results
mkdir -p "$report"
stage "$model-table" score "$checkpoint"
stage "$model-clip" rendered "$checkpoint"
if [[ -z $video ]] && fetch_demo; then
  video=$out/demo.mp4
fi
if [[ $video ]]; then
  stage "$model-real-$(basename "$video")" real "$checkpoint"
else
  echo "== no real clip: the demo cannot be fetched; bash tools/quickstart.sh --video FILE tracks yours"
fi

cat <<END

Finished in $((SECONDS - started)) s. In $report:
  tracked.mp4, tracked.json   the rendered clip
  tracked.png                 four frames of it
  teta.txt, report.html       how well the validation videos are tracked
${video:+  real.mp4                    the real clip}
The rendered world at a glance: $world/contact_sheets

Next:
  source .venv/bin/activate
  vovtrack track YOUR_VIDEO --classes "striped red star, dotted blue circle" --out yours.mp4
  vovtrack download ovtrack_finetune_final     the published weights, for real videos
  bash tools/quickstart.sh --train             train the small model yourself
  vovtrack --help
END
