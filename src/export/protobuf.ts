// The part of Protocol Buffers that writing a model needs: whole numbers that are not negative,
// texts, bytes, messages within messages.
// Source: protobuf.dev/programming-guides/encoding

const varint = 0;
const lengthPrefixed = 2;

const utf8 = new TextEncoder();

/** A message under construction. Bytes are kept as they are given and copied once, by `finish`. */
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

  /** Adds a message as it is now; what is added to that one later is not seen. */
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

  // Seven bits at a time, lowest first.
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
