// Finds the text in all pictures of a folder: node examples/node/folder.mjs FOLDER [SHORT_SIDE]
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeImage, loadModel, openGpu, packagedWeights } from 'panpp/node';

const [folder = '.', shortSide = 736] = process.argv.slice(2);
const files = (await readdir(folder)).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();
const gpu = await openGpu();
const model = await loadModel(gpu, await readFile(packagedWeights()));

// Promises: decoding overlaps with detection, and a damaged file fails alone.
function* pictures() {
  for (const file of files)
    yield readFile(join(folder, file)).then((bytes) => decodeImage(bytes, file));
}

const found = model.detectAll(pictures(), {
  shortSide: Number(shortSide),
  onError: (error) => console.log(error.message),
});
for await (const { index, regions } of found)
  console.log(`${files[index]}: ${regions.length} regions`);

model.dispose();
gpu.dispose();
