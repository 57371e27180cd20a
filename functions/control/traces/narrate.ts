/** What happened in a trace, in sentences: the same spans make the same words, and no model is asked. */
import { z } from 'zod'
import type { Span, TraceSpans } from './spans.ts'

export const VERBOSITIES = ['terse', 'normal', 'verbose'] as const
export type Verbosity = (typeof VERBOSITIES)[number]

export const Narrative = z.strictObject({
  id: z.string(),
  genre: z.literal('technical'),
  verbosity: z.enum(VERBOSITIES),
  sentences: z.array(z.string()),
  text: z.string().describe('All of them'),
})

/**
 * @param verbosity terse: what it has come to; normal: and each call; verbose: and what each call waited for, used and cost
 */
export function narrate(trace: TraceSpans, verbosity: Verbosity): z.infer<typeof Narrative> {
  const sentences = [
    outline(trace),
    ...(verbosity === 'terse' ? [] : sentencesOf(trace, verbosity === 'verbose')),
  ]
  return { id: trace.id, genre: 'technical', verbosity, sentences, text: sentences.join(' ') }
}

const isCall = ({ kind }: Span) => kind === 'call' || kind === 'composition'

function outline({ spans, started_at, duration_ms, charges, cost_usd }: TraceSpans): string {
  const calls = spans.filter(isCall)
  const under = calls.filter(({ status }) => status === 'queued' || status === 'running').length
  const of = (status: string) => calls.filter((call) => call.status === status).length
  const parts = [
    count(calls.length, 'call'),
    ...(of('failure') === 0 ? [] : [`${of('failure')} failed`]),
    ...(of('refusal') === 0 ? [] : [`${of('refusal')} refused`]),
    ...(under === 0 ? [] : [`${under} under way`]),
  ]
  const tokens = charges['tokens'] ?? 0
  const used = tokens === 0 ? '' : `; ${count(tokens, 'token')}, $${cost_usd}`
  return `It began at ${started_at} and took ${inWords(duration_ms)}: ${parts.join(', ')}${used}.`
}

/** Each call after the one that it is a part of, as the spans come. */
function sentencesOf({ spans, started_at, truncated }: TraceSpans, inFull: boolean): string[] {
  const nameOf = new Map(spans.map(({ id, name }) => [id, name]))
  const sentences = spans.flatMap((span) => {
    if (isCall(span))
      return [ofCall(span, nameOf.get(span.parent ?? ''), started_at), ...(inFull ? ofUse(span) : [])]
    return inFull ? [ofPhase(span)] : []
  })
  return truncated ? [...sentences, 'There is more of it than is said here.'] : sentences
}

function ofCall(span: Span, within: string | undefined, began: string): string {
  const after = inWords(Date.parse(span.started_at) - Date.parse(began))
  const place = within === undefined ? '' : ` within ${within}`
  const as = span.archetype === undefined ? '' : ` as ${span.archetype}`
  const what = span.kind === 'composition' ? 'the composition' : ''
  return `After ${after}, ${what} ${span.name} was called${place}${as}${endOf(span)}.`.replaceAll(
    / {2,}/g,
    ' ',
  )
}

const ENDINGS = {
  success: 'succeeded',
  failure: 'failed',
  refusal: 'was refused',
  queued: 'waits for a worker',
  running: 'is under way',
} as const satisfies Record<Span['status'], string>

function endOf({ status, code, duration_ms }: Span): string {
  const why = code === undefined ? '' : ` with ${code}`
  return ` and ${ENDINGS[status]}${why}${duration_ms === undefined ? '' : ` after ${inWords(duration_ms)}`}`
}

function ofUse({ tokens, model, cost_usd, charges = {} }: Span): string[] {
  const others = Object.entries(charges).filter(([resource]) => resource !== 'tokens')
  return [
    ...(tokens === undefined
      ? []
      : [
          `It used ${count(tokens.prompt, 'token')} of prompt and ${tokens.completion} of completion${
            model === undefined ? '' : ` of model ${model}`
          }${cost_usd === undefined ? '' : `, which cost $${cost_usd}`}.`,
        ]),
    ...others.map(([resource, amount]) => `It was charged ${amount} of ${resource}.`),
  ]
}

const PHASES = {
  queue: 'It waited for a worker',
  worker: 'The model worked',
  continuation: 'Its function went on',
}

function ofPhase({ kind, duration_ms }: Span): string {
  const phase = PHASES[kind as keyof typeof PHASES] // reason: calls and compositions are written by ofCall
  return duration_ms === undefined ? `${phase}, and still does.` : `${phase} for ${inWords(duration_ms)}.`
}

function count(amount: number, of: string): string {
  return `${amount} ${of}${amount === 1 ? '' : 's'}`
}

function inWords(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Number((ms / 1000).toFixed(2))} s`
}
