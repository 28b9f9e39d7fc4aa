// A thread of pool.mjs: a model on a device of its own, which decodes and detects.
import { readFile } from 'node:fs/promises';
import { decodeImage, loadModel, openGpu, packagedWeights } from 'panpp/node';

const model = await loadModel(await openGpu(), await readFile(packagedWeights()));

export default async function find({ path, shortSide }) {
  const image = await decodeImage(await readFile(path), path);
  const { regions } = await model.detect(image, { shortSide });
  return regions;
}
