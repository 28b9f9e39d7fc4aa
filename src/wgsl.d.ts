declare module '*.wgsl' {
  const source: import('./wgsl/source.js').Source;
  export default source;
}
