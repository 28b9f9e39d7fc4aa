#!/bin/bash
# Finds the text in a folder of images with a Slurm job array, one shard per task:
#
#   sbatch deploy/slurm-array.sh IMAGES RESULTS [more options of panpp detect]
#
# IMAGES and RESULTS are on a file system that all nodes share. PANPP is the command to run, if it
# is not "panpp": PANPP='apptainer run --nv panpp.sif' for a container. To repeat one shard:
#
#   PANPP_SHARD=3/8 sbatch --array=3 deploy/slurm-array.sh IMAGES RESULTS
#
# Afterwards:
#
#   panpp merge 'RESULTS/coco-text.*-of-8.json' --shards 8 --images IMAGES --output RESULTS/coco-text.json

#SBATCH --job-name=panpp
#SBATCH --array=1-8
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=panpp-%A_%a.log

set -euo pipefail
images=${1:?usage: sbatch slurm-array.sh IMAGES RESULTS [options]}
results=${2:?usage: sbatch slurm-array.sh IMAGES RESULTS [options]}
shift 2

# As many as --array has tasks: an array of fewer is then refused instead of taken for the whole.
export PANPP_SHARDS=8

# A task that was preempted or failed goes on where it stopped.
# shellcheck disable=SC2086 # PANPP may be several words
exec ${PANPP:-panpp} detect "$images" --output "$results" --format json,coco-text --resume \
  --shard auto "$@"
