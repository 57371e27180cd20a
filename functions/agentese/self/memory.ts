/**
 * `self.memory`: what a person wants to be remembered. Each has its own, and nobody else sees it, admins included.
 *
 * A memory is found by its words at once, and by its meaning when a model has embedded it, which happens in the
 * background. Recalling looks and changes nothing, so it does not strengthen what it finds; `reinforce` does, and so does
 * `consolidate` with everything that was recalled before.
 */
import { z } from 'zod'
import { Memory } from '../../../shared/agentese/manifest/payloads.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { jsonObject } from '../../../shared/contract/json-object.ts'
import { Failure, Refusal } from '../../../shared/failures.ts'
import { newId } from '../../../shared/new-id.ts'
import { countEntries, hideEntries, putEntry } from '../../../shared/recall/entries.ts'
import { indexAspect, keepIndexing } from '../../../shared/recall/indexing.ts'
import { COMPOST_DAYS, consolidate, isConsolidating, lastConsolidation } from './memory/consolidation.ts'
import { ENGRAM, recallAspect } from './memory/recall.ts'
import {
  countOfTenant,
  findMemory,
  Lifecycle,
  listMemories,
  MEMORIES,
  MemoryView,
  MOST_MEMORIES,
  strengthen,
  Tag,
  Tags,
  viewOf,
} from './memory/rows.ts'
import { summaryOf, textOfResult } from './memory/text.ts'

const LONGEST_CONTENT = 20_000
/** Bytes of JSON. */
const LARGEST_METADATA = 8192
/** Checkpoints that are kept; the oldest make room. */
const MOST_CHECKPOINTS = 100

const Metadata = jsonObject(LARGEST_METADATA)

/** One memory, by its id or by the result of the stage before. */
const OneMemory = {
  id: z.uuid().optional(),
  input: z.looseObject({ crystal_id: z.uuid().optional(), id: z.uuid().optional() }).optional(),
}
interface NamesMemory {
  id?: string | undefined
  input?: { crystal_id?: string | undefined; id?: string | undefined } | undefined
}
const namesOne = ({ id, input }: NamesMemory) => (id ?? input?.crystal_id ?? input?.id) !== undefined
const idOf = ({ id, input }: NamesMemory) => id ?? input?.crystal_id ?? input?.id ?? ''

const Page = { limit: z.int().min(1).max(100).default(10), cursor: z.uuid().optional() }
const Listed = z.strictObject({ memories: z.array(MemoryView), next_cursor: z.uuid().nullable() })

const ITS_ID = { id: { $from: 'given.0.result.crystal_id' } }

