/**
 * `self.state`: a person's own values by key, and checkpoints of all of them. What was put is what is got, to the letter,
 * where it is text, and to the precision of a double (IEEE 754, about 16 digits), where it is a number: 9007199254740993 is
 * read as 9007199254740992. Nobody else's keys can be named.
 */
import { z } from 'zod'
import { allowOne, requireAny } from '../../../shared/contract/constraints.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { NextCursor } from '../../../shared/contract/pages.ts'
import { Failure } from '../../../shared/failures.ts'
import {
  BYTES,
  CHECKPOINTS,
  dropKey,
  KEYS,
  listCheckpoints,
  putValue,
  BY_KEY,
  readState,
  restoreCheckpoint,
  saveCheckpoint,
  sizeOfState,
  VALUE_BYTES,
} from './state/rows.ts'

const Key = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,128}$/)
  .meta({ description: '1 to 128 of A-Z a-z 0-9 _ . : -' })
const Value = z.unknown().meta({
  description: 'Any JSON; of numbers about 16 digits are kept: send larger ones as text',
})
const Label = z.string().trim().min(1).max(200)
const Checkpoint = z.strictObject({
  checkpoint: z.uuid(),
  label: z.string(),
  keys: z.int(),
  at: z.string(),
})

const GIVEN = [{ path: 'self.state.put', input: { key: 'draft', value: { title: 'On houses' } } }]

export const selfState = defineNode('self.state', {
  summary: 'Your own values by key',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How much is kept, how much may be, and the checkpoints',
      effects: ['reads:state'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('state'),
        keys: z.int(),
        bytes: z.int(),
        limits: z.strictObject({
          keys: z.int(),
          bytes: z.int(),
          value_bytes: z.int(),
          checkpoints: z.int(),
        }),
        /** Newest first. */
        checkpoints: z.array(Checkpoint),
      }),
      examples: [{ summary: 'What do I keep?', input: {} }],
      async handle(_input, call) {
        const { keys, bytes } = await sizeOfState(call)
        const limits = { keys: KEYS, bytes: BYTES, value_bytes: VALUE_BYTES, checkpoints: CHECKPOINTS }
        const checkpoints = await listCheckpoints(call)
        return { type: 'state' as const, keys, bytes, limits, checkpoints }
      },
    }),

    inspect: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'One value by its key, or all of them by key',
      effects: ['reads:state'],
      input: z.strictObject({
        key: Key.optional(),
        limit: z.int().min(1).max(KEYS).default(50),
        cursor: BY_KEY.Cursor.optional(),
      }),
      output: z.strictObject({
        entries: z.array(z.strictObject({ key: Key, value: z.unknown(), updated_at: z.string() })),
        next_cursor: NextCursor,
      }),
      examples: [
        { summary: 'Everything', input: {} },
        { summary: 'One value', input: { key: 'draft' }, given: GIVEN },
      ],
      async handle(wanted, call) {
        const { page, next_cursor } = await readState(wanted, call)
        if (wanted.key !== undefined && page.length === 0) throw noSuchKey(wanted.key)
        return { entries: page, next_cursor }
      },
    }),

    put: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Keep a value under a key, in place of what was there',
      effects: ['writes:state'],
      input: requireAny(
        z.strictObject({ key: Key, value: Value.optional(), input: z.unknown().optional() }),
        ['value', 'input'],
        'value is required',
      ),
      output: z.strictObject({
        key: Key,
        bytes: z.int(),
        status: z.enum(['created', 'changed']),
      }),
      examples: [{ summary: 'Keep a draft', input: { key: 'draft', value: { title: 'On houses' } } }],
      handle: ({ key, value, input }, call) => putValue(key, value === undefined ? input : value, call),
    }),

    drop: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Forget a key and its value',
      effects: ['deletes:state'],
      input: z.strictObject({ key: Key }),
      output: z.strictObject({ key: Key, status: z.literal('dropped') }),
      examples: [{ summary: 'The draft is done', input: { key: 'draft' }, given: GIVEN }],
      async handle({ key }, call) {
        if (await dropKey(key, call)) return { key, status: 'dropped' as const }
        throw noSuchKey(key)
      },
    }),

    checkpoint: aspect({
      category: 'G',
      archetypes: 'all',
      summary: `Keep all values as they are now under a label; the latest ${CHECKPOINTS} are kept`,
      effects: ['reads:state', 'writes:state'],
      input: z.strictObject({ label: Label }),
      output: Checkpoint,
      examples: [{ summary: 'Before a change', input: { label: 'before the move' } }],
      handle: ({ label }, call) => saveCheckpoint(label, call),
    }),

    restore: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Have all values as they were at a checkpoint: the latest, or by label or index',
      effects: ['reads:state', 'writes:state', 'deletes:state'],
      input: allowOne(
        z.strictObject({
          label: Label.optional(),
          /** 0 is the latest. */
          index: z
            .int()
            .min(0)
            .max(CHECKPOINTS - 1)
            .optional(),
        }),
        ['label', 'index'],
        'name label or index',
      ),
      output: Checkpoint,
      examples: [
        {
          summary: 'Back to where it was',
          input: { label: 'before the move' },
          given: [{ path: 'self.state.checkpoint', input: { label: 'before the move' } }],
        },
      ],
      async handle({ label, index }, call) {
        const restored = await restoreCheckpoint({ label, index: index ?? 0 }, call)
        if (restored !== undefined) return restored
        throw new Failure('NOT_FOUND', `Cannot restore "${label ?? index ?? 0}": no such checkpoint`, {
          suggestion: 'self.state.manifest lists your checkpoints',
        })
      },
    }),
  },
})

function noSuchKey(key: string): Failure {
  return new Failure('NOT_FOUND', `Cannot find "${key}": you keep nothing under it`, {
    suggestion: 'self.state.inspect shows all your keys',
  })
}
