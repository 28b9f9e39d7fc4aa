// onnxruntime without its telemetry: from version 1.29 on it reports to its makers by default, unless told otherwise
// before it is loaded.
process.env.ORT_DISABLE_TELEMETRY = '1';

const onnxruntime = await import('onnxruntime-node');

export const { InferenceSession, Tensor } = onnxruntime;
export type { InferenceSession as Session, Tensor as OnnxTensor } from 'onnxruntime-node';
