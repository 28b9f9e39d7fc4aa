// An HTTP server: node examples/node/server.mjs [PORT], then
// curl --data-binary @examples/street.jpg -H 'Content-Type: image/jpeg' 127.0.0.1:8080/detect
// `panpp serve` is a whole service: limits, a queue, metrics, batches.
import { readFile } from 'node:fs/promises';
import fastify from 'fastify';
import { PanppError, decodeImage, loadModel, openGpu, packagedWeights } from 'panpp/node';

const model = await loadModel(await openGpu(), await readFile(packagedWeights()));
const server = fastify({ bodyLimit: 20e6 });
server.addContentTypeParser(/^image\//, { parseAs: 'buffer' }, (_, body, done) => done(null, body));
server.post('/detect', async ({ body, query }) => {
  const image = await decodeImage(body, 'the request', { maxPixels: 40e6 });
  return model.detect(image, { shortSide: Number(query.shortSide ?? 736) });
});
server.setErrorHandler((error, _, reply) => {
  const status = error instanceof PanppError ? 400 : (error.statusCode ?? 500);
  reply.code(status).send({ error: error.message });
});
console.log(await server.listen({ port: Number(process.argv[2] ?? 8080), host: '127.0.0.1' }));
