// Runs the bundle that bench/build.mjs made; on a GPU host nothing can be built.
//   node bench/gpu-host.mjs [--quick] [--toggles allow_unsafe_apis] …
await import('./dist/gpu-host.js').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  console.error(
    `${error.message.split('\n')[0]}; make it where npm is: npm run build && node bench/build.mjs`,
  );
  process.exitCode = 2;
});
