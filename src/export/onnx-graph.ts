// Writes the onnx.proto messages of an inference graph with float32 tensors (and integer tensors
// for their sizes).
// Source: github.com/onnx/onnx, onnx/onnx.proto (field numbers) and docs/IR.md.
import { Message } from './protobuf.js';

/** Value of a node's attribute; numbers are non-negative integers. */
export type Attribute = number | string | readonly number[];

/** A fixed size, or the name of a dynamic size. */
export type Dimension = number | string;

const floatElements = 1;
const int64Elements = 7;
const attributeTypes = { int: 2, string: 3, ints: 7 } as const;

/** IR version of ONNX 1.12 (opset 17); runtimes also read all earlier versions. */
const irVersion = 8;

/** A graph under construction; nodes are in execution order. */
export class OnnxGraph {
  readonly #nodes: Message[] = [];
  readonly #constants: Message[] = [];
  readonly #inputs: Message[] = [];
  readonly #outputs: Message[] = [];

  input(name: string, shape: readonly Dimension[]): string {
    this.#inputs.push(valueInfo(name, shape));
    return name;
  }

  /** Declares a node's value as a model output. */
  output(name: string, shape: readonly Dimension[]): void {
    this.#outputs.push(valueInfo(name, shape));
  }

  /** Adds a constant tensor: floats, or int64 for sizes and positions. */
  constant(name: string, shape: readonly number[], data: Float32Array | BigInt64Array): string {
    const tensor = new Message();
    for (const size of shape) tensor.int(1, size);
    // Little-endian, like every machine with WebGPU.
    tensor
      .int(2, data instanceof Float32Array ? floatElements : int64Elements)
      .text(8, name)
      .bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.#constants.push(tensor);
    return name;
  }

  /**
   * Adds an operator with one output value, which has the node's name. '' stands for an omitted
   * optional input.
   */
  node(
    operator: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const node = new Message();
    for (const input of inputs) node.text(1, input);
    node.text(2, name).text(3, name).text(4, operator);
    for (const [key, value] of Object.entries(attributes)) node.message(5, attribute(key, value));
    this.#nodes.push(node);
    return name;
  }

  /** Returns the bytes of the model file. @param metadata key-value pairs stored in it */
  finish(
    name: string,
    opset: number,
    description: string,
    metadata: Readonly<Record<string, string>>,
  ): Uint8Array<ArrayBuffer> {
    const graph = new Message();
    for (const node of this.#nodes) graph.message(1, node);
    graph.text(2, name);
    for (const tensor of this.#constants) graph.message(5, tensor);
    for (const info of this.#inputs) graph.message(11, info);
    for (const info of this.#outputs) graph.message(12, info);
    const model = new Message()
      .int(1, irVersion)
      .text(2, 'panpp')
      .text(6, description)
      .message(7, graph);
    // The domain of the standard operators has an empty name.
    model.message(8, new Message().text(1, '').int(2, opset));
    for (const [key, value] of Object.entries(metadata))
      model.message(14, new Message().text(1, key).text(2, value));
    return model.finish();
  }
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === 'number') return message.int(3, value).int(20, attributeTypes.int);
  if (typeof value === 'string') return message.text(4, value).int(20, attributeTypes.string);
  for (const entry of value) message.int(8, entry);
  return message.int(20, attributeTypes.ints);
}

function valueInfo(name: string, dimensions: readonly Dimension[]): Message {
  const shape = new Message();
  for (const dimension of dimensions) {
    shape.message(
      1,
      typeof dimension === 'number'
        ? new Message().int(1, dimension)
        : new Message().text(2, dimension),
    );
  }
  const tensor = new Message().int(1, floatElements).message(2, shape);
  return new Message().text(1, name).message(2, new Message().message(1, tensor));
}
