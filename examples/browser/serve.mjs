// Serves this repository's files to this machine, for the demo page and its tests: `npm run demo`.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const types = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.jpg': 'image/jpeg',
};

/** @returns the server, listening, and the demo page's address; port 0 takes a free one */
export async function serve(port = 0) {
  const server = createServer(async (request, response) => {
    try {
      const { pathname } = new URL(request.url, 'http://localhost');
      const path = join(root, decodeURIComponent(pathname).replace(/\/$/, '/index.html'));
      if (!path.startsWith(root) || path.includes(`${sep}.`))
        throw new Error('outside of what is served');
      const { size } = await stat(path);
      const type = types[extname(path)] ?? 'application/octet-stream';
      response.writeHead(200, {
        'content-type': type,
        'content-length': size,
        'cache-control': 'no-cache',
      });
      createReadStream(path).pipe(response);
    } catch {
      response.writeHead(404).end('not found');
    }
  });
  await new Promise((listening, failed) =>
    server.once('error', failed).listen(port, 'localhost', listening),
  );
  return { server, url: `http://localhost:${server.address().port}/examples/browser/` };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url } = await serve(Number(process.env.PORT ?? 8080));
  console.log(`panpp demo: ${url} (Ctrl+C ends it)`);
}
