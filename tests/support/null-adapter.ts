// An adapter that computes nothing and has every feature: Dawn checks shaders and pipelines for it
// as for any other.
import { create, globals } from 'webgpu';

const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);

export async function nullAdapter(): Promise<GPUAdapter> {
  for (const [name, value] of Object.entries(globals))
    if (!(name in globalThis))
      Object.defineProperty(globalThis, name, { value, configurable: true });
  return (await gpu.requestAdapter())!;
}
