import * as core from '@tensorflow/tfjs-core';

/**
 * Runs `work` and disposes every tensor and variable it made and left over: those in no other scope, those
 * kept (an optimiser of tfjs keeps its learning rate), and those of models. A warm worker would otherwise
 * grow with every task. What was made before, such as tensors of a module, stays.
 */
export async function inTensorScope<T>(work: () => Promise<T>): Promise<T> {
  const engine = core.engine();
  const earlier = new Set(Object.values(engine.registeredVariables));
  const kept = new Set<core.Tensor>();
  const keep = engine.keep;
  engine.keep = <K extends core.Tensor>(tensor: K): K => {
    kept.add(tensor);
    return keep.call(engine, tensor) as K;
  };
  engine.startScope('task');
  try {
    return await work();
  } finally {
    engine.keep = keep;
    engine.endScope();
    for (const variable of Object.values(engine.registeredVariables)) {
      if (!earlier.has(variable)) variable.dispose();
    }
    for (const tensor of kept) tensor.dispose();
  }
}
