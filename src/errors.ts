/** The kind of error. Programs can branch on it; the message is for people. */
export type ErrorCode =
  | 'adapter' // no usable GPU adapter, or it lacks a feature or limit
  | 'device-lost' // the GPU device was lost; load the model again
  | 'shader' // a WGSL module or pipeline did not compile
  | 'disposed' // an object was used after dispose()
  | 'checkpoint' // a PyTorch or safetensors file can't be read
  | 'weights' // tensors can be read, but don't fit the expected architecture
  | 'image' // an image can't be decoded or has an unusable size
  | 'argument' // a caller's value is invalid
  | 'evaluation' // a ground-truth or result file can't be read
  | 'file'; // a file or folder can't be read or written

/**
 * Every error that panpp raises on purpose. The message is one line: what failed, for which input,
 * and what to do.
 */
export class PanppError extends Error {
  /** Always `PanppError`. */
  override readonly name = 'PanppError';

  constructor(
    /** The kind of error. */
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(onOneLine(message), options);
  }
}

/**
 * Replaces control characters and line separators with `?`. Names from files may contain them, and
 * they could forge log lines or control a terminal.
 */
export function onOneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '?');
}

/** The first line of a thrown value. Drivers add more lines, such as their own stack trace. */
export function firstLine(cause: unknown): string {
  return String(cause instanceof Error ? cause.message : cause).split('\n')[0];
}

/** Shortens a name from a file for use in a message. */
export function shortened(name: string, most = 120): string {
  return name.length > most ? `${name.slice(0, most)}…` : name;
}

/** Shortens and quotes a name or text from a file for use in a message. */
export function quoted(text: string): string {
  return JSON.stringify(shortened(text));
}
