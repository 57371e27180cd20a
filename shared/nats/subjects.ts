/**
 * Subjects: how they are made, and which covers which. Each names the tenant in its second token, so that permissions,
 * filters and isolation follow from the subject alone.
 */
import type { Pattern } from '../agentese/pattern.ts'
import { STREAMS, type StreamName } from './streams.ts'

const TENANT = /^[A-Za-z0-9_-]+$/
const STREAM_BY_FIRST_TOKEN = new Map(
  Object.entries(STREAMS).flatMap(
    ([name, { subjects }]) => subjects.map((subject) => [subject.split('.')[0], name as StreamName]), // reason: a key of the constant
  ),
)
/** Tokens between dots, and no wildcard. */
const SUBJECT = /^[^\s.*>]+(\.[^\s.*>]+)+$/

/** Subject of an event about an invocation of `path` (`context.holon.aspect`). */
export function agenteseSubject(tenant: string, path: string): string {
  return `agentese.${tenant}.${path}`
}

/** Subject of an event on the system bus. */
export function eventSubject(tenant: string, type: string): string {
  return `events.${tenant}.${type}`
}

/** Subject under which a job waits for a worker. */
export function inferenceSubject(tenant: string, job: string): string {
  return `inference.${tenant}.${job}`
}

/** Subject of everything a client following one job sees: chunks, then one closing event. */
export function tokensSubject(tenant: string, job: string): string {
  return `tokens.${tenant}.${job}`
}

/** Subjects of a tenant's own events of `type`; one that ends in `.*` is the beginning of types. */
export function ownEventSubject(tenant: string, type: string): string {
  return eventSubject(tenant, type.endsWith('.*') ? `${type.slice(0, -1)}>` : type)
}

/**
 * The NATS subjects of a tenant's events on paths that match, and of no others.
 *
 * @throws TypeError where `tenant` could be read as more than one token of a subject
 */
export function patternSubjects(tenant: string, { shapes }: Pattern): string[] {
  if (!TENANT.test(tenant)) throw new TypeError(`Cannot name subjects of tenant "${tenant}"`)
  return shapes.map((shape) => `agentese.${tenant}.${shape.join('.')}`)
}

/**
 * The stream that stores what is published to `subject`.
 *
 * @throws TypeError where none does, or where it is no subject to publish to
 */
export function streamOf(subject: string): StreamName {
  const found = STREAM_BY_FIRST_TOKEN.get(subject.slice(0, subject.indexOf('.')))
  if (found === undefined || !SUBJECT.test(subject))
    throw new TypeError(`Subject "${subject}" is in no stream`)
  return found
}

/** Those of `subjects` that no other covers: a consumer may not ask for the same subject twice. */
export function withoutCovered(subjects: readonly string[]): string[] {
  const different = [...new Set(subjects)]
  return different.filter(
    (subject) => !different.some((other) => other !== subject && covers(other, subject)),
  )
}

/** Whether every subject that `subject` matches, `wider` matches too. */
export function covers(wider: string, subject: string): boolean {
  const tokens = subject.split('.')
  const pattern = wider.split('.')
  const isOpen = pattern.at(-1) === '>'
  if (isOpen ? tokens.length < pattern.length : tokens.length !== pattern.length) return false
  return pattern.every(
    (token, at) => token === '>' || (tokens[at] !== '>' && (token === '*' || token === tokens[at])),
  )
}

/**
 * Subjects that cover all of `subjects` and do not overlap: those that do become one that covers both. So a consumer may
 * deliver more than was asked for, and its reader looks at each message again.
 */
export function withoutOverlap(subjects: readonly string[]): string[] {
  const apart: string[] = []
  for (const subject of subjects) {
    let joined = subject
    for (let at = apart.findIndex((other) => overlap(other, joined)); at >= 0;) {
      joined = join(apart.splice(at, 1)[0] ?? '', joined)
      at = apart.findIndex((other) => overlap(other, joined))
    }
    apart.push(joined)
  }
  return apart
}

/** Both of the same number of tokens, with `*` and without `>`. */
function overlap(a: string, b: string): boolean {
  const others = b.split('.')
  return a.split('.').every((token, at) => token === '*' || others[at] === '*' || token === others[at])
}

function join(a: string, b: string): string {
  const others = b.split('.')
  return a
    .split('.')
    .map((token, at) => (token === others[at] ? token : '*'))
    .join('.')
}
