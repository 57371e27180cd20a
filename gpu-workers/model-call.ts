/** One call of a model, seen from outside: its span below the trace of the job, and its metrics. */
import type { Completion, JobMessage } from '../shared/inference/messages.ts'
import { chatAttributes } from '../shared/telemetry/genai-spans.ts'
import { withSpan } from '../shared/telemetry/spans.ts'
import { readTraceparent } from '../shared/telemetry/trace.ts'
import { EngineFailure, type Engine } from './engines/engine.ts'
import type { CountModelCall } from './model-metrics.ts'

/** What is said about an answer. */
type Answered = Pick<Completion, 'tokens' | 'model' | 'finishReason' | 'server'> & {
  firstAt: number
  reusedTokens?: number
}

export interface ObserveOptions {
  engine: Engine
  countModelCall: CountModelCall
  /** Completion tokens of earlier attempts, which this one goes on from. */
  tokensBefore: number
  /** The words for an error, so that they stay few. */
  nameError(error: unknown): string
}

/** Runs `call`, which asks the model what `job` wants to know. */
export function observeModelCall<A extends Answered>(
  job: JobMessage,
  options: ObserveOptions,
  call: () => Promise<A>,
): Promise<A> {
  const { engine, countModelCall, tokensBefore, nameError } = options
  const operation = 'texts' in job.request ? 'embeddings' : 'chat'
  const asked = { operation, provider: engine.name, model: operation === 'chat' ? engine.model : '' } as const
  const attributes = () => ({
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': engine.name,
    ...(asked.model === '' ? {} : { 'gen_ai.request.model': asked.model }),
    ...('texts' in job.request ? {} : chatAttributes(job.request)),
    'agentese.path': job.path,
    'agentese.tenant_id': job.tenant,
    'kgents.job': job.job,
  })
  return withSpan(
    `${operation} ${asked.model}`.trim(),
    readTraceparent(job.traceparent),
    attributes,
    async (_trace, add) => {
      const begunAt = performance.now()
      const secondsSince = (end: number) => (end - begunAt) / 1000
      try {
        const answer = await call()
        const { tokens, firstAt } = answer
        add(() => attributesOf(answer, secondsSince(firstAt)))
        countModelCall({
          ...asked,
          model: asked.model || answer.model,
          seconds: secondsSince(performance.now()),
          usage: {
            input: tokens.prompt,
            reused: answer.reusedTokens ?? 0,
            output: Math.max(0, tokens.completion - tokensBefore),
            secondsToFirstChunk: secondsSince(firstAt),
          },
        })
        return answer
      } catch (error) {
        const name = nameError(error)
        add(() => ({ 'error.type': name }))
        countModelCall({ ...asked, seconds: secondsSince(performance.now()), error: name })
        throw error
      }
    },
    'client',
  )
}

/** What went wrong, in a word. */
export function nameEngineError(error: unknown): string {
  if (!(error instanceof EngineFailure)) return '_OTHER'
  if (error.refused) return 'refused'
  return error.retry ? 'unavailable' : 'failed'
}

function attributesOf({ tokens, model, finishReason, server }: Answered, secondsToFirstChunk: number) {
  return {
    'gen_ai.response.model': model,
    'gen_ai.usage.input_tokens': tokens.prompt,
    'gen_ai.usage.output_tokens': tokens.completion,
    'gen_ai.response.time_to_first_chunk': secondsToFirstChunk,
    ...(finishReason === undefined ? {} : { 'gen_ai.response.finish_reasons': [finishReason] }),
    ...(server === undefined ? {} : { 'kgents.server': server }),
  }
}
