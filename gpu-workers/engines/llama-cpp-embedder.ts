/**
 * An embedding model in this very process. A text that is longer than the model can read is embedded piece by piece,
 * and its vector is the mean of theirs: what stands at its end can be found as well.
 */
import type { Llama, LlamaEmbeddingContext, LlamaModel, Token } from 'node-llama-cpp'
import { EngineFailure, type Embeddings, type EmbedOptions } from './engine.ts'

/** A piece is never longer, whatever the model can read: one vector cannot hold much more, and memory grows by the square. */
const MAX_PIECE_TOKENS = 2048
/** Of the context: the marks at the beginning and at the end, and one that the library keeps free. */
const RESERVED_TOKENS = 3

export interface Embedder {
  embed(texts: readonly string[], options: EmbedOptions): Promise<Embeddings>
}

/** Loads the model and embeds one word with it. */
export async function openEmbedder(llama: Llama, modelPath: string, threads: number): Promise<Embedder> {
  const model = await llama.loadModel({ modelPath })
  const contextSize = Math.min(MAX_PIECE_TOKENS, model.trainContextSize ?? Infinity)
  // Every piece must fit in one batch: its tokens attend to each other in both directions.
  const context = await model.createEmbeddingContext({ contextSize, batchSize: contextSize, threads })
  const embedder = new LlamaCppEmbedder(model, context, contextSize - RESERVED_TOKENS)
  await embedder.embed(['Hi'], { signal: AbortSignal.timeout(60_000) })
  return embedder
}

class LlamaCppEmbedder implements Embedder {
  readonly #model: LlamaModel
  readonly #context: LlamaEmbeddingContext
  readonly #pieceTokens: number

  constructor(model: LlamaModel, context: LlamaEmbeddingContext, pieceTokens: number) {
    this.#model = model
    this.#context = context
    this.#pieceTokens = pieceTokens
  }

  async embed(texts: readonly string[], options: EmbedOptions): Promise<Embeddings> {
    const vectors: Float32Array[] = []
    let tokens = 0
    for (const text of texts) {
      const pieces = this.#cut(text)
      vectors.push(await this.#embedPieces(pieces, options))
      for (const piece of pieces) tokens += this.#context.calculateInputLength(piece)
    }
    return { vectors, tokens, model: nameOf(this.#model) }
  }

  async #embedPieces(
    pieces: readonly Token[][],
    { signal, onProgress }: EmbedOptions,
  ): Promise<Float32Array> {
    let sum = new Float32Array()
    for (const piece of pieces) {
      signal.throwIfAborted()
      const { vector } = await this.#context.getEmbeddingFor(piece).catch((error: unknown) => {
        throw new EngineFailure('Cannot embed the texts: llama.cpp failed', { retry: true, cause: error })
      })
      onProgress?.()
      sum = Float32Array.from(vector, (value, index) => (sum[index] ?? 0) + value * piece.length)
    }
    signal.throwIfAborted()
    return sum
  }

  /** Of a blank text no token is left, and it shall have a vector all the same. */
  #cut(text: string): Token[][] {
    const tokens = this.#model.tokenize(text)
    const rest = tokens.length > 0 ? tokens : this.#model.tokenize('.')
    const pieces = Math.ceil(rest.length / this.#pieceTokens)
    return Array.from({ length: pieces }, (_, at) =>
      rest.slice(at * this.#pieceTokens, (at + 1) * this.#pieceTokens),
    )
  }
}

export function nameOf(model: LlamaModel): string {
  return model.fileInfo.metadata.general.name ?? model.filename ?? 'unknown'
}
