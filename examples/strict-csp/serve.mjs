// Serves the page with its policy, panpp and the weights: node examples/strict-csp/serve.mjs [PORT]
import { createReadStream } from 'node:fs';
import fastify from 'fastify';

const policy = [
  "default-src 'none'", // all that is not named below
  "script-src 'self'", // the page's script, the worker, and panpp in it
  "connect-src 'self'", // the weights
  // The following have no default in default-src.
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const here = (name) => new URL(name, import.meta.url);
const panpp = (name) => new URL(name, import.meta.resolve('panpp/package.json'));
const files = {
  '/': [here('index.html'), 'text/html'],
  '/page.js': [here('page.js'), 'text/javascript'],
  '/worker.js': [here('worker.js'), 'text/javascript'],
  '/panpp.js': [panpp('dist/browser.js'), 'text/javascript'],
  '/weights.safetensors': [
    panpp('weights/pan-pp-resnet18.safetensors'),
    'application/octet-stream',
  ],
};

const server = fastify();
// On all answers: a worker has the policy of its own script's answer, not the page's.
server.addHook('onRequest', (_, reply, done) => {
  reply.header('content-security-policy', policy);
  done();
});
for (const [path, [file, type]] of Object.entries(files))
  server.get(path, (_, reply) => reply.type(type).send(createReadStream(file)));
console.log(await server.listen({ port: Number(process.argv[2] ?? 8080), host: '127.0.0.1' }));
