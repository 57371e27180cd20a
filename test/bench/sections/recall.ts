/**
 * How fast memories are found among ten thousand, and how well: by words, by words and meaning, and by comparing every
 * vector, which is what the sketches stand in for.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { openLlamaCpp } from '../../../gpu-workers/engines/llama-cpp.ts'
import { findDefaultEmbeddingModel, findDefaultModel } from '../../../knative/local/servers/model.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { startPostgres } from '../../../knative/local/servers/postgres.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'
import { openDatabase, withTenant, type Db } from '../../../shared/database/database.ts'
import { allowLogin, migrate } from '../../../shared/database/migrate.ts'
import type { Corpus } from '../../../shared/recall/entries.ts'
import { search } from '../../../shared/recall/search.ts'
import { similarityOf, vectorFrom } from '../../../shared/recall/sketch.ts'
import { memories, queries } from '../recall-set.ts'
import { questions } from '../sessions-set.ts'
import { inTurn, show, type Bench, type Findings, type Section } from '../section.ts'
import { median, percentile } from '../statistics.ts'
import { inventMemories, keepMemories, type Memory } from './recall-memories.ts'
import { judgeSessions, messages, tellSessions, type Mind, type SessionQuality } from './recall-sessions.ts'

const MEMORIES = 10_000
const CORPUS: Corpus = { kind: 'memory', node: 'self.memory' }
const MODEL = 'bench'
const WAYS = [
  'keyword',
  'hybrid',
  'every vector compared in the process',
  'a transaction that finds nothing',
] as const
const LIMIT = 5
const ASKED_WORDS = 6
/** Of these many closest vectors it is told how many are found. */
const CLOSEST = 10

export const recall: Section = { name: 'recall', title: 'Recall', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  const { newMind, stop } = await openMinds()
  try {
    say(`inventing and keeping ${MEMORIES} memories`)
    const invented = inventMemories(MEMORIES + 100)
    const mind = await newMind(invented.slice(0, MEMORIES), MODEL)
    const asked = invented.slice(MEMORIES).map(({ text, vector }) => ({ vector, text: firstWords(text) }))
    say('asking')
    const times = await inTurn(WAYS, quick ? 40 : 300, (name, round) =>
      timed(() => ask(name, mind, asked[round % asked.length] as Memory)),
    )
    say('judging')
    return toFindings(times, await shareOfClosest(mind, asked), await judge(newMind, say))
  } finally {
    await stop()
  }
}

