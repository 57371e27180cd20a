/** The verbs of `time.trace` about crystals. */
import { z } from 'zod'
import { TALKERS } from '../../../../shared/agentese/archetypes.ts'
import type { Accepted, Call, Given } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/aspect.ts'
import { NextCursor } from '../../../../shared/contract/pages.ts'
import { Failure } from '../../../../shared/failures.ts'
import { Instant } from '../../../../shared/instant.ts'
import { CONTEXT_TOKENS, crystalContext } from './crystal-context.ts'
import { Crystal, findCrystal, listCrystals, NEWEST_FIRST } from './crystal-rows.ts'
import { ESTIMATED_TOKENS, summaryRequest } from './crystal-summary.ts'
import { crystallizeMarks } from './make-crystal.ts'

const Made = z.strictObject({
  crystal: Crystal.nullable().describe('Null where there are fewer than 5 marks that are in none'),
  marks: z.int(),
})
type Made = z.infer<typeof Made>

export const crystals = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'Your crystals, newest first: what you did in a session or on a day',
  effects: ['reads:trace'],
  input: z.strictObject({
    level: z.union([z.literal(0), z.literal(1)]).optional(),
    limit: z.int().min(1).max(100).default(20),
    cursor: NEWEST_FIRST.Cursor.optional(),
  }),
  output: z.strictObject({ crystals: z.array(Crystal), next_cursor: NextCursor }),
  examples: [{ summary: 'What did I do on these days?', input: { level: 1, limit: 7 } }],
  handle: (wanted, call) => listCrystals(wanted, call),
})

export const context = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'The crystals that say most about what you did lately, as far as they fit',
  effects: ['reads:trace'],
  input: z.strictObject({ tokens: z.int().min(1).max(32_000).default(CONTEXT_TOKENS) }),
  output: z.strictObject({ crystals: z.array(Crystal), tokens: z.int() }),
  examples: [{ summary: 'For a prompt', input: {} }],
  handle: ({ tokens }, call) => crystalContext(call, { tokens }),
})

export const crystallize = aspect({
  category: 'M',
  archetypes: TALKERS,
  summary: 'Make a crystal of what you did since the last one, or have a model summarize one anew',
  effects: ['reads:trace', 'writes:trace', 'calls:llm', 'charges:tokens'],
  cost: ({ summary }) => ({ tokens: summary === 'model' ? ESTIMATED_TOKENS : 0 }),
  needs: ['inference'],
  input: z.strictObject({
    crystal: z.uuid().optional().describe('One that is there, to be summarized'),
    start: Instant.optional().describe('Marks from then on; by default, of today (UTC)'),
    end: Instant.optional(),
    summary: z.enum(['model', 'counts']).default('model'),
  }),
  output: Made,
  examples: [
    { summary: 'What I did today', input: {} },
    { summary: 'Without a model', input: { summary: 'counts', start: '2026-01-01T00:00:00Z' } },
  ],
  async handle({ crystal: wanted, start, end, summary }, call): Promise<Made | Accepted> {
    const made = wanted === undefined ? await makeNow(start, end, call) : await requireCrystal(wanted, call)
    if (made.crystal === null || summary === 'counts' || !call.hasModel()) return made
    return call.infer(summaryRequest(made.crystal), {
      as: 'crystallize',
      input: { crystal: made.crystal.id, summary },
    })
  },
  async complete({ input: { crystal = '' }, text, model }, call) {
    if (text.trim() !== '')
      await call.db`
        update crystals set summary = ${text.trim()}, model = ${model} where id = ${crystal} and user_id = ${call.identity.user}`
    return requireCrystal(crystal, call)
  },
  recover: ({ input: { crystal = '' } }, call) => requireCrystal(crystal, call),
})

async function makeNow(
  start: string | undefined,
  end: string | undefined,
  call: Given<'postgres' | 'events' | 'inference'>,
): Promise<Made> {
  const now = new Date()
  const from = start === undefined ? new Date(now.toISOString().slice(0, 10)) : new Date(start)
  const to = end === undefined ? now : new Date(end)
  const { crystal, marks } = await crystallizeMarks({ user: call.identity.user, from, to }, call)
  return crystal === undefined ? { crystal: null, marks } : requireCrystal(crystal, call)
}

/** @throws Failure NOT_FOUND, also where it is another person's */
async function requireCrystal(id: string, call: Pick<Call, 'db' | 'identity'>): Promise<Made> {
  const crystal = await findCrystal(id, call)
  if (crystal !== undefined) return { crystal, marks: crystal.counts.marks }
  throw new Failure('NOT_FOUND', `Cannot find crystal "${id}": you have none of this id`, {
    suggestion: 'time.trace.crystals lists them',
  })
}
