// What a user's own program does, from the start of its process to the first result; prints the
// milliseconds of each step as JSON.
//   node bench/cold-start.mjs IMAGE SHORT_SIDE ADAPTER
import { readFile } from 'node:fs/promises';
import { decodeImage, loadModel, openGpu, packagedWeights } from '../dist/node.js';

// performance.now() counts from the start of the process.
const steps = { import: performance.now() };
let last = steps.import;
const step = (name) => {
  const now = performance.now();
  steps[name] = now - last;
  last = now;
};

const [path, shortSide, adapter] = process.argv.slice(2);
const gpu = await openGpu({ adapter });
step('adapter');
const model = await loadModel(gpu, await readFile(packagedWeights()));
step('weights');
const image = await decodeImage(await readFile(path), path);
step('image');
const detect = () => model.detect(image, { shortSide: Number(shortSide) });
const { timings, regions } = await detect();
step('detect');
const wall = last;
// What the first time costs beyond any later one. Drivers may put compilation off until a shader
// first runs, so `setup` is only a part of it.
await detect();
step('again');
console.log(
  JSON.stringify({
    ...steps,
    setup: timings.setup,
    once: steps.detect - steps.again,
    wall,
    regions: regions.length,
  }),
);
model.dispose();
gpu.dispose();
