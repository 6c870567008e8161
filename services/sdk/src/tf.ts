// The whole of tfjs as one namespace. Only core and layers: each backend is loaded by `useBackend`.

export * from '@tensorflow/tfjs-core';
export * from '@tensorflow/tfjs-layers';
