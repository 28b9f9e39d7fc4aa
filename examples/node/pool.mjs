// Finds the text in all pictures of a folder, in several threads, each with a device of its own:
// node examples/node/pool.mjs FOLDER [THREADS] [SHORT_SIDE]
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SHARE_ENV } from 'node:worker_threads';
import { Piscina } from 'piscina';

const [folder = '.', threads = 2, shortSide = 736] = process.argv.slice(2);
const files = (await readdir(folder)).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();
const pool = new Piscina({
  filename: new URL('pool-worker.mjs', import.meta.url).href,
  minThreads: Number(threads),
  maxThreads: Number(threads),
  concurrentTasksPerWorker: 2, // one picture is decoded while another is on the GPU
  env: SHARE_ENV, // for the embedded adapter
});

// All begin at once, and lines come in the files' order. A damaged picture fails alone.
const lines = files.map((file) =>
  pool.run({ path: join(folder, file), shortSide: Number(shortSide) }).then(
    (regions) => `${file}: ${regions.length} regions`,
    (error) => error.message,
  ),
);
for (const line of lines) console.log(await line);

await pool.close();
