/** Cuts texts of recall entries into words that were kept without: by an older version of the platform. */
import type { ISql } from 'postgres'
import { vectorsOf } from '../text/forms.ts'
import { tokensOf } from '../text/tokens.ts'
import type { Db } from './transaction.ts'

/** What is needed of a connection, whoever opened it. */
type Queries = ISql & Pick<Db, 'json'>

/** Texts of one statement. */
const PAGE = 200

/**
 * Cuts the next texts that this role can see.
 *
 * @returns how many there were; 0 when all are done
 */
export async function fillWords(db: Queries): Promise<number> {
  const rows = await db<{ id: string; text: string }[]>`
    select id, text from recall_entries where words is null limit ${PAGE} for update skip locked`
  const cut = rows.map(({ id, text }) => ({ id, ...vectorsOf(tokensOf(text)) }))
  if (cut.length > 0) {
    await db`
      update recall_entries e set words = c.words::tsvector, letters = c.letters::tsvector
      from jsonb_to_recordset(${db.json(cut)}) as c(id uuid, words text, letters text)
      where e.id = c.id and e.words is null`
  }
  return cut.length
}
