/** Texts that can be recalled: whose they are, their subjects, and whether they may be found. */
import type { Call } from '../contract/call.ts'
import type { Db } from '../database/database.ts'
import { newId } from '../new-id.ts'
import { vectorsOf } from '../text/forms.ts'
import { tokensOf } from '../text/tokens.ts'

/** Texts of one kind that are found together, and the node whose `index` embeds them. */
export interface Corpus {
  kind: string
  /** `self.memory`, or `concept.*`. */
  node: string
}

/** The owner of what belongs to everybody in a tenant. */
export const EVERYBODY = '00000000-0000-0000-0000-000000000000'

export interface Entry {
  owner: string
  /** Its subject; one entry for each subject of an owner. */
  subject: string
  text: string
  tags?: readonly string[]
}

/** Keeps an entry, in place of what its subject had before. It is found by words at once, by meaning when it is embedded. */
export async function putEntry(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  { kind }: Corpus,
  entry: Entry,
): Promise<void> {
  const { owner, subject, text, tags = [] } = entry
  const { words, letters } = vectorsOf(tokensOf(text))
  await db`
    insert into recall_entries (id, tenant_id, kind, owner, subject, text, words, letters, tags)
    values (${newId()}, ${identity.tenant}, ${kind}, ${owner}, ${subject}, ${text}, ${words}::text::tsvector,
            ${letters}::text::tsvector, name_keys(${db.json([...tags])}))
    on conflict (tenant_id, kind, owner, subject) do update
      set id = excluded.id, text = excluded.text, words = excluded.words, letters = excluded.letters,
        tags = excluded.tags, hidden = false, vector = null, sketch = null, model = null, embedded_at = null, tries = 0`
}

/** Hides entries from every search, or shows them again; their vectors are kept. */
export async function hideEntries(
  db: Db,
  { kind }: Corpus,
  owner: string,
  subjects: readonly string[],
  hidden: boolean,
): Promise<void> {
  await db`
    update recall_entries set hidden = ${hidden}
    where kind = ${kind} and owner = ${owner} and subject in (select jsonb_array_elements_text(${db.json([...subjects])}))`
}

export async function tagEntry(
  db: Db,
  { kind }: Corpus,
  owner: string,
  subject: string,
  tags: readonly string[],
): Promise<void> {
  await db`
    update recall_entries set tags = name_keys(${db.json([...tags])})
    where kind = ${kind} and owner = ${owner} and subject = ${subject}`
}

export interface EntryCounts {
  /** Found by meaning. */
  embedded: number
  /** Not embedded yet. */
  waiting: number
  /** In scripts that the model does not know, so found by words alone. */
  words_only: number
}

/** How many entries of an owner are found in which way. */
export async function countEntries(db: Db, { kind }: Corpus, owner: string): Promise<EntryCounts> {
  const [row] = await db<EntryCounts[]>`
    select count(sketch)::int as embedded, (count(*) - count(embedded_at))::int as waiting,
      (count(embedded_at) - count(sketch))::int as words_only
    from recall_entries where kind = ${kind} and owner = ${owner} and not hidden`
  return row ?? { embedded: 0, waiting: 0, words_only: 0 }
}
