// Writes an image's bytes and taps into a program's buffers.
import type { Program } from '../gpu/program.js';
import type { ResizePlan } from '../layers/resize.js';
import type { ImageUpload } from './upload.js';

/** The slots that `writeUploads` fills. */
export function inputsOf({ pixels, columnTaps, rowTaps }: ResizePlan) {
  return [...pixels, columnTaps, rowTaps];
}

/**
 * @param uploads one for each image of the plan; all the same size, so that they share their taps
 */
export function writeUploads(
  queue: GPUQueue,
  program: Program,
  resize: ResizePlan,
  uploads: readonly ImageUpload[],
): void {
  uploads.forEach(({ pixels }, index) => {
    const target = program.bufferOf(resize.pixels[index]);
    if (pixels instanceof Uint8Array) writeBytes(queue, target, pixels);
    else pixels.texture.gather([pixels], target);
  });
  queue.writeBuffer(program.bufferOf(resize.columnTaps), 0, uploads[0].columnTaps);
  queue.writeBuffer(program.bufferOf(resize.rowTaps), 0, uploads[0].rowTaps);
}

// WebGPU writes only multiples of 4 bytes; the last bytes are zero-padded and written separately.
function writeBytes(queue: GPUQueue, target: GPUBuffer, bytes: Uint8Array): void {
  const whole = bytes.length - (bytes.length % 4);
  if (whole > 0) queue.writeBuffer(target, 0, bytes as Uint8Array<ArrayBuffer>, 0, whole);
  if (whole === bytes.length) return;
  const rest = new Uint8Array(4);
  rest.set(bytes.subarray(whole));
  queue.writeBuffer(target, whole, rest);
}
