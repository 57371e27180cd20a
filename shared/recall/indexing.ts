/**
 * Gives entries their vectors, in batches, by jobs of the node's `index`. One job of a tenant and kind is under way at a
 * time; when it is done, the next batch follows. Who keeps an entry makes sure that one is under way.
 *
 * No entry is left behind between the two: whoever keeps one holds a shared lock to its commit, and a finished job takes
 * the same lock alone before it reads what waits. A job that failed blocks nothing: the next caller requests it again, for
 * other entries first, and for ever smaller batches of those that failed, so that one bad text stops no others.
 */
import { z } from 'zod'
import type { Archetypes } from '../agentese/archetypes.ts'
import { aspect, type AnyAspect } from '../contract/aspect.ts'
import type { Accepted, Call } from '../contract/call.ts'
import type { Db } from '../database/database.ts'
import { fillWords } from '../database/fill-words.ts'
import { hasTokens } from '../plans/allowance.ts'
import type { Corpus } from './entries.ts'
import { sketchOf } from './sketch.ts'
import { beginningOf } from '../beginning.ts'

/** Entries of one job; a quarter of it for those that failed once, and so on down to one. */
const BATCH = 64
/** Characters of a text that its vector is made of; embedding models read few more. */
const EMBEDDED_CHARACTERS = 2000
/** Failures after which an entry waits until somebody calls `index`. */
const MAX_TRIES = 6
/** Characters of a token, at the least that is usual. */
const CHARACTERS_PER_TOKEN = 3
/** What a batch of short texts takes. */
const USUAL_TOKENS = 3200

/** Makes sure that a job is under way where entries wait. Without a model, or without tokens, they wait on. */
export async function keepIndexing(
  call: Pick<Call, 'db' | 'identity' | 'infer' | 'hasModel'>,
  corpus: Corpus,
): Promise<void> {
  const lock = lockOf(call, corpus, 'entries')
  // Sent together, one after the other: the second reads what was committed when the lock was acquired.
  const [, busy] = await Promise.all([
    call.db`select pg_advisory_xact_lock_shared(${lock})`.execute(),
    isUnderWay(call.db, corpus),
  ])
  if (busy) return
  await call.db`select pg_advisory_xact_lock(${lockOf(call, corpus, 'job')})`
  if (!(await isUnderWay(call.db, corpus))) await queueBatch(call, corpus)
}

/** As `keepIndexing`, for a read-only call: two at once may request the same vectors, which does no harm. */
export async function keepIndexingFromLook(
  call: Pick<Call, 'db' | 'identity' | 'infer' | 'hasModel'>,
  corpus: Corpus,
): Promise<void> {
  if (await isUnderWay(call.db, corpus)) return
  const batch = await pickBatch(call.db, corpus)
  if (await canEmbed(call, batch)) infer(call, batch)
}

/** The verb by which a node embeds the entries of `corpus`. */
export function indexAspect(corpus: Corpus, archetypes: Archetypes): AnyAspect {
  return aspect({
    category: 'M',
    archetypes,
    summary: 'Embed what waits, so that it is found by meaning; the rest follows by itself',
    effects: ['writes:recall_index', 'calls:embedder', 'charges:tokens'],
    cost: () => ({ tokens: USUAL_TOKENS }),
    needs: ['inference'],
    input: z.strictObject({
      /** The batch of a job that is under way; whoever calls leaves it out. */
      entries: z.array(z.uuid()).max(BATCH).optional(),
    }),
    output: z.strictObject({
      indexed: z.int().min(0),
      waiting: z.int().min(0),
      /** Whether a job is at it already. */
      under_way: z.boolean(),
      model: z.string().nullable(),
    }),
    examples: [{ summary: 'Whatever waits', input: {} }],
    async handle(_input, call) {
      await call.db`select pg_advisory_xact_lock(${lockOf(call, corpus, 'job')})`
      await forgetFailures(call.db, corpus)
      const under_way = await isUnderWay(call.db, corpus)
      const requested = under_way ? undefined : await queueBatch(call, corpus, { orFail: true })
      return requested ?? { indexed: 0, under_way, ...(await standOf(call.db, corpus)) }
    },
    async complete({ input: { entries = [] }, vectors, model }, call) {
      await call.db`select pg_advisory_xact_lock(${lockOf(call, corpus, 'entries')})`
      const indexed = await storeVectors(call.db, corpus, entries, vectors, model)
      if (vectors.length > 0) await noteModel(call, corpus, model)
      // This very job still counts.
      const others = (await countUnderWay(call.db, corpus)) > 1
      const next = others || vectors.length === 0 ? undefined : await queueBatch(call, corpus)
      return { indexed, under_way: others || next !== undefined, ...(await standOf(call.db, corpus)), model }
    },
  })
}

/** Requests the vectors of the next batch; undefined where nothing waits, or where there is no model or no token. */
async function queueBatch(
  call: Pick<Call, 'db' | 'identity' | 'infer' | 'hasModel'>,
  corpus: Corpus,
  { orFail = false }: { orFail?: boolean } = {},
): Promise<Accepted | undefined> {
  await fillWords(call.db)
  const batch = await pickBatch(call.db, corpus)
  if (batch.length === 0) return undefined
  if (!orFail && !(await canEmbed(call, batch))) return undefined
  const requested = infer(call, batch)
  await call.db`
    update recall_entries set tries = least(tries + 1, ${MAX_TRIES})
    where id in (select jsonb_array_elements_text(${call.db.json(batch.map(({ id }) => id))})::uuid)`
  return requested
}

