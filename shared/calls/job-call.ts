/** A job as the call that asks for it leaves it behind: what a model is asked, and how its answer is gone on with. */
import { z } from 'zod'
import { StoredIdentity, type Identity } from '../identity/identity.ts'
import type { JobMessage } from '../inference/messages.ts'

/** What the continuation needs to go on as the same invocation; kept with the job. */
export const JobCall = z.object({
  identity: StoredIdentity,
  /** Name of the endpoint that goes on; the path below is the one that was called. */
  endpoint: z.string(),
  /** Absent where the job is a composition, whose stages leave their own marks. */
  aspect: z
    .object({
      path: z.string(),
      category: z.enum(['P', 'M', 'C', 'I', 'G', 'E']),
      effects: z.array(z.string()),
    })
    .optional(),
  archetype: z.string(),
  input: z.unknown(),
  traceparent: z.string(),
  startedAt: z.number(),
  reservedTokens: z.number(),
  period: z.string(),
  /** The model of the catalogue that is asked. */
  model: z.string().optional(),
  /** The composition that this is a stage of. */
  parent: z.uuid().optional(),
  /** An event to its function that its end brings. */
  whenEnded: z
    .object({ type: z.templateLiteral(['io.kgents.', z.string()]), data: z.record(z.string(), z.unknown()) })
    .optional(),
  /** As its caller set them; what goes on from it has them as well. */
  priority: z.int().optional(),
  deadline: z.iso.datetime().optional(),
  /** Whether no request of a caller stands behind it. */
  inner: z.boolean().optional(),
  /** Whether it is done in steps, which are jobs of their own and charged themselves. */
  inSteps: z.boolean().optional(),
})
export type JobCall = z.infer<typeof JobCall>

/** A job that is to be written with the call that asks for it. */
export interface NewJob {
  id: string
  function: string
  path: string
  call: JobCall
  /** Absent while it is held. */
  message?: JobMessage
  /** Of whose plan it is. */
  requester: Identity
}
