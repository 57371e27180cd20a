/** Counts of marks, and the summary that follows from them: the same counts make the same words, without a model. */
import type { Inference } from '../../../../shared/contract/call.ts'
import type { Counts, Crystal } from './crystal-rows.ts'

/** Paths that a crystal counts, and those that its summary names. */
const MAX_PATHS = 20
const MAX_NAMED = 5
const MAX_SUMMARY_TOKENS = 120
/** Tokens of the prompt and the answer together. */
export const ESTIMATED_TOKENS = 500

export interface CountedMark {
  path: string
  outcome: 'success' | 'failure' | 'refusal'
  charges: Readonly<Record<string, number>>
}

export function countMarks(marks: readonly CountedMark[]): Counts {
  const of = (outcome: string) => marks.filter((mark) => mark.outcome === outcome).length
  const byPath = Map.groupBy(marks, ({ path }) => path)
  return {
    marks: marks.length,
    success: of('success'),
    failure: of('failure'),
    refusal: of('refusal'),
    tokens: marks.reduce((sum, { charges }) => sum + (charges['tokens'] ?? 0), 0),
    paths: mostFrequent([...byPath].map(([path, group]) => [path, group.length])),
  }
}

/** What several crystals count together. */
export function addCounts(all: readonly Counts[]): Counts {
  const sum = (pick: (counts: Counts) => number) => all.reduce((total, counts) => total + pick(counts), 0)
  const paths = new Map<string, number>()
  for (const counts of all)
    for (const [path, times] of Object.entries(counts.paths)) paths.set(path, (paths.get(path) ?? 0) + times)
  return {
    marks: sum(({ marks }) => marks),
    success: sum(({ success }) => success),
    failure: sum(({ failure }) => failure),
    refusal: sum(({ refusal }) => refusal),
    tokens: sum(({ tokens }) => tokens),
    paths: mostFrequent([...paths]),
  }
}

function mostFrequent(paths: readonly (readonly [path: string, times: number])[]): Record<string, number> {
  const sorted = paths.toSorted(([a, times], [b, others]) => others - times || (a < b ? -1 : 1))
  return Object.fromEntries(sorted.slice(0, MAX_PATHS))
}

/** Such as `2026-11-27 10:00 to 10:32 UTC: 12 calls, 1 failed; 120 tokens. Most of them void.entropy.sip (7).` */
export function summarize(from: Date, to: Date, counts: Counts): string {
  const { marks, failure, refusal, tokens, paths } = counts
  const [start, end] = [minuteOf(from), minuteOf(to)]
  const until = end.slice(0, 10) === start.slice(0, 10) ? end.slice(11) : end
  const wrong = [
    ...(failure === 0 ? [] : [`${failure} failed`]),
    ...(refusal === 0 ? [] : [`${refusal} refused`]),
  ]
  const calls = [`${marks} calls`, ...wrong].join(', ')
  const named = Object.entries(paths).slice(0, MAX_NAMED)
  const most = named.map(([path, times]) => `${path} (${times})`).join(', ')
  return `${start} to ${until} UTC: ${calls}; ${tokens} tokens. Most of them ${most}.`
}

function minuteOf(time: Date): string {
  return time.toISOString().slice(0, 16).replace('T', ' ')
}

/** Asks a model for a summary: it is shown counts and paths, as the crystal has them, and nothing else. */
export function summaryRequest({ level, starts_at, ends_at, counts }: Crystal): Inference {
  const facts = JSON.stringify({ from: starts_at, to: ends_at, ...counts })
  return {
    messages: [
      {
        role: 'system',
        content:
          'You summarize the record of API calls of one person in two plain sentences: what was mostly done, and what went wrong. Use the given figures only, and no others.',
      },
      { role: 'user', content: `Calls of ${level === 0 ? 'a session' : 'a day'}: ${facts}` },
    ],
    maxTokens: MAX_SUMMARY_TOKENS,
    temperature: 0,
    estimateTokens: ESTIMATED_TOKENS,
  }
}