interface Waiting {
  id: string
  text: string
}

/** Those that were tried least, oldest first; and vectors of a model that is no longer in use. */
async function pickBatch(db: Db, { kind }: Corpus): Promise<Waiting[]> {
  const waiting = await db<Waiting[]>`
    with due as (
      select e.id, e.tries, e.text from recall_entries e
      where e.kind = ${kind} and e.embedded_at is null and e.tries < ${MAX_TRIES}
      union all
      select e.id, e.tries, e.text from recall_models m join recall_entries e using (tenant_id, kind)
      where m.kind = ${kind} and e.model <> m.model and e.embedded_at < m.since and e.tries < ${MAX_TRIES}
    ), least as (select coalesce(min(tries), 0)::int as tries from due)
    select id, left(text, ${EMBEDDED_CHARACTERS + 2}) as text from due where tries = (select tries from least)
    order by id limit (select greatest(1, ${BATCH}::int >> (2 * tries)) from least)`
  return waiting.map(({ id, text }) => ({ id, text: beginningOf(text, EMBEDDED_CHARACTERS) }))
}

function infer(call: Pick<Call, 'infer'>, batch: readonly Waiting[]): Accepted {
  const inference = { texts: batch.map(({ text }) => text), estimateTokens: estimateTokens(batch) }
  return call.infer(inference, { as: 'index', input: { entries: batch.map(({ id }) => id) } })
}

/** Whether the vectors of `texts` can be had: from a model, and for tokens that are left. */
export async function canEmbed(
  { db, identity, hasModel }: Pick<Call, 'db' | 'identity' | 'hasModel'>,
  texts: readonly { text: string }[],
): Promise<boolean> {
  return texts.length > 0 && hasModel() && hasTokens(db, identity, estimateTokens(texts))
}

/** Tokens to set aside for the vectors of `texts`. */
export function estimateTokens(texts: readonly { text: string }[]): number {
  return texts.reduce((sum, { text }) => sum + Math.ceil(text.length / CHARACTERS_PER_TOKEN), 0)
}

/** What comes for an entry that is gone or has another text by now is dropped. What the model cannot read has no vector. */
async function storeVectors(
  db: Db,
  { kind }: Corpus,
  entries: readonly string[],
  vectors: readonly (Float32Array | undefined)[],
  model: string,
): Promise<number> {
  const rows = vectors.slice(0, entries.length).map((vector, at) => ({
    id: entries[at],
    vector: vector === undefined ? null : bytesOf(vector).toString('base64'),
    sketch: vector === undefined ? null : sketchOf(vector),
  }))
  const stored = await db`
    update recall_entries e set vector = decode(v.vector, 'base64'), sketch = v.sketch, model = ${model},
      embedded_at = clock_timestamp(), tries = 0
    from jsonb_to_recordset(${db.json(rows)}) as v(id uuid, vector text, sketch bit varying)
    where e.id = v.id and e.kind = ${kind}`
  return stored.count
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

/**
 * Notes the model that vectors now come from. When it is another one than before, all older vectors are due again; once
 * a day at most, so that two workers with two models do not chase each other.
 */
async function noteModel(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  { kind }: Corpus,
  model: string,
): Promise<void> {
  await db`
    insert into recall_models (tenant_id, kind, model) values (${identity.tenant}, ${kind}, ${model})
    on conflict (tenant_id, kind) do update set model = excluded.model, since = now(), fixed_until = default
      where recall_models.model <> excluded.model and recall_models.fixed_until < now()`
}

/** Lets everything that was given up be tried again, and the model be another one from now on. */
async function forgetFailures(db: Db, { kind }: Corpus): Promise<void> {
  await db`update recall_entries set tries = 0 where kind = ${kind} and tries > 0`
  await db`update recall_models set since = now(), fixed_until = '-infinity' where kind = ${kind}`
}

async function standOf(db: Db, { kind }: Corpus): Promise<{ waiting: number; model: string | null }> {
  const [row] = await db<{ waiting: number; model: string | null }[]>`
    select (select count(*)::int from recall_entries where kind = ${kind} and embedded_at is null) as waiting,
      (select model from recall_models where kind = ${kind}) as model`
  return row ?? { waiting: 0, model: null }
}

async function isUnderWay(db: Db, corpus: Corpus): Promise<boolean> {
  return (await countUnderWay(db, corpus)) > 0
}

async function countUnderWay(db: Db, { node }: Corpus): Promise<number> {
  const [row] = await db<{ count: number }[]>`
    select count(*)::int as count from jobs
    where status in ('queued', 'running') and call->>'endpoint' = ${`${node}.index`}`
  return row?.count ?? 0
}

/** A number that stands for the tenant's entries of this kind, or for the job that embeds them, among all advisory locks. */
function lockOf({ db, identity }: Pick<Call, 'db' | 'identity'>, { kind }: Corpus, what: 'entries' | 'job') {
  return db`hashtextextended(${`recall/${identity.tenant}/${kind}`}, ${what === 'entries' ? 0 : 1})`
}