export const selfMemory = defineNode('self.memory', {
  summary: 'What you want to be remembered, found again by words and by meaning',
  aspects: {
    manifest: aspect({
      category: 'P',
      summary: 'How much you remember',
      effects: ['reads:memory'],
      input: NoInput,
      output: Memory,
      examples: [{ summary: 'How full is my memory?', input: {} }],
      async handle(_input, call) {
        const { db, identity } = call
        const since = await lastConsolidation(call)
        const [counts] = await db<{ all: number; readable: number; consolidated: number }[]>`
          select count(*)::int as all,
            count(*) filter (where lifecycle <> 'composting')::int as readable,
            count(*) filter (where lifecycle <> 'composting' and captured_at <= ${since})::int as consolidated
          from memories where user_id = ${identity.user}`
        const checkpoints = await db<{ label: string }[]>`
          select label from memory_checkpoints where user_id = ${identity.user} order by at desc, id desc limit 20`
        const { all, readable, consolidated } = counts ?? { all: 0, readable: 0, consolidated: 0 }
        return {
          type: 'memory' as const,
          memory_count: readable,
          consolidated,
          temporary: readable - consolidated,
          checkpoints: checkpoints.map(({ label }) => label),
          last_consolidation: since.getTime() === 0 ? null : since.toISOString(),
          capacity_used: all / MOST_MEMORIES,
        }
      },
    }),

    status: aspect({
      category: 'P',
      summary: 'How your memories are, and how many can be found by meaning',
      effects: ['reads:memory'],
      input: NoInput,
      output: z.strictObject({
        lifecycle: z.record(Lifecycle, z.int().min(0)),
        cherished: z.int().min(0),
        average_resolution: z.number().min(0).max(1).nullable(),
        average_relevance: z.number().min(0).max(1).nullable(),
        embedded: z.int().min(0),
        waiting: z.int().min(0),
        is_consolidating: z.boolean(),
      }),
      examples: [{ summary: 'Are all of them embedded?', input: {} }],
      async handle(_input, call) {
        const { db, identity } = call
        const rows = await db<
          {
            lifecycle: z.infer<typeof Lifecycle>
            count: number
            cherished: number
            resolution: number
            relevance: number
          }[]
        >`
          select lifecycle, count(*)::int as count, count(*) filter (where cherished)::int as cherished,
            sum(resolution)::float8 as resolution, sum(relevance_now(m))::float8 as relevance
          from memories m where user_id = ${identity.user} group by lifecycle`
        const countOf = (wanted: string) => rows.find(({ lifecycle }) => lifecycle === wanted)?.count ?? 0
        const readable = rows.filter(({ lifecycle }) => lifecycle !== 'composting')
        const averageOf = (of: 'resolution' | 'relevance') => {
          const count = sum(readable.map((row) => row.count))
          return count === 0 ? null : Math.min(1, sum(readable.map((row) => row[of])) / count)
        }
        return {
          lifecycle: {
            active: countOf('active'),
            dormant: countOf('dormant'),
            dreaming: countOf('dreaming'),
            composting: countOf('composting'),
          },
          cherished: sum(rows.map((row) => row.cherished)),
          average_resolution: averageOf('resolution'),
          average_relevance: averageOf('relevance'),
          ...(await countEntries(db, MEMORIES, identity.user)),
          is_consolidating: await isConsolidating(call),
        }
      },
    }),

    engram: aspect({
      category: 'M',
      summary: 'Remember something; it is embedded in the background',
      effects: ['writes:memory_crystals', 'calls:embedder', 'charges:tokens'],
      cost: () => ({ tokens: 50 }),
      input: z
        .strictObject({
          content: z.string().trim().min(1).max(LONGEST_CONTENT).optional(),
          /** The result of the stage before, where no content is given. */
          input: z.unknown().optional(),
          tags: Tags.default([]),
          source_type: z.string().trim().min(1).max(64).default('experience'),
          source_ref: z.string().max(500).optional(),
          metadata: Metadata.default({}),
          /** The memory that this one comes from. */
          causal_parent: z.uuid().optional(),
        })
        .refine(({ content, input }) => contentOf(content, input) !== '', 'say what is to be remembered'),
      output: z.strictObject({
        crystal_id: z.uuid(),
        summary: z.string(),
        /** Whether it can be found by its meaning already. */
        has_embedding: z.boolean(),
        captured_at: z.string(),
      }),
      examples: [{ summary: 'Something that happened', input: ENGRAM.input }],
      async handle({ content: given, input, causal_parent, source_ref, ...rest }, call) {
        const { db, identity } = call
        const content = contentOf(given, input)
        await checkRoom(call)
        if (causal_parent !== undefined) await findMemory(call, causal_parent)
        const id = newId()
        const tags = [...new Set(rest.tags)]
        const [row] = await db<{ captured_at: Date }[]>`
          insert into memories (id, tenant_id, user_id, content, tags, source_type, source_ref, metadata, causal_parent)
          values (${id}, ${identity.tenant}, ${identity.user}, ${content}, ${db.json(tags)}, ${rest.source_type},
                  ${source_ref ?? null}, ${db.json(rest.metadata as never)}, ${causal_parent ?? null})
          returning captured_at`
        await putEntry(call, MEMORIES, { owner: identity.user, subject: id, text: content, tags })
        await keepIndexing(call, MEMORIES)
        return {
          crystal_id: id,
          summary: summaryOf(content),
          has_embedding: false,
          captured_at: (row?.captured_at ?? new Date()).toISOString(),
        }
      },
    }),

    recall: recallAspect,

    get: aspect({
      category: 'P',
      summary: 'One memory, in as much detail as is left of it',
      effects: ['reads:memory_crystals'],
      input: z.strictObject(OneMemory).refine(namesOne, 'say an id'),
      output: MemoryView,
      examples: [{ summary: 'Read it', input: ITS_ID, given: [ENGRAM] }],
      handle: async (which, call) => viewOf(await findMemory(call, idOf(which))),
    }),

    recent: aspect({
      category: 'P',
      summary: 'Your memories, newest first',
      effects: ['reads:memory_crystals'],
      input: z.strictObject({
        ...Page,
        /** Only those; without it, all that can be recalled. */
        lifecycle: Lifecycle.exclude(['dreaming']).optional(),
      }),
      output: Listed,
      examples: [{ summary: 'The last three', input: { limit: 3 }, given: [ENGRAM] }],
      handle: listPage,
    }),

    bytag: aspect({
      category: 'P',
      summary: 'Your memories with a tag, newest first',
      effects: ['reads:memory_crystals'],
      input: z.strictObject({ ...Page, tag: Tag }),
      output: Listed,
      examples: [{ summary: 'Everything about operations', input: { tag: 'ops' }, given: [ENGRAM] }],
      handle: listPage,
    }),

    reinforce: aspect({
      category: 'M',
      summary: 'Say which memories were of use: they become active, relevant and clear again',
      effects: ['writes:memory_crystals'],
      input: z
        .strictObject({
          ids: z.array(z.uuid()).min(1).max(100).optional(),
          /** What `recall` found. */
          input: z.looseObject({ results: z.array(z.looseObject({ id: z.uuid() })).max(100) }).optional(),
        })
        .refine(({ ids, input }) => ids !== undefined || input !== undefined, 'say which'),
      output: z.strictObject({ strengthened: z.int().min(0) }),
      examples: [{ summary: 'This one helped', input: { ids: [ITS_ID.id] }, given: [ENGRAM] }],
      async handle({ ids, input }, call) {
        const at = new Date().toISOString()
        const which = new Set(ids ?? input?.results.map(({ id }) => id))
        const strengthened = await strengthen(
          call,
          [...which].map((id) => ({ id, times: 1, at })),
        )
        if (strengthened === 0 && which.size > 0) {
          throw new Failure('NOT_FOUND', 'Cannot reinforce: you have no such memory that can be recalled', {
            suggestion: 'self.memory.recall finds some',
          })
        }
        return { strengthened }
      },
    }),

    forget: aspect({
      category: 'M',
      summary: `Put a memory on the compost: it is not recalled any more, can be restored, and is gone after ${COMPOST_DAYS} days`,
      effects: ['deletes:memory_crystals'],
      input: z.strictObject(OneMemory).refine(namesOne, 'say an id'),
      output: z.strictObject({ id: z.uuid(), lifecycle: z.literal('composting') }),
      examples: [{ summary: 'Never mind', input: ITS_ID, given: [ENGRAM] }],
      async handle(which, call) {
        const { id, cherished, lifecycle } = await findMemory(call, idOf(which), true)
        if (cherished) {
          throw new Refusal(`Cannot forget memory "${id}": it is cherished`, {
            consentRequired: call.identity.user,
            suggestion: `First let go of it: self.memory.cherish with {"id": "${id}", "uncherish": true}`,
          })
        }
        if (lifecycle !== 'composting') await setForgotten(call, id, true)
        return { id, lifecycle: 'composting' as const }
      },
    }),

    restore: aspect({
      category: 'M',
      summary: 'Take a memory back from the compost',
      effects: ['writes:memory_crystals'],
      input: z.strictObject(OneMemory).refine(namesOne, 'say an id'),
      output: MemoryView,
      examples: [
        {
          summary: 'After all',
          input: ITS_ID,
          given: [ENGRAM, { path: 'self.memory.forget', input: ITS_ID }],
        },
      ],
      async handle(which, call) {
        const { id, lifecycle } = await findMemory(call, idOf(which), true)
        if (lifecycle === 'composting') await setForgotten(call, id, false)
        return viewOf(await findMemory(call, id))
      },
    }),

    cherish: aspect({
      category: 'M',
      summary: 'Keep a memory from fading and from being forgotten, or let go of it',
      effects: ['writes:memory_crystals'],
      input: z
        .strictObject({ ...OneMemory, uncherish: z.boolean().default(false) })
        .refine(namesOne, 'say an id'),
      output: MemoryView,
      examples: [{ summary: 'Never forget this', input: ITS_ID, given: [ENGRAM] }],
      async handle({ uncherish, ...which }, call) {
        const { id, lifecycle } = await findMemory(call, idOf(which), true)
        if (lifecycle === 'composting' && !uncherish) {
          throw new Failure('STATE_CONFLICT', `Cannot cherish memory "${id}": it is on the compost`, {
            suggestion: 'First take it back with self.memory.restore',
          })
        }
        // What decayed until now stays decayed.
        await call.db`
          update memories m set cherished = ${!uncherish}, relevance = relevance_now(m), relevant_at = now()
          where id = ${id}`
        return viewOf(await findMemory(call, id))
      },
    }),

    checkpoint: aspect({
      category: 'G',
      summary: 'Note how much you remember now, under a label',
      effects: ['writes:memory_checkpoints'],
      input: z.strictObject({ label: z.string().trim().min(1).max(100) }),
      output: z.strictObject({
        label: z.string(),
        memory_count: z.int().min(0),
        timestamp: z.string(),
      }),
      examples: [{ summary: 'Before a release', input: { label: 'before 1.0' } }],
      async handle({ label }, call) {
        const { db, identity } = call
        const [row] = await db<{ memory_count: number; at: Date }[]>`
          insert into memory_checkpoints (id, tenant_id, user_id, label, memory_count)
          select ${newId()}, ${identity.tenant}, ${identity.user}, ${label}, count(*)::int
          from memories where user_id = ${identity.user} and lifecycle <> 'composting'
          returning memory_count, at`
        await db`
          delete from memory_checkpoints where user_id = ${identity.user} and id not in
            (select id from memory_checkpoints where user_id = ${identity.user} order by at desc, id desc limit ${MOST_CHECKPOINTS})`
        call.changed('self.memory', await countOfTenant(db))
        const { memory_count, at } = row ?? { memory_count: 0, at: new Date() }
        return { label, memory_count, timestamp: at.toISOString() }
      },
    }),

    consolidate: aspect({
      category: 'M',
      summary: 'Strengthen what was recalled, merge what says the same, demote what has faded',
      effects: ['writes:memory_crystals', 'deletes:memory_crystals'],
      input: NoInput,
      output: z.strictObject({
        dreaming_count: z.int().min(0),
        demoted_count: z.int().min(0),
        merged_count: z.int().min(0),
        strengthened_count: z.int().min(0),
        /** Forgotten memories that are gone for good. */
        composted_count: z.int().min(0),
        duration_ms: z.number().min(0),
      }),
      examples: [{ summary: 'Sleep on it', input: {}, given: [ENGRAM] }],
      async handle(_input, call) {
        const started = performance.now()
        const result = await consolidate(call)
        call.changed('self.memory', await countOfTenant(call.db))
        await keepIndexing(call, MEMORIES)
        return { ...result, duration_ms: Math.round(performance.now() - started) }
      },
    }),

    index: indexAspect(MEMORIES),
  },
})

