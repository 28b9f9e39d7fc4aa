// onnxruntime compiled to WebAssembly: the same CPU provider as the native package, without that
// package's 300 MB and install script.
export { InferenceSession, Tensor } from 'onnxruntime-web';
export type { Tensor as OnnxTensor } from 'onnxruntime-web';