async function openMinds() {
  const folder = await mkdtemp(join(tmpdir(), 'kgents-bench-'))
  const [port = 0] = await findFreePorts(1)
  const server = await startPostgres({ state: folder, port, password: 'bench' })
  await migrate(server.url)
  await allowLogin(server.url, 'kgents_app', 'bench')
  const url = new URL(server.url)
  url.username = 'kgents_app'
  const database = openDatabase(url.href, { connections: 2, prepare: true })
  const owner = postgres(server.url, { max: 1, onnotice: () => {} })
  return {
    async newMind(kept: readonly Memory[], model: string): Promise<Mind> {
      const tenant = randomUUID()
      const person = randomUUID()
      await withTenant(database, tenant, 'write', (db) => keepMemories(db, tenant, person, kept, model))
      await owner`vacuum analyze recall_entries`
      return { owner: person, look: (work) => withTenant(database, tenant, 'read', work) }
    },
    async stop() {
      await Promise.all([database.close(), owner.end()])
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function firstWords(text: string): string {
  return text.split(' ').slice(0, ASKED_WORDS).join(' ')
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

function ask(name: string, { owner, look }: Mind, { text, vector }: Memory): Promise<unknown> {
  const question = { owner, text, limit: LIMIT, threshold: 0.2 }
  switch (name) {
    case 'keyword':
      return look((db) => search(db, CORPUS, question))
    case 'hybrid':
      return look((db) => search(db, CORPUS, { ...question, meaning: { model: MODEL, vector } }))
    case 'every vector compared in the process':
      return look((db) => closest(db, owner, vector))
    default:
      return look((db) => db`select 1`)
  }
}

/** The subjects of the closest vectors, by comparing all of them. */
async function closest(db: Db, owner: string, vector: Float32Array): Promise<string[]> {
  const rows = await db<{ subject: string; vector: Uint8Array }[]>`
    select subject, vector from recall_entries where owner = ${owner}`
  return rows
    .map((row) => ({ subject: row.subject, similarity: similarityOf(vector, vectorFrom(row.vector)) }))
    .toSorted((a, b) => b.similarity - a.similarity)
    .slice(0, CLOSEST)
    .map(({ subject }) => subject)
}

/** How many of the ten closest vectors are found by their sketches, 0 to 1. */
async function shareOfClosest({ owner, look }: Mind, asked: readonly Memory[]): Promise<number> {
  let found = 0
  for (const { vector } of asked) {
    const wanted = await look((db) => closest(db, owner, vector))
    const meaning = { model: MODEL, vector }
    const hits = await look((db) =>
      search(db, CORPUS, { owner, text: '', meaning, limit: CLOSEST, threshold: 0 }),
    )
    found += hits.filter(({ subject }) => wanted.includes(subject)).length
  }
  return found / (asked.length * CLOSEST)
}

/** Shares of the labelled queries that find what they want: first, and among the first five. */
interface Quality {
  mode: 'keyword' | 'hybrid'
  first: number
  amongFive: number
}

interface Judgement {
  quality: Quality[]
  conversations: SessionQuality[]
}

/** Answers the labelled sets with the default model; none where it cannot be had. */
async function judge(
  newMind: (kept: readonly Memory[], model: string) => Promise<Mind>,
  say: Bench['say'],
): Promise<Judgement> {
  const options = { cache: cacheFolder(process.env), env: process.env, tell: say }
  const [chat, embedding] = await Promise.all([findDefaultModel(options), findDefaultEmbeddingModel(options)])
  if (!('path' in chat) || !('path' in embedding)) return { quality: [], conversations: [] }
  const engine = await openLlamaCpp({ modelPath: chat.path, embeddingModelPath: embedding.path })
  try {
    const embed = async (texts: readonly string[]) => {
      const { vectors } = await engine.embed(texts, { signal: new AbortController().signal })
      return vectors.map((vector, at) => ({ text: texts[at] ?? '', vector: ofLengthOne(vector) }))
    }
    const mind = await newMind(await embed(memories), embedding.name)
    const asked = await embed(queries.map(({ query }) => query))
    const quality = await Promise.all(
      (['keyword', 'hybrid'] as const).map((mode) => rank(mode, mind, asked, embedding.name)),
    )
    const talks = await newMind(await embed(messages), embedding.name)
    const later = await embed(questions.map(({ question }) => question))
    return { quality, conversations: await judgeSessions(talks, CORPUS, later, embedding.name) }
  } finally {
    await engine.close()
  }
}

async function rank(
  mode: Quality['mode'],
  { owner, look }: Mind,
  asked: readonly Memory[],
  model: string,
): Promise<Quality> {
  const ranks: number[] = []
  for (const [at, { text, vector }] of asked.entries()) {
    const meaning = mode === 'hybrid' ? { model, vector } : undefined
    const hits = await look((db) => search(db, CORPUS, { owner, text, meaning, limit: LIMIT, threshold: 0 }))
    const wanted = queries[at]?.wanted ?? []
    const found = hits.findIndex(({ subject }) => wanted.includes(Number(subject)))
    ranks.push(found < 0 ? Infinity : found + 1)
  }
  const shareWithin = (most: number) => ranks.filter((each) => each <= most).length / ranks.length
  return { mode, first: shareWithin(1), amongFive: shareWithin(LIMIT) }
}

function ofLengthOne(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

function toFindings(
  times: Record<string, number[]>,
  share: number,
  { quality, conversations }: Judgement,
): Findings {
  const percent = (value: number) => `${show(value * 100)} %`
  return {
    method:
      `${MEMORIES.toLocaleString('en-US')} memories of one person with vectors of 384 dimensions around 400 topics, ` +
      'asked in turn on one connection. PostgreSQL without pgvector: candidates by sketches, then exact cosines. ' +
      `Sketches find ${percent(share)} of the ten closest vectors. ` +
      (quality.length === 0
        ? 'No model could be had, so that the labelled queries were not asked.'
        : `Of ${queries.length} labelled queries in other words than their memories, ${quality
            .map(
              ({ mode, first, amongFive }) =>
                `${mode} finds ${percent(amongFive)} among the first five (${percent(first)} first)`,
            )
            .join(', ')}.${tellSessions(conversations)}`),
    table: {
      columns: ['way', 'p50 ms', 'p95 ms', 'of every vector'],
      rows: Object.entries(times).map(([name, values]) => [
        name,
        show(median(values)),
        show(percentile(values, 0.95)),
        `${(median(values) / median(times[WAYS[2]] ?? [])).toFixed(2)}x`,
      ]),
    },
  }
}
