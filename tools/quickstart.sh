#!/usr/bin/env bash
# From a fresh clone to tracked video:  bash tools/quickstart.sh
#
# Installs into .venv, renders a small world, trains a detector and its association on it, prints
# the TETA table of held-out videos and writes one tracked video. Interrupted, it goes on
# from the last finished stage; delete work_dirs/quickstart to start over.
# PYTHON names the interpreter that makes .venv (default: python3).
set -euo pipefail
cd "$(dirname "$0")/.."
out=work_dirs/quickstart
world=$out/world
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
  [[ -x .venv/bin/pip ]] || "${PYTHON:-python3}" -m venv .venv
  .venv/bin/python -m pip install --quiet -e .
}

evaluate() {
  bash tools/dist_test_new.sh configs/mini/ovtrack.py "$(<"$out/ovtrack/last_checkpoint")" 1 \
    --eval track --eval-options resfile_path="$out/results" | tee "$out/teta.txt"
}

track() {
  local video
  video=$(find "$world/tao/frames/val" -mindepth 2 -maxdepth 2 -type d | sort | sed -n 1p)
  vovtrack track "$video" --config configs/mini/ovtrack.py \
    --checkpoint "$(<"$out/ovtrack/last_checkpoint")" --out "$out/tracked.mp4"
}

[[ -x .venv/bin/vovtrack ]] || install
export PATH="$PWD/.venv/bin:$PATH" PYTHON=python

stage world vovtrack synth --size small --out "$world" --force
stage detector bash tools/dist_train.sh configs/mini/detector.py 1 \
  --work-dir "$out/detector" --resume
stage association bash tools/dist_train.sh configs/mini/ovtrack.py 1 \
  --work-dir "$out/ovtrack" --resume
stage test evaluate
stage video track

cat <<END

Finished in $((SECONDS - started)) s.
  tracked video   $out/tracked.mp4
  contact sheet   $world/contact_sheet.png
  TETA table      $out/teta.txt
  track results   $out/results
  checkpoints     $out/detector, $out/ovtrack
END
