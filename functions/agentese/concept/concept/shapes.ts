/** How callers name concepts, and what they see of one. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { childrenOf, type Concept } from './rows.ts'

export const MAX_DEFINITION = 2000

export const Name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a lower-case letter followed by a-z, 0-9 or _')
export const Names = z.array(Name).max(32)
export const Text = z.string().trim().min(1)

export const Lineage = z.strictObject({
  handle: z.string(),
  extends: z.array(z.string()),
  /** What extends it; the first hundred, by name. */
  subsumes: z.array(z.string()),
  justification: z.string(),
  affordances: z.array(z.string()),
  constraints: z.array(z.string()),
  domain: z.string(),
  depth: z.int().min(0),
  created_by: z.uuid().nullable(),
  created_at: z.string().nullable(),
})

export const ConceptView = z.strictObject({
  handle: z.string(),
  name: z.string(),
  definition: z.string(),
  domain: z.string(),
  examples: z.array(z.string()),
  related: z.array(z.string()),
  version: z.int().min(0),
  lineage: Lineage,
})

export async function lineageOf(of: Concept, { db }: Pick<Call, 'db'>): Promise<z.infer<typeof Lineage>> {
  const { name, extends: parents, justification, affordances, constraints, domain, depth, created_by } = of
  return {
    handle: `concept.${name}`,
    extends: parents.map((each) => `concept.${each}`),
    subsumes: (await childrenOf(db, name, 100)).map((each) => `concept.${each}`),
    justification,
    affordances,
    constraints,
    domain,
    depth,
    created_by,
    created_at: of.created_at?.toISOString() ?? null,
  }
}

export async function viewOf(of: Concept, call: Pick<Call, 'db'>): Promise<z.infer<typeof ConceptView>> {
  const { name, definition, domain, examples, related, version } = of
  const lineage = await lineageOf(of, call)
  return { handle: `concept.${name}`, name, definition, domain, examples, related, version, lineage }
}

/** What examples are about. */
export const JUSTICE = {
  path: 'concept.justice.define',
  input: {
    definition: 'Each gets what is theirs, and no more',
    extends: ['entity'],
    justification: 'We talk about fair prices',
    examples: ['A judge who hears both sides'],
    domain: 'ethics',
  },
}
