// The worker: decodes and detects, so that the page stays responsive.
import { loadModel, loadWeights, requestGpu } from './panpp.js';

/** Loaded once, at the first picture; again if that failed. */
let loading;
async function load() {
  return loadModel(await requestGpu(), await loadWeights('weights.safetensors', { cache: true }));
}

addEventListener('message', async ({ data: { picture, shortSide } }) => {
  try {
    loading ??= load().catch((error) => {
      loading = undefined;
      throw error;
    });
    const { regions } = await (await loading).detect(picture, { shortSide });
    postMessage({ found: picture.name, polygons: regions.map(({ polygon }) => polygon) });
  } catch (error) {
    postMessage({ found: picture.name, error: error.message });
  }
});
