/**
 * What a person's own words say about it, by fixed forms such as "I prefer ...". Cautious: one sentence in the first person
 * at a time, nothing that is quoted, asked or reported, and a few short statements of a message. Everything found is only
 * proposed.
 */
import { beginningOf } from '../../../../shared/beginning.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { Failure } from '../../../../shared/failures.ts'
import { propose, type Inferred } from './propose.ts'
import { keyOf } from './traits.ts'

/** Characters of a message that are read, and of a statement. */
const MAX_MESSAGE = 4000
const MAX_STATEMENT = 120
/** Statements of one message. */
const MAX_STATEMENTS = 3

type Form = Pick<Inferred, 'aspect' | 'path' | 'confidence'> & { pattern: RegExp; value?: string }

const AWAY = 'no longer|not|never'
const FORMS: readonly Form[] = [
  {
    ...preference('communication.length'),
    value: 'short',
    pattern: /^(?:please )?(?:keep|make) (?:your |the )?(?:answers|replies) (?:short|brief)(?: please)?$/,
  },
  {
    ...preference('communication.length'),
    value: 'short',
    pattern: /^i (?:prefer|like|want) (?:short|brief|concise) (?:answers|replies)$/,
  },
  {
    ...preference('communication.length'),
    value: 'long',
    pattern: /^i (?:prefer|like|want) (?:long|detailed) (?:answers|replies)$/,
  },
  { ...preference('values'), pattern: new RegExp(`^i (?:prefer|value|love|really like) (?!${AWAY})(.+)$`) },
  { ...preference('dislikes'), pattern: /^i (?:hate|dislike|do not like|don't like|can't stand) (.+)$/ },
  {
    aspect: 'pattern',
    path: 'decision_making',
    confidence: 0.6,
    pattern: /^i (?:always|usually|tend to|often) ((?:decide|choose|ask|wait|weigh|compare|plan) .+)$/,
  },
  {
    aspect: 'pattern',
    path: 'thinking',
    confidence: 0.6,
    pattern: /^i (?:always|usually|tend to|often) (.+)$/,
  },
]

function preference(path: string): Pick<Form, 'aspect' | 'path' | 'confidence'> {
  return { aspect: 'preference', path, confidence: 0.7 }
}

/** What `message` says about who wrote it; at most three statements. */
export function inferFrom(message: string): Inferred[] {
  const found = new Map<string, Inferred>()
  for (const sentence of sentencesOf(beginningOf(message, MAX_MESSAGE))) {
    const inferred = inferOne(sentence)
    if (inferred !== undefined) found.set(`${inferred.path} ${keyOf(inferred.content)}`, inferred)
  }
  return [...found.values()].slice(0, MAX_STATEMENTS)
}

/** Sentences that state something, without anything that stands in quotation marks, code or a template's marks. */
function sentencesOf(text: string): string[] {
  return text
    .normalize('NFKC')
    .replaceAll(/[\u2018\u2019]/g, "'")
    .split(/(?<=[.!?;])\s+|\n+/)
    .filter((sentence) => !/["“”«»`<>|{}[\]]|\?\s*$/.test(sentence))
    .map((sentence) =>
      sentence
        .replaceAll(/\s+/g, ' ')
        .replace(/[.!;\s]+$/, '')
        .trim(),
    )
    .filter((sentence) => sentence.length <= MAX_STATEMENT)
}

function inferOne(sentence: string): Inferred | undefined {
  const lower = sentence.toLowerCase()
  for (const { pattern, value, ...form } of FORMS) {
    const match = pattern.exec(lower)
    if (match === null) continue
    // In the person's own spelling.
    const content = value ?? sentence.slice(lower.length - (match[1]?.length ?? 0)).trim()
    return keyOf(content) === '' ? undefined : { ...form, content }
  }
  return undefined
}

/** Where a message stands. */
export interface Said {
  text: string
  session?: string | undefined
  message: string
}

/**
 * Proposes what a message of the person says about it. Never fails for a persona that is full.
 *
 * @returns how many proposals came of it
 */
export async function proposeFrom(
  { text, session, message }: Said,
  call: Pick<Call, 'db' | 'identity' | 'emit' | 'changed'>,
): Promise<number> {
  const inferred = inferFrom(text)
  try {
    for (const each of inferred)
      await propose({ ...each, reason: 'You said so', evidence: { session, message } }, call)
    return inferred.length
  } catch (error) {
    if (error instanceof Failure && error.code === 'QUOTA_EXCEEDED') return 0
    throw error
  }
}
