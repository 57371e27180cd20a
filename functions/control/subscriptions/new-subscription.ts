/** What can be subscribed to: events on paths by pattern and kind, and the tenant's own events by type. */
import { z } from 'zod'
import { parsePattern, PATTERN_SCHEMA } from '../../../shared/agentese/pattern.ts'
import { requireAny } from '../../../shared/contract/constraints.ts'
import { isDeliverable } from '../../../shared/events/event.ts'
import { KINDS } from '../../../shared/events/webhook.ts'

const MAX_PATTERNS = 20

const Pattern = z
  .string()
  .superRefine((text, context) => {
    try {
      parsePattern(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is no pattern' })
    }
  })
  .meta(PATTERN_SCHEMA)

/** A type of a tenant's own events, or the beginning of types and `.*`. */
const OwnType = z
  .string()
  .max(200)
  .regex(
    /^[A-Za-z0-9_:/+@~-]+(\.[A-Za-z0-9_:/+@~-]+)*(\.\*)?$/,
    'is a type, or the beginning of types and .*',
  )
  .refine(isDeliverable, 'belongs to the platform: name paths by patterns')

export const NewSubscription = requireAny(
  z.strictObject({
    /** Of paths: `void.**`. */
    patterns: z.array(Pattern).max(MAX_PATTERNS).default([]),
    /** Kinds of events on those paths; absent is all. */
    types: z.array(z.enum(KINDS)).default([]),
    /** Types of the tenant's own events, such as `com.example.order.*`, or those about its people: `io.kgents.members.invited`. */
    events: z.array(OwnType).max(MAX_PATTERNS).default([]),
    sink: z.string().max(2048),
    description: z.string().max(500).optional(),
  }),
  ['patterns!', 'events!'],
  'it names neither patterns nor events',
)
export type NewSubscription = z.infer<typeof NewSubscription>
