declare module '*.wgsl' {
  const source: import('./wgsl/assemble.js').Source;
  export default source;
}
