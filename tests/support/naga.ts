// naga, the WGSL compiler of Firefox, as WebAssembly. Its package requires a newer Node than this
// project does, although it runs on Node 20. So it is installed separately, as .ci/run does:
// `npm install --no-save naga-wasm@30.1.0`.

/** The part of the package `naga-wasm` that tests use. */
interface Naga {
  parseWgsl(code: string): Freed;
  validate(module: Freed): Freed;
  writeHlsl(module: Freed, info: Freed): string;
  writeMsl(module: Freed, info: Freed, options: { langVersion: [number, number] }): string;
  writeSpirv(module: Freed, info: Freed): { readonly length: number };
}

interface Freed {
  free(): void;
}

/** Undefined if it is not installed. */
export const naga: Naga | undefined = await load();

async function load(): Promise<Naga | undefined> {
  const name = 'naga-wasm';
  try {
    return (await import(name)) as Naga;
  } catch {
    console.log('not compiled by naga: npm install --no-save naga-wasm@30.1.0 brings it');
    return undefined;
  }
}
