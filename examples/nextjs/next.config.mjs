// Dawn's binary and the weights are found beside their packages, so these stay outside the bundle.
export default { serverExternalPackages: ['panpp', 'webgpu'] };
