import { EngineFailure } from './engines/engine.ts'

/** The vector of length one in the same direction: of two of these the product is the cosine. */
export function toUnitLength(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector)
  // What a broken graphics driver computes, and what no index can store.
  if (!(length > 0 && length < Infinity)) {
    throw new EngineFailure('Cannot embed the texts: the model gave a vector without a direction', {
      retry: true,
    })
  }
  return vector.map((value) => value / length)
}
