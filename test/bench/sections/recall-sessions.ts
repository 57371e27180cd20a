/** How well a message of one of many conversations is found by a later question: hit@5 and MRR, by what is known of it. */
import type { Db } from '../../../shared/database/database.ts'
import { search, type Hit } from '../../../shared/recall/search.ts'
import type { Corpus } from '../../../shared/recall/entries.ts'
import { questions, sessions } from '../sessions-set.ts'
import { show } from '../section.ts'
import type { Memory } from './recall-memories.ts'

/** The memories of one person, and a way to them. */
export interface Mind {
  owner: string
  look<T>(work: (db: Db) => Promise<T>): Promise<T>
}

const WAYS = ['words alone', 'hybrid'] as const
type Way = (typeof WAYS)[number]

/** Hits that count, and of which the rank counts. */
const LIMIT = 5
const RANKED = 10

export interface SessionQuality {
  way: Way
  questions: string
  hitAtFive: number
  sessionAtFive: number
  meanReciprocalRank: number
}

/** Every message, in the order of its number. */
export const messages: readonly string[] = sessions.flat()

/** Answers the questions in each way; `asked` has their vectors, in the order of the set. */
export async function judgeSessions(
  mind: Mind,
  corpus: Corpus,
  asked: readonly Memory[],
  model: string,
): Promise<SessionQuality[]> {
  const quality: SessionQuality[] = []
  for (const way of WAYS) {
    const ranks: { rank: number; session: number; paraphrase: boolean }[] = []
    for (const [at, { text, vector }] of asked.entries()) {
      const meaning = way === 'hybrid' ? { model, vector } : undefined
      const question = { owner: mind.owner, text, meaning, limit: RANKED, threshold: 0 }
      const hits = await mind.look((db) => search(db, corpus, question))
      ranks.push({ ...rankOf(hits, at), paraphrase: questions[at]?.paraphrase ?? false })
    }
    quality.push(
      summary(way, 'all', ranks),
      summary(
        way,
        'in the same words',
        ranks.filter(({ paraphrase }) => !paraphrase),
      ),
      summary(
        way,
        'in other words',
        ranks.filter(({ paraphrase }) => paraphrase),
      ),
    )
  }
  return quality
}

/** Ranks of the answer, and of anything of its conversation; infinite where it is not among the first ten. */
function rankOf(hits: readonly Hit[], at: number): { rank: number; session: number } {
  const [session = 0, message = 0] = questions[at]?.answer ?? []
  const first = firstOf(session)
  const numbers = hits.map(({ subject }) => Number(subject))
  const place = (found: number) => (found < 0 ? Infinity : found + 1)
  return {
    rank: place(numbers.indexOf(first + message)),
    session: place(
      numbers.findIndex((number) => number >= first && number < first + (sessions[session]?.length ?? 0)),
    ),
  }
}

function firstOf(session: number): number {
  return sessions.slice(0, session).flat().length
}

function summary(
  way: Way,
  which: string,
  ranks: readonly { rank: number; session: number }[],
): SessionQuality {
  const share = (of: readonly number[]) => of.filter((each) => each <= LIMIT).length / of.length
  return {
    way,
    questions: `${which} (${ranks.length})`,
    hitAtFive: share(ranks.map(({ rank }) => rank)),
    sessionAtFive: share(ranks.map(({ session }) => session)),
    meanReciprocalRank: ranks.reduce((sum, { rank }) => sum + 1 / rank, 0) / ranks.length,
  }
}

/** The figures as a sentence for each way. */
export function tellSessions(quality: readonly SessionQuality[]): string {
  if (quality.length === 0) return ''
  const each = quality.map(
    ({ way, questions: which, hitAtFive, sessionAtFive, meanReciprocalRank }) =>
      `${way}, questions ${which}: hit@5 ${show(hitAtFive * 100)} % (the conversation ${show(sessionAtFive * 100)} %), MRR ${meanReciprocalRank.toFixed(2)}`,
  )
  return ` Of ${sessions.length} conversations with ${messages.length} messages, each question answered by one message: ${each.join('; ')}.`
}
