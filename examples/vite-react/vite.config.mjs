export default {
  // JSX without a plugin; add @vitejs/plugin-react for fast refresh.
  esbuild: { jsx: 'automatic' },
  // `top-level await` and WebGPU: browsers that have it understand es2022.
  build: { target: 'es2022' },
};
