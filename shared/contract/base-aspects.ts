/** The verbs that every node has, answered from its contract and its marks. A node may bring its own instead. */
import { NextCursor, orderBy } from './pages.ts'
import { z } from 'zod'
import { hasAffordance } from '../agentese/affordances.ts'
import { capabilitiesOf } from '../agentese/capabilities.ts'
import { readableMarks } from './visibility.ts'
import { Failure } from '../failures.ts'
import { aspectsOf } from './find-aspect.ts'
import { readExample } from './examples.ts'
import { aspect, NoInput, permissionOf, type AnyAspect, type NodeContract } from './aspect.ts'
import { inputSchemaOf } from './schemas.ts'

/** Sibling verbs that `alternatives` names at most. */
const MAX_ALTERNATIVES = 5

export function baseAspects(node: string, contract: NodeContract): Record<string, AnyAspect> {
  const base: Record<string, AnyAspect> = {
    witness: witnessOf(node),
    affordances: affordancesOf(node, verbs),
    help: helpOf(node, contract.summary, verbs),
    alternatives: alternativesOf(verbs),
  }
  function verbs(): Verb[] {
    return Object.entries({ ...base, ...contract.aspects })
  }
  return base
}

type Verb = [verb: string, aspect: AnyAspect]

const MarkSummary = z.strictObject({
  mark: z.uuid(),
  path: z.string(),
  outcome: z.enum(['success', 'failure', 'refusal']),
  code: z.string().nullable(),
  archetype: z.string(),
  at: z.string(),
})

interface MarkRow {
  id: string
  path: string
  outcome: 'success' | 'failure' | 'refusal'
  code: string | null
  archetype: string
  at: Date
}

const NEWEST_FIRST = orderBy({ at: 'timestamptz', id: 'uuid' }, 'desc')

const HistoryPage = z.strictObject({
  limit: z.int().min(1).max(100).default(10),
  cursor: NEWEST_FIRST.Cursor.optional(),
})

const History = z.strictObject({
  handle: z.string(),
  history: z.array(MarkSummary),
  next_cursor: NextCursor,
})

function witnessOf(node: string): AnyAspect {
  return aspect({
    category: 'P',
    archetypes: 'all',
    summary: 'What was done here, newest first',
    effects: ['reads:trace'],
    input: HistoryPage,
    output: History,
    examples: [{ summary: 'The last three calls', input: { limit: 3 } }],
    async handle(bounds, { db, identity, holon }) {
      const handle = node.replace('*', holon)
      const marks = db<MarkRow[]>`
        select id, path, outcome, code, archetype, at from marks
        where node = ${handle} and ${readableMarks(db, identity)}`
      const { page, next_cursor } = await NEWEST_FIRST.readPage(db, marks, bounds)
      return {
        handle,
        history: page.map(({ id, at, ...rest }) => ({ mark: id, ...rest, at: at.toISOString() })),
        next_cursor,
      }
    },
  })
}

const VerbSummary = z.strictObject({ aspect: z.string(), category: z.string(), summary: z.string() })

const Affordances = z.strictObject({
  archetype: z.string(),
  capabilities: z.array(z.string()),
  affordances: z.array(VerbSummary),
})

function affordancesOf(node: string, verbs: () => Verb[]): AnyAspect {
  return aspect({
    category: 'I',
    archetypes: 'all',
    summary: 'The verbs that this observer has here',
    effects: [],
    needs: ['catalog'],
    input: NoInput,
    output: Affordances,
    examples: [{ summary: 'What can I do here?', input: {} }],
    async handle(_input, { observer, identity, db, catalog }) {
      const capabilities = await capabilitiesOf(db, identity, async () => aspectsOf(await catalog()))
      const looking = { archetype: observer.archetype, capabilities }
      const allowed = verbs().filter(([verb, { archetypes }]) =>
        hasAffordance(looking, { node, verb, archetypes }),
      )
      return { ...looking, affordances: allowed.map(describe) }
    },
  })
}

const AboutVerb = z.strictObject({ aspect: z.string().max(64).optional() })

const Help = z.strictObject({
  node: z.string(),
  summary: z.string(),
  verbs: z.array(VerbSummary),
  usage: z
    .strictObject({
      path: z.string(),
      effects: z.array(z.string()),
      permission: z.string().nullable(),
      input: z.record(z.string(), z.unknown()),
      examples: z.array(z.strictObject({ summary: z.string(), input: z.record(z.string(), z.unknown()) })),
    })
    .optional(),
})

function helpOf(node: string, summary: string, verbs: () => Verb[]): AnyAspect {
  return aspect({
    category: 'I',
    archetypes: 'all',
    summary: 'What this node is, and how one of its verbs is used',
    effects: [],
    guests: true,
    input: AboutVerb,
    output: Help,
    examples: [{ summary: 'How do I use this node?', input: {} }],
    handle({ aspect: verb }, { holon }) {
      const handle = node.replace('*', holon)
      const about = { node: handle, summary, verbs: verbs().map(describe) }
      return verb === undefined ? about : { ...about, usage: usageOf(handle, verb, verbs()) }
    },
  })
}

function usageOf(handle: string, verb: string, verbs: Verb[]) {
  const found = verbs.find(([name]) => name === verb)?.[1]
  if (found === undefined) {
    throw new Failure('NODE_NOT_REGISTERED', `Cannot explain "${handle}.${verb}": there is no such verb`, {
      available: verbs.map(([name]) => name),
    })
  }
  return {
    path: `${handle}.${verb}`,
    effects: [...found.effects],
    permission: permissionOf(found) ?? null,
    input: { ...inputSchemaOf(found) },
    examples: found.examples.map(readExample).map(({ summary, input }) => ({ summary, input })),
  }
}

const InsteadOf = z.strictObject({ aspect: z.string().max(64) })

const Alternatives = z.strictObject({ alternatives: z.array(VerbSummary).max(MAX_ALTERNATIVES) })

function alternativesOf(verbs: () => Verb[]): AnyAspect {
  return aspect({
    category: 'I',
    archetypes: 'all',
    summary: 'Other verbs of this node, those of the same kind first',
    effects: [],
    guests: true,
    input: InsteadOf,
    output: Alternatives,
    examples: [{ summary: 'What could I do instead?', input: { aspect: 'manifest' } }],
    handle({ aspect: verb }) {
      const category = verbs().find(([name]) => name === verb)?.[1].category
      const others = verbs().filter(([name]) => name !== verb)
      const kin = ([, each]: Verb) => (each.category === category ? 0 : 1)
      return {
        alternatives: others
          .toSorted((a, b) => kin(a) - kin(b))
          .slice(0, MAX_ALTERNATIVES)
          .map(describe),
      }
    },
  })
}

function describe([verb, { category, summary }]: Verb) {
  return { aspect: verb, category, summary }
}
