// A route handler that finds the text in a picture:
// curl --data-binary @street.jpg 'http://localhost:3000/detect?shortSide=736'
import { readFile } from 'node:fs/promises';
import { PanppError, decodeImage, loadModel, openGpu, packagedWeights } from 'panpp/node';

/** One model a process, loaded at the first request; again if that failed. */
function model() {
  // A global survives that `next dev` loads this file again after a change.
  return (globalThis.panppModel ??= load().catch((error) => {
    globalThis.panppModel = undefined;
    throw error;
  }));
}

async function load() {
  return loadModel(await openGpu(), await readFile(packagedWeights()));
}

// Next.js reads bodies of any size: limit them in the proxy before it.
export async function POST(request) {
  try {
    const bytes = new Uint8Array(await request.arrayBuffer());
    const image = await decodeImage(bytes, 'the request', { maxPixels: 40e6 });
    const shortSide = Number(request.nextUrl.searchParams.get('shortSide') ?? 736);
    const { width, height, regions } = await (await model()).detect(image, { shortSide });
    return Response.json({ width, height, regions });
  } catch (error) {
    if (!(error instanceof PanppError)) throw error;
    const status = ['image', 'argument'].includes(error.code) ? 400 : 503;
    return Response.json({ error: error.message }, { status });
  }
}
