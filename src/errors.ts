/** What kind of thing failed; programs can branch on it, the message is for people. */
export type ErrorCode =
  | 'adapter' // no usable GPU adapter, or it lacks a feature or limit
  | 'device-lost' // the GPU device went away; load the model again
  | 'shader' // a WGSL module or pipeline did not compile
  | 'disposed' // used after dispose()
  | 'checkpoint' // a PyTorch or safetensors file can't be read
  | 'weights' // tensors read, but they are not the expected architecture
  | 'image' // an image can't be decoded or has an unusable size
  | 'argument' // a caller's value is out of its range
  | 'evaluation' // a ground-truth or result file can't be read
  | 'file'; // a file or folder can't be read or written

/**
 * Every error that panpp raises on purpose: one line that says what failed, for which input, and
 * what to do.
 */
export class PanppError extends Error {
  /** `PanppError`. */
  override readonly name = 'PanppError';

  constructor(
    /** What kind of thing failed. */
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
