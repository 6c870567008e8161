import * as core from '@tensorflow/tfjs-core';

/**
 * Largest disagreement between the gradient that tfjs gives and central differences, relative to the
 * largest gradient.
 *
 * @param loss scalar of the variable; must be smooth within `step` of `at`
 * @param elements how many elements to compare, spread evenly; all when not given
 * @param step half the width of a difference; 1e-2 suits float32 and losses that are at most quadratic
 */
export async function gradientError(
  loss: (x: core.Tensor) => core.Tensor,
  at: core.Tensor,
  elements = at.size,
  step = 1e-2,
): Promise<number> {
  const gradient = core.tidy(() => core.grad((x) => core.reshape(loss(x), []))(at));
  const analytic = Float32Array.from(await gradient.data());
  gradient.dispose();
  const values = Float32Array.from(await at.data());
  // Read asynchronously: WebGPU under Node has no synchronous way.
  const valueAt = async (): Promise<number> => {
    const value = core.tidy(() => loss(core.tensor(values, at.shape)));
    const [number = Number.NaN] = await value.data();
    value.dispose();
    return number;
  };
  const largest = analytic.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let worst = 0;
  const stride = Math.max(1, Math.ceil(values.length / elements));
  for (let i = 0; i < values.length; i += stride) {
    const original = values[i] as number;
    values[i] = original + step;
    const above = await valueAt();
    values[i] = original - step;
    const below = await valueAt();
    values[i] = original;
    worst = Math.max(worst, Math.abs((above - below) / (2 * step) - (analytic[i] as number)));
  }
  return worst / Math.max(largest, 1e-6);
}
