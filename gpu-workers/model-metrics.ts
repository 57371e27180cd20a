/**
 * Calls of models, under the names of OpenTelemetry's conventions for generative AI (v0.1.0) as Prometheus writes them:
 * `gen_ai.client.inference.duration` in seconds is `gen_ai_client_inference_duration_seconds`.
 */
import type { Registry } from '../shared/telemetry/metrics.ts'

export interface ModelCall {
  operation: 'chat' | 'embeddings'
  /** The kind of engine. */
  provider: string
  /** The model that was asked for; empty where only the answer names it. */
  model: string
  seconds: number
  /** Of a call that went well. */
  usage?: { input: number; reused: number; output: number; secondsToFirstChunk: number }
  /** Why it did not; few words, each of them known. */
  error?: string
}

export type CountModelCall = (call: ModelCall) => void

/** As the conventions ask for. */
const SECONDS = Array.from({ length: 14 }, (_, power) => 2 ** power / 100)

const TOKENS_PER_SECOND = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

const LABELS = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model']

/** Creates the metrics in `registry`, and what counts a call in them. */
export function createModelMetrics({ counter, histogram }: Registry): CountModelCall {
  const durations = {
    chat: histogram('gen_ai_client_inference_duration_seconds', 'Duration of calls for text', SECONDS, [
      ...LABELS,
      'error_type',
    ]),
    embeddings: histogram(
      'gen_ai_client_embeddings_duration_seconds',
      'Duration of calls for vectors',
      SECONDS,
      [...LABELS, 'error_type'],
    ),
  }
  const firstChunk = histogram(
    'gen_ai_client_inference_time_to_first_chunk_seconds',
    'Time until the first text',
    SECONDS,
    LABELS,
  )
  const input = counter('gen_ai_client_inference_usage_input_tokens_total', 'Tokens that models read', LABELS)
  const output = counter(
    'gen_ai_client_inference_usage_output_tokens_total',
    'Tokens that models wrote',
    LABELS,
  )
  const reused = counter(
    'kgents_worker_reused_input_tokens_total',
    'Tokens of prompts that had been read for an earlier request',
    LABELS,
  )
  const speed = histogram(
    'kgents_worker_output_tokens_per_second',
    'Tokens of an answer for each second from the first to the last',
    TOKENS_PER_SECOND,
    LABELS,
  )
  return ({ operation, provider, model, seconds, usage, error }) => {
    const labels = {
      gen_ai_operation_name: operation,
      gen_ai_provider_name: provider,
      gen_ai_request_model: model,
    }
    durations[operation].observe(error === undefined ? labels : { ...labels, error_type: error }, seconds)
    if (usage === undefined) return
    input.inc(labels, usage.input)
    output.inc(labels, usage.output)
    reused.inc(labels, usage.reused)
    if (operation === 'embeddings') return
    firstChunk.observe(labels, usage.secondsToFirstChunk)
    const rest = seconds - usage.secondsToFirstChunk
    if (usage.output > 1 && rest > 0) speed.observe(labels, (usage.output - 1) / rest)
  }
}
