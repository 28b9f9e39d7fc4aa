// Runs a plan whose input the host writes, and reads its output back.
import type { Dispatch, Slot } from '../../src/gpu/dispatch.js';
import type { Gpu } from '../../src/gpu/context.js';
import { Program } from '../../src/gpu/program.js';
import { Readback } from '../../src/gpu/readback.js';
import type { FeatureMap } from '../../src/layers/feature-map.js';

/** @param inputs the slots that `write` fills */
export async function runPlan(
  gpu: Gpu,
  { dispatches, output: { slot } }: { dispatches: readonly Dispatch[]; output: FeatureMap },
  inputs: readonly Slot[],
  write: (program: Program) => void,
): Promise<Float32Array> {
  const program = await Program.create(gpu, [{ name: 'plan', dispatches }], [...inputs, slot]);
  write(program);
  const readback = new Readback(gpu, slot.bytes);
  const encoder = gpu.device.createCommandEncoder();
  program.encode(encoder);
  readback.copy(encoder, program.bufferOf(slot), slot.bytes);
  gpu.device.queue.submit([encoder.finish()]);
  const values = await readback.read((bytes) => new Float32Array(bytes.slice(0, slot.bytes)));
  readback.dispose();
  program.dispose();
  return values;
}
