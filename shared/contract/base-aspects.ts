/** The verbs that every node has, answered from its contract and its marks. A node may bring its own instead. */
import { z } from 'zod'
import { hasAffordance } from '../agentese/affordances.ts'
import { capabilitiesOf } from '../agentese/capabilities.ts'
import { CATEGORIES } from '../agentese/category.ts'
import { Failure } from '../failures.ts'
import { readExample } from './examples.ts'
import { aspect, NoInput, type AnyAspect, type NodeContract } from './aspect.ts'
import { inputSchemaOf } from './schemas.ts'

/** Sibling verbs that `alternatives` names at most. */
const MOST_ALTERNATIVES = 5

export function baseAspects(node: string, contract: NodeContract): Record<string, AnyAspect> {
  return {
    witness: witnessOf(node),
    affordances: affordancesOf(node, contract),
    help: helpOf(node, contract),
    alternatives: alternativesOf(node, contract),
  }
}

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

function witnessOf(node: string): AnyAspect {
  return aspect({
    category: 'P',
    summary: 'What was done here, newest first',
    effects: ['reads:trace'],
    input: z.strictObject({
      limit: z.int().min(1).max(100).default(10),
      cursor: z.uuid().optional(),
    }),
    output: z.strictObject({
      handle: z.string(),
      history: z.array(MarkSummary),
      next_cursor: z.uuid().nullable(),
    }),
    examples: [{ summary: 'The last three calls', input: { limit: 3 } }],
    async handle({ limit, cursor = null }, { db, holon }) {
      const handle = node.replace('*', holon)
      const rows = await db<MarkRow[]>`
        select id, path, outcome, code, archetype, at from marks
        where node = ${handle}
          and (${cursor}::uuid is null or (at, id) < (select at, id from marks where id = ${cursor}))
        order by at desc, id desc limit ${limit + 1}`
      const page = rows.slice(0, limit)
      return {
        handle,
        history: page.map(({ id, at, ...rest }) => ({ mark: id, ...rest, at: at.toISOString() })),
        next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
      }
    },
  })
}

const Verb = z.strictObject({ aspect: z.string(), category: z.string(), summary: z.string() })

function affordancesOf(node: string, contract: NodeContract): AnyAspect {
  return aspect({
    category: 'I',
    summary: 'The verbs that this observer has here',
    effects: [],
    input: NoInput,
    output: z.strictObject({
      archetype: z.string(),
      capabilities: z.array(z.string()),
      affordances: z.array(Verb),
    }),
    examples: [{ summary: 'What can I do here?', input: {} }],
    async handle(_input, { observer, identity, db }) {
      const capabilities = await capabilitiesOf(db, identity)
      const looking = { archetype: observer.archetype, capabilities }
      const verbs = verbsOf(node, contract).filter(([verb]) => hasAffordance(looking, node, verb))
      return { ...looking, affordances: verbs.map(describe) }
    },
  })
}

function helpOf(node: string, contract: NodeContract): AnyAspect {
  return aspect({
    category: 'I',
    summary: 'What this node is, and how one of its verbs is used',
    effects: [],
    guests: true,
    input: z.strictObject({ aspect: z.string().max(64).optional() }),
    output: z.strictObject({
      node: z.string(),
      summary: z.string(),
      verbs: z.array(Verb),
      usage: z
        .strictObject({
          path: z.string(),
          effects: z.array(z.string()),
          permission: z.string(),
          input: z.record(z.string(), z.unknown()),
          examples: z.array(
            z.strictObject({ summary: z.string(), input: z.record(z.string(), z.unknown()) }),
          ),
        })
        .optional(),
    }),
    examples: [{ summary: 'How do I use this node?', input: {} }],
    handle({ aspect: verb }, { holon }) {
      const handle = node.replace('*', holon)
      const about = { node: handle, summary: contract.summary, verbs: verbsOf(node, contract).map(describe) }
      return verb === undefined ? about : { ...about, usage: usageOf(handle, verb, node, contract) }
    },
  })
}

function usageOf(handle: string, verb: string, node: string, contract: NodeContract) {
  const found = verbsOf(node, contract).find(([name]) => name === verb)?.[1]
  if (found === undefined) {
    throw new Failure('NODE_NOT_REGISTERED', `Cannot explain "${handle}.${verb}": there is no such verb`, {
      available: verbsOf(node, contract).map(([name]) => name),
    })
  }
  return {
    path: `${handle}.${verb}`,
    effects: [...found.effects],
    permission: found.permission ?? CATEGORIES[found.category].permission,
    input: { ...inputSchemaOf(found) },
    examples: found.examples.map(readExample).map(({ summary, input }) => ({ summary, input })),
  }
}

function alternativesOf(node: string, contract: NodeContract): AnyAspect {
  return aspect({
    category: 'I',
    summary: 'Other verbs of this node, those of the same kind first',
    effects: [],
    guests: true,
    input: z.strictObject({ aspect: z.string().max(64) }),
    output: z.strictObject({ alternatives: z.array(Verb).max(MOST_ALTERNATIVES) }),
    examples: [{ summary: 'What could I do instead?', input: { aspect: 'manifest' } }],
    handle({ aspect: verb }) {
      const verbs = verbsOf(node, contract)
      const category = verbs.find(([name]) => name === verb)?.[1].category
      const others = verbs.filter(([name]) => name !== verb)
      const kin = ([, each]: [string, AnyAspect]) => (each.category === category ? 0 : 1)
      return {
        alternatives: others
          .toSorted((a, b) => kin(a) - kin(b))
          .slice(0, MOST_ALTERNATIVES)
          .map(describe),
      }
    },
  })
}

function verbsOf(node: string, contract: NodeContract): [verb: string, aspect: AnyAspect][] {
  return Object.entries({ ...baseAspects(node, contract), ...contract.aspects })
}

function describe([verb, { category, summary }]: [string, AnyAspect]) {
  return { aspect: verb, category, summary }
}
