import * as core from '@tensorflow/tfjs-core';
import type {} from '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';

// `x.relu()` and the like. tfjs registers them from files that Node cannot import one by one, and its
// union package drags in every backend; so the methods are put on the tensor class here.
const sameArguments = [
  ...['abs', 'acos', 'acosh', 'add', 'all', 'any', 'argMax', 'argMin', 'asin', 'asinh', 'atan', 'atan2'],
  ...['atanh', 'avgPool', 'batchNorm', 'batchToSpaceND', 'broadcastTo', 'cast', 'ceil', 'clipByValue'],
  ...['conv1d', 'conv2d', 'conv2dTranspose', 'cos', 'cosh', 'cumprod', 'cumsum', 'depthToSpace'],
  ...['depthwiseConv2d', 'dilation2d', 'div', 'divNoNan', 'dot', 'elu', 'equal', 'erf', 'euclideanNorm'],
  ...['exp', 'expandDims', 'expm1', 'fft', 'floor', 'floorDiv', 'gather', 'greater', 'greaterEqual'],
  ...['ifft', 'irfft', 'isFinite', 'isInf', 'isNaN', 'leakyRelu', 'less', 'lessEqual'],
  ...['localResponseNormalization', 'log', 'log1p', 'logSigmoid', 'logSoftmax', 'logSumExp', 'logicalAnd'],
  ...['logicalNot', 'logicalOr', 'logicalXor', 'matMul', 'max', 'maxPool', 'maximum', 'mean', 'min'],
  ...['minimum', 'mirrorPad', 'mod', 'mul', 'neg', 'norm', 'notEqual', 'oneHot', 'onesLike', 'pad', 'pool'],
  ...['pow', 'prelu', 'prod', 'reciprocal', 'relu', 'relu6', 'reshape', 'resizeBilinear'],
  ...['resizeNearestNeighbor', 'reverse', 'rfft', 'round', 'rsqrt', 'selu', 'separableConv2d', 'sigmoid'],
  ...['sign', 'sin', 'sinh', 'slice', 'softmax', 'softplus', 'spaceToBatchND', 'split', 'sqrt', 'square'],
  ...['squaredDifference', 'squeeze', 'step', 'stridedSlice', 'sub', 'sum', 'tan', 'tanh', 'tile', 'topk'],
  ...['transpose', 'unique', 'unsortedSegmentSum', 'unstack', 'zerosLike'],
] as const;

type Method = (this: core.Tensor, ...rest: unknown[]) => unknown;
type Op = (...all: unknown[]) => unknown;

/** Operations that tfjs keeps in a namespace of its own. */
const elsewhere: Record<string, unknown> = {
  resizeBilinear: core.image.resizeBilinear,
  resizeNearestNeighbor: core.image.resizeNearestNeighbor,
};

function listOf(value: unknown): core.Tensor[] {
  return Array.isArray(value) ? (value as core.Tensor[]) : [value as core.Tensor];
}

const ownArguments: Record<string, Method> = {
  as1D() {
    return core.reshape(this, [this.size]);
  },
  as2D(...shape) {
    return core.reshape(this, shape as number[]);
  },
  as3D(...shape) {
    return core.reshape(this, shape as number[]);
  },
  as4D(...shape) {
    return core.reshape(this, shape as number[]);
  },
  as5D(...shape) {
    return core.reshape(this, shape as number[]);
  },
  asScalar() {
    return core.reshape(this, []);
  },
  asType(dtype) {
    return core.cast(this, dtype as core.DataType);
  },
  concat(others, axis) {
    return core.concat([this, ...listOf(others)], axis as number);
  },
  flatten() {
    return core.reshape(this, [this.size]);
  },
  reshapeAs(other) {
    return core.reshape(this, (other as core.Tensor).shape);
  },
  stack(others, axis) {
    return core.stack([this, ...listOf(others)], axis as number);
  },
  toBool() {
    return core.cast(this, 'bool');
  },
  toFloat() {
    return core.cast(this, 'float32');
  },
  toInt() {
    return core.cast(this, 'int32');
  },
  where(condition, other) {
    return core.where(condition as core.Tensor, this, other as core.Tensor);
  },
};

function define(name: string, method: Method): void {
  const prototype = core.Tensor.prototype as unknown as Record<string, unknown>;
  // Another copy of tfjs (tfjs-node brings its own) shares this class and may have been here first.
  if (prototype[name] !== undefined) return;
  prototype[name] = function (this: core.Tensor, ...rest: unknown[]) {
    // Reading `shape` of a disposed tensor works, so the check has to be explicit.
    (this as unknown as { throwIfDisposed(): void }).throwIfDisposed();
    return method.apply(this, rest);
  };
}

/** Puts the chained operations on the tensor class. Safe to call more than once. */
export function registerChainedOps(): void {
  const ops = core as unknown as Record<string, Op>;
  for (const name of sameArguments) {
    const op = (elsewhere[name] ?? ops[name]) as Op;
    define(name, function (...rest) {
      return op(this, ...rest);
    });
  }
  for (const [name, method] of Object.entries(ownArguments)) define(name, method);
}
