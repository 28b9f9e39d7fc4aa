// onnxruntime compiled to WebAssembly: the CPU provider of the native package, without that one's
// 300 MB and install script.
export { InferenceSession, Tensor } from 'onnxruntime-web';
export type { Tensor as OnnxTensor } from 'onnxruntime-web';
