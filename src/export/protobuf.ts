// Writes the subset of Protocol Buffers that a model needs: non-negative integers, strings, bytes
// and nested messages.
// Source: protobuf.dev/programming-guides/encoding

const varint = 0;
const lengthPrefixed = 2;

const utf8 = new TextEncoder();

/** A message under construction. Bytes are kept by reference and copied once, by `finish`. */
export class Message {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  int(field: number, value: number): this {
    return this.#varint(field * 8 + varint).#varint(value);
  }

  text(field: number, value: string): this {
    return this.bytes(field, utf8.encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#varint(field * 8 + lengthPrefixed)
      .#varint(value.length)
      .#push(value);
  }

  /** Adds the current content of a message; later additions to that message have no effect. */
  message(field: number, value: Message): this {
    this.#varint(field * 8 + lengthPrefixed).#varint(value.#length);
    for (const chunk of value.#chunks) this.#push(chunk);
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    const result = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      result.set(chunk, at);
      at += chunk.length;
    }
    return result;
  }

  // 7 bits per byte, lowest first.
  #varint(value: number): this {
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
    return this.#push(Uint8Array.from(bytes));
  }

  #push(bytes: Uint8Array): this {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    return this;
  }
}
