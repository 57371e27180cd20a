/** Finds entries by the words of a question and by its meaning, and makes one list of both. */
import type { Db } from '../database/database.ts'
import { shareOf, termsOf, wordQueryOf } from '../text/question.ts'
import type { Corpus } from './entries.ts'
import { similarityOf, sketchOf, vectorFrom } from './sketch.ts'

/** A vector, and the model that it comes from. */
export interface ModelVector {
  model: string
  vector: Float32Array
}

export interface Question {
  owner: string
  text: string
  /** Absent where there is none: then words alone decide. */
  meaning?: ModelVector | undefined
  /** What is found has all of them. */
  tags?: readonly string[]
  limit: number
  /** The least similarity of what is found, 0 to 1. */
  threshold: number
}

export interface Hit {
  subject: string
  /** 0 to 1: the cosine to the question, or the share of its words that are there, whichever is more. */
  similarity: number
  by: ('words' | 'meaning')[]
}

/** A subject and how much it is like the question; lists of them are sorted, best first. */
interface Ranked {
  subject: string
  similarity: number
}

/** Candidates of each list. */
const CANDIDATES = 100
/** Sketches that are looked at more closely. */
const SKETCHES = 200
/** How much the order among the first ones matters: the smaller, the more. */
const RANK_CONSTANT = 60

/** The entries that are most like `question`, best first. Its text is never parsed as a query language. */
export async function search(db: Db, corpus: Corpus, question: Question): Promise<Hit[]> {
  const { owner, text, meaning, tags = [], limit, threshold } = question
  const [words, meanings] = await Promise.all([
    findByWords(db, corpus, owner, text, tags),
    meaning === undefined ? [] : findByMeaning(db, corpus, owner, meaning, tags),
  ])
  return fuse(words, meanings)
    .filter(({ similarity }) => similarity >= threshold)
    .slice(0, limit)
}

async function findByWords(
  db: Db,
  { kind }: Corpus,
  owner: string,
  text: string,
  tags: readonly string[],
): Promise<Ranked[]> {
  const terms = termsOf(text)
  const { any, lexemes, starts, like } = wordQueryOf(terms)
  const rows = await db<WordRow[]>`
    select subject, lexemes_found as found, term, share
    from recall_by_words(${kind}, ${owner}, ${any}::text::tsquery, ${db.json(lexemes)}, ${db.json(starts)},
                         ${db.json(like)}, name_keys(${db.json([...tags])}), ${CANDIDATES})`
  return [...Map.groupBy(rows, ({ subject }) => subject)]
    .map(([subject, found]) => {
      const alike = found.flatMap(({ term, share }): [number, number][] =>
        term === null ? [] : [[term, share]],
      )
      const lexemesOf = new Set(found.flatMap((row) => row.found))
      return { subject, similarity: shareOf(terms, lexemesOf, new Map(alike)) }
    })
    .filter(({ similarity }) => similarity > 0)
    .toSorted((a, b) => b.similarity - a.similarity)
}

/** An entry that has lexemes of a question, or a word that is like a term of it. */
interface WordRow {
  subject: string
  found: string[]
  term: number | null
  share: number
}

/** The closest vectors of the same model: candidates by their sketches, then the cosine of each. */
async function findByMeaning(
  db: Db,
  { kind }: Corpus,
  owner: string,
  { model, vector }: ModelVector,
  tags: readonly string[],
): Promise<Ranked[]> {
  const sketch = sketchOf(vector)
  // A subquery, so that a prepared statement reads the bits once and not for each row.
  const rows = await db<{ subject: string; vector: Uint8Array }[]>`
    select subject, vector from recall_entries
    where kind = ${kind} and owner = ${owner} and not hidden and model = ${model}
      and length(sketch) = ${sketch.length} and tags @> name_keys(${db.json([...tags])})
    order by bit_count(sketch # (select ${sketch}::text::bit varying)) limit ${SKETCHES}`
  return rows
    .map((row) => ({ subject: row.subject, similarity: similarityOf(vector, vectorFrom(row.vector)) }))
    .toSorted((a, b) => b.similarity - a.similarity)
    .slice(0, CANDIDATES)
}

/**
 * One list of two by reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): each list gives 1 / (60 + rank).
 * What has few of the question's words gives less, by the cube of their share: one word of three in common is often
 * chance. (Measured on questions in other words than their answers: the first hit is right in 93 % with it, as with
 * meaning alone, and in 23 % without.)
 */
function fuse(words: readonly Ranked[], meanings: readonly Ranked[]): Hit[] {
  const hits = new Map<string, Hit & { score: number }>()
  const add = (by: 'words' | 'meaning', ranked: Ranked, score: number) => {
    const { subject, similarity } = ranked
    const hit = hits.get(subject) ?? { subject, similarity: 0, by: [], score: 0 }
    hits.set(subject, {
      subject,
      similarity: Math.max(hit.similarity, similarity),
      by: [...hit.by, by],
      score: hit.score + score,
    })
  }
  for (const [at, each] of words.entries())
    add('words', each, each.similarity ** 3 / (RANK_CONSTANT + at + 1))
  for (const [at, each] of meanings.entries()) add('meaning', each, 1 / (RANK_CONSTANT + at + 1))
  return [...hits.values()]
    .toSorted((a, b) => b.score - a.score || b.similarity - a.similarity)
    .map(({ subject, similarity, by }) => ({ subject, similarity, by }))
}

/** The vector of an entry, where it has one. */
export async function vectorOf(
  db: Db,
  { kind }: Corpus,
  owner: string,
  subject: string,
): Promise<ModelVector | undefined> {
  const [row] = await db<{ model: string; vector: Uint8Array }[]>`
    select model, vector from recall_entries
    where kind = ${kind} and owner = ${owner} and subject = ${subject} and vector is not null`
  return row === undefined ? undefined : { model: row.model, vector: vectorFrom(row.vector) }
}
