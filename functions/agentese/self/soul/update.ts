/** `self.soul.update`: explicit changes of a persona hold at once. What contradicts something asks, and changes nothing. */
import { z } from 'zod'
import { TALKERS } from '../../../../shared/agentese/archetypes.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import { CONTEXT_PATHS, updateContext, updateEigenvector } from './persona-change.ts'
import { AXES } from './persona.ts'
import { Project } from './persona-rows.ts'
import {
  changeTrait,
  checkPath,
  Content,
  findContradictions,
  findSame,
  insertTrait,
  lockPersona,
  readCommitted,
  TraitView,
  viewOf,
} from './trait-rows.ts'
import { keyOf, type Trait } from './traits.ts'

const Update = z.strictObject({
  aspect: z.enum(['preference', 'pattern', 'context', 'eigenvector']),
  operation: z.enum(['add', 'modify', 'remove']),
  content: z.strictObject({
    /** `communication.style`, `values`, `current_focus` or an axis. */
    path: z.string().min(1).max(64),
    /** Text; a number for an axis; a project with its name. */
    value: z.union([Content, z.number(), Project]).optional(),
    /** Of a list: the value that is replaced. */
    instead_of: Content.optional(),
    /** How sure an axis is; what is beyond 0 to 1 becomes the nearest of the two. */
    confidence: z.number().optional(),
  }),
  reason: z.string().trim().min(1).max(500).optional(),
})
type Update = z.infer<typeof Update>

/** A change of preferences or patterns. */
type TraitUpdate = Update & { aspect: Trait['aspect'] }

export const update = aspect({
  category: 'M',
  archetypes: TALKERS,
  summary: 'Change what your K-gent knows about you, or its character; it holds at once',
  effects: ['writes:soul_state'],
  input: Update,
  output: z.strictObject({
    aspect: Update.shape.aspect,
    operation: Update.shape.operation,
    path: z.string(),
    status: z.enum(['committed', 'removed']),
    trait: TraitView.nullable(),
  }),
  examples: [
    {
      summary: 'A preference',
      input: {
        aspect: 'preference',
        operation: 'add',
        content: { path: 'communication.length', value: 'short' },
      },
    },
    {
      summary: 'A character that is more serious',
      input: { aspect: 'eigenvector', operation: 'modify', content: { path: 'joy', value: 0.2 } },
    },
  ],
  async handle(wanted, call) {
    const { aspect: about, operation, content } = wanted
    await lockPersona(call)
    const trait = await change(wanted, call)
    const status = operation === 'remove' ? ('removed' as const) : ('committed' as const)
    return { aspect: about, operation, path: content.path, status, trait: trait ? viewOf(trait) : null }
  },
})

async function change(wanted: Update, call: Pick<Call, 'db' | 'identity'>): Promise<Trait | undefined> {
  const { aspect: about, operation, content } = wanted
  if (about === 'eigenvector') {
    const axis = oneOf(AXES, content.path, 'the character')
    await updateEigenvector({ axis, operation, value: content.value, confidence: content.confidence }, call)
    return undefined
  }
  if (about === 'context') {
    const path = oneOf(CONTEXT_PATHS, content.path, 'the context')
    await updateContext({ path, operation, value: content.value }, call)
    return undefined
  }
  return changeTraits({ ...wanted, aspect: about }, call)
}

function oneOf<T extends string>(known: readonly T[], path: string, of: string): T {
  const found = known.find((each) => each === path)
  if (found !== undefined) return found
  throw new Failure('TYPE_MISMATCH', `Cannot change "${path}" of ${of}: there is no such path`, {
    suggestion: 'Use one of the available paths',
    available: known,
  })
}

async function changeTraits(wanted: TraitUpdate, call: Pick<Call, 'db' | 'identity'>): Promise<Trait> {
  const kind = checkPath(wanted.aspect, wanted.content.path)
  if (wanted.operation === 'add') return commit(wanted, undefined, call)
  const old = await findOld(wanted, kind, call)
  if (wanted.operation === 'remove') return changeTrait(old, { status: 'reverted' }, call)
  const reverted = await changeTrait(old, { status: 'reverted' }, call)
  return commit(wanted, reverted, call)
}

/** The trait that is modified or removed. */
async function findOld(
  { aspect: about, operation, content }: TraitUpdate,
  kind: 'one' | 'many',
  call: Pick<Call, 'db' | 'identity'>,
): Promise<Trait> {
  const { path, value, instead_of } = content
  const named = operation === 'modify' ? instead_of : value
  if (kind === 'many' && typeof named !== 'string') {
    throw new Failure('TYPE_MISMATCH', `Cannot ${operation} "${path}": it is a list`, {
      suggestion:
        operation === 'modify' ? 'Send content.instead_of with the old value' : 'Send content.value',
    })
  }
  const committed = await readCommitted(call)
  const old = committed.find(
    (each) =>
      each.aspect === about &&
      each.path === path &&
      (typeof named !== 'string' || keyOf(each.content) === keyOf(named)),
  )
  if (old !== undefined) return old
  throw new Failure('NOT_FOUND', `Cannot ${operation} "${path}": you have no such ${about}`, {
    suggestion: 'self.soul.persona lists them',
  })
}

/**
 * Sets what the person says; said again, it is confirmed.
 *
 * @throws Failure PREFERENCE_CONFLICT where it contradicts something, with both
 */
async function commit(
  { aspect: about, content, reason }: TraitUpdate,
  replaced: Trait | undefined,
  call: Pick<Call, 'db' | 'identity'>,
): Promise<Trait> {
  const value = textOf(content)
  const wanted = { aspect: about, path: content.path, content: value }
  const [contradiction] = await findContradictions(wanted, call)
  if (contradiction !== undefined) throw conflictOf(wanted, contradiction)
  const same = await findSame(wanted, call)
  const certain = { source: 'explicit', confidence: 1, status: 'committed', reason: reason ?? null } as const
  if (same !== undefined && same.status !== 'reverted')
    return changeTrait(same, { ...certain, confirmed: true }, call)
  return insertTrait({ ...wanted, ...certain, replaces: replaced?.id ?? null }, call)
}

/** @throws Failure TYPE_MISMATCH where the value is no text with a word in it */
function textOf({ path, value }: Update['content']): string {
  if (typeof value === 'string' && keyOf(value) !== '') return value
  throw new Failure('TYPE_MISMATCH', `Cannot set "${path}": content.value must be text with a word in it`)
}

function conflictOf(wanted: Pick<Trait, 'path' | 'content'>, existing: Trait): Failure {
  const has = { id: existing.id, path: existing.path, content: existing.content }
  return new Failure(
    'PREFERENCE_CONFLICT',
    `Cannot add "${wanted.content}" to "${wanted.path}": it contradicts "${existing.content}" of "${existing.path}"`,
    {
      suggestion: 'Decide which holds: modify or remove the existing one with self.soul.update',
      details: { existing: has, wanted: { path: wanted.path, content: wanted.content } },
    },
  )
}
