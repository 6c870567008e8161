import * as core from '@tensorflow/tfjs-core';
import { type ConvShape, convFilterGradient, convInputGradient } from './conv.js';
import { depthwiseFilterGradient, depthwiseInputGradient } from './depthwise.js';

type Pair = [number, number];
type Triple = [number, number, number];
type Padding = 'valid' | 'same' | number | core.backend_util.ExplicitPadding;
type Attributes = {
  strides: number | Pair;
  dilations?: number | Pair;
  pad: Padding;
  dataFormat?: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  filterShape?: number[];
  inputShape?: number[];
};
type Kernel = (inputs: Record<string, core.Tensor>, attributes: Attributes) => core.Tensor;

function shape2d(input: number[], filter: number[], attributes: Attributes, depthwise: boolean): ConvShape {
  const info = core.backend_util.computeConv2DInfo(
    input as [number, number, number, number],
    filter as [number, number, number, number],
    attributes.strides,
    attributes.dilations ?? 1,
    attributes.pad,
    attributes.dimRoundingMode,
    depthwise,
  );
  return {
    input: [info.inHeight, info.inWidth],
    filter: [info.filterHeight, info.filterWidth],
    output: [info.outHeight, info.outWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    ...zerosAround(
      [info.padInfo.top, info.padInfo.left],
      [info.inHeight, info.inWidth],
      [info.filterHeight, info.filterWidth],
      [info.outHeight, info.outWidth],
      [info.strideHeight, info.strideWidth],
      [info.dilationHeight, info.dilationWidth],
    ),
  };
}

function shape3d(input: number[], filter: number[], attributes: Attributes): ConvShape {
  const info = core.backend_util.computeConv3DInfo(
    input as [number, number, number, number, number],
    filter as [number, number, number, number, number],
    attributes.strides as number | Triple,
    (attributes.dilations ?? 1) as number | Triple,
    attributes.pad as 'valid' | 'same',
  );
  const inExtents = [info.inDepth, info.inHeight, info.inWidth];
  const filterExtents = [info.filterDepth, info.filterHeight, info.filterWidth];
  const outExtents = [info.outDepth, info.outHeight, info.outWidth];
  const strides = [info.strideDepth, info.strideHeight, info.strideWidth];
  const dilations = [info.dilationDepth, info.dilationHeight, info.dilationWidth];
  const front = [info.padInfo.front, info.padInfo.top, info.padInfo.left];
  return {
    input: inExtents,
    filter: filterExtents,
    output: outExtents,
    strides,
    dilations,
    ...zerosAround(front, inExtents, filterExtents, outExtents, strides, dilations),
  };
}

/**
 * The zeros after the input follow from those before it: just enough for the last window. Never fewer
 * than none, because a stride may leave the input's end unseen.
 */
function zerosAround(
  before: number[],
  input: number[],
  filter: number[],
  output: number[],
  strides: number[],
  dilations: number[],
): { before: number[]; after: number[] } {
  const after = before.map((zeros, axis) => {
    const lastWindow = ((output[axis] ?? 1) - 1) * (strides[axis] ?? 1);
    const reach = lastWindow + ((filter[axis] ?? 1) - 1) * (dilations[axis] ?? 1) + 1;
    return Math.max(0, reach - zeros - (input[axis] ?? 0));
  });
  return { before, after };
}

/** Runs a gradient written for channels last on tensors that may be channels first. */
function channelsLast(format: string | undefined, tensors: core.Tensor[]): core.Tensor[] {
  return format === 'NCHW' ? tensors.map((x) => core.transpose(x, [0, 2, 3, 1])) : tensors;
}

const missing2d: Record<string, Kernel> = {
  Conv2DBackpropFilter: ({ x, dy }, attributes) => {
    const [input, gradient] = channelsLast(attributes.dataFormat, [x as core.Tensor, dy as core.Tensor]);
    const shape = shape2d(
      (input as core.Tensor).shape,
      attributes.filterShape as number[],
      attributes,
      false,
    );
    return convFilterGradient(input as core.Tensor, gradient as core.Tensor, shape);
  },
  DepthwiseConv2dNativeBackpropFilter: ({ x, dy }, attributes) => {
    const input = x as core.Tensor;
    const shape = shape2d(input.shape, attributes.filterShape as number[], attributes, true);
    return depthwiseFilterGradient(input, dy as core.Tensor, shape);
  },
  DepthwiseConv2dNativeBackpropInput: ({ dy, filter }, attributes) => {
    const kernel = filter as core.Tensor;
    const shape = shape2d(attributes.inputShape as number[], kernel.shape, attributes, true);
    return depthwiseInputGradient(dy as core.Tensor, kernel, shape);
  },
};

const wrong3d: Record<string, Kernel> = {
  Conv3DBackpropFilterV2: ({ x, dy }, attributes) => {
    const input = x as core.Tensor;
    const shape = shape3d(input.shape, attributes.filterShape as number[], attributes);
    return convFilterGradient(input, dy as core.Tensor, shape);
  },
  Conv3DBackpropInputV2: ({ dy, filter }, attributes) => {
    const kernel = filter as core.Tensor;
    const shape = shape3d(attributes.inputShape as number[], kernel.shape, attributes);
    return convInputGradient(dy as core.Tensor, kernel, shape);
  },
};

function register(kernelName: string, kernel: Kernel): void {
  core.registerKernel({
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) =>
      kernel(inputs as unknown as Record<string, core.Tensor>, attrs as unknown as Attributes),
  });
}

let registered = false;

/**
 * Gives the wasm backend the gradients it lacks (2D convolution by its filter, depthwise convolution by
 * filter and input) and replaces the two of 3D convolution, which are silently wrong in tfjs 4.22.
 */
export function registerWasmGradients(): void {
  if (registered) return;
  registered = true;
  for (const [name, kernel] of Object.entries(missing2d)) {
    if (core.getKernel(name, 'wasm') === undefined) register(name, kernel);
  }
  for (const [name, kernel] of Object.entries(wrong3d)) {
    if (core.getKernel(name, 'wasm') !== undefined) core.unregisterKernel(name, 'wasm');
    register(name, kernel);
  }
}
