# Sourced by the dist_*.sh launchers: how several processes of one script are started.

# launch SCRIPT INPUTS GPUS [PORT] OPTION...
#
# Runs tools/SCRIPT INPUTS OPTION... (INPUTS is one string, one word per line): once when GPUS is 1,
# else in GPUS processes under torchrun. Without CUDA, GPUS is the number of CPU processes. PORT may
# be left out on one machine: a free one is found.
# Environment: PYTHON (default: python); NNODES, NODE_RANK, MASTER_ADDR, PORT for several machines.
launch() {
  local script=$1 gpus=$3 port=${PORT:-} inputs
  mapfile -t inputs <<<"$2"
  shift 3
  if ! [[ $gpus =~ ^[1-9][0-9]*$ ]]; then
    echo "$(basename "$0"): GPUS must be a positive integer, found '$gpus'." >&2
    exit 2
  fi
  if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    port=$1
    shift
  fi
  local root python=${PYTHON:-python} nodes=${NNODES:-1}
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
  if [[ $gpus == 1 && $nodes == 1 ]]; then
    exec "$python" "$root/tools/$script" "${inputs[@]}" "$@"
  fi
  local meeting_point=(--standalone)
  if [[ -n $port || $nodes != 1 ]]; then
    meeting_point=(--nnodes "$nodes" --node_rank "${NODE_RANK:-0}"
      --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${port:-29500}")
  fi
  exec "$python" -m torch.distributed.run "${meeting_point[@]}" --nproc_per_node "$gpus" \
    "$root/tools/$script" "${inputs[@]}" "$@" --launcher pytorch
}

# launch_slurm SCRIPT PARTITION JOB_NAME ARGUMENT...
#
# Runs tools/SCRIPT ARGUMENT... in GPUS processes under srun.
# Environment: PYTHON, GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS (further words for srun).
launch_slurm() {
  local script=$1 partition=$2 job=$3 gpus=${GPUS:-8} per_node root
  per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
  shift 3
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
  # SRUN_ARGS is split into words on purpose.
  # shellcheck disable=SC2086
  exec srun -p "$partition" --job-name="$job" --gres="gpu:$per_node" --ntasks="$gpus" \
    --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} "${PYTHON:-python}" -u "$root/tools/$script" "$@" --launcher slurm
}