function contentOf(content: string | undefined, input: unknown): string {
  if (content !== undefined) return content
  return input === undefined ? '' : textOfResult(input).slice(0, LONGEST_CONTENT).toWellFormed().trim()
}

/** @throws Failure QUOTA_EXCEEDED where this person has no room for one more */
async function checkRoom({ db, identity }: Call): Promise<void> {
  const [row] = await db<{ count: number }[]>`
    select count(*)::int as count from memories where user_id = ${identity.user}`
  if ((row?.count ?? 0) < MOST_MEMORIES) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot remember one more: you have ${MOST_MEMORIES} memories`, {
    suggestion: `Forget some with self.memory.forget; they are gone ${COMPOST_DAYS} days after, when you consolidate`,
    details: { resource: 'memories', limit: MOST_MEMORIES },
  })
}

async function setForgotten({ db, identity }: Call, id: string, forgotten: boolean): Promise<void> {
  await db`
    update memories m set lifecycle = ${forgotten ? 'composting' : 'active'},
      forgotten_at = ${forgotten ? db`now()` : db`null`} where id = ${id}`
  await hideEntries(db, MEMORIES, identity.user, [id], forgotten)
}

async function listPage(
  asked: Parameters<typeof listMemories>[1],
  call: Call,
): Promise<z.infer<typeof Listed>> {
  const { page, next_cursor } = await listMemories(call, asked)
  return { memories: page.map(viewOf), next_cursor }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
