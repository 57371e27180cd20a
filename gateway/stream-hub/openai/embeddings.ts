/** `POST /v1/embeddings`, by `world.model.embed`. */
import { z } from 'zod'
import { Failure } from '../../../shared/failures.ts'
import { TokenUsage } from '../../../shared/inference/messages.ts'
import { decodeVector } from '../../../shared/inference/vectors.ts'
import { Ignored, optional, unsupported } from './read-request.ts'

const Texts = z.union([z.string().transform((one) => [one]), z.array(z.string())], {
  error: 'is neither text nor a list of texts; lists of tokens are not supported here',
})

export const EmbeddingRequest = z
  .strictObject({
    model: z.string().min(1),
    input: Texts.pipe(z.array(z.string().min(1).max(20_000)).min(1).max(64)),
    encoding_format: optional(z.enum(['float', 'base64'])),
    dimensions: unsupported(),
    user: Ignored,
  })
  .transform(({ model, input, encoding_format = 'float' }) => ({
    model,
    form: encoding_format,
    input: { texts: input, model, encoding: 'base64' as const },
  }))
export type EmbeddingRequest = z.output<typeof EmbeddingRequest>

const Embedded = z.object({ vectors: z.array(z.string().nullable()), tokens: TokenUsage, model: z.string() })

/** @throws Failure INFERENCE_REFUSED for a text that the model cannot read */
export function embeddings({ model, form }: EmbeddingRequest, result: unknown) {
  const { vectors, tokens } = Embedded.parse(result)
  return {
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: write(vector, index, form),
    })),
    model,
    usage: { prompt_tokens: tokens.prompt, total_tokens: tokens.prompt },
  }
}

function write(vector: string | null, index: number, form: EmbeddingRequest['form']) {
  if (vector !== null) return form === 'base64' ? vector : Array.from(decodeVector(vector))
  throw new Failure('INFERENCE_REFUSED', `Cannot embed input ${index}: the model does not know its script`, {
    details: { param: `input.${index}` },
  })
}
