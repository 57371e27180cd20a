/** Putting a definition to the test of a challenge, by a model. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { requireAny } from '../../../../shared/contract/constraints.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import { keepIndexing } from '../../../../shared/recall/indexing.ts'
import { wordsAbout } from '../../earlier-result.ts'
import { CONCEPTS, findConcept, putConceptEntry, type Concept } from './rows.ts'
import { JUSTICE, MAX_DEFINITION, Text, viewOf } from './shapes.ts'
import { beginningOf } from '../../../../shared/beginning.ts'

/** Longest refined definition, in tokens; and what is set aside for it with its question. */
const REFINED_TOKENS = 200
const REFINE_TOKENS = 600
const REFINE_TEMPERATURE = 0.4

const REFINE_PROMPT =
  'You refine definitions. Answer with the new definition alone, in one or two sentences: keep what is right in the ' +
  'old one, and change what the challenge shows to be wrong or missing.'

export const refine = aspect({
  category: 'G',
  archetypes: ['philosopher', 'scientist', 'developer'],
  summary: 'Put the definition to the test, and keep what a model makes of it as the new one',
  effects: ['writes:concept', 'calls:llm', 'calls:embedder', 'charges:tokens'],
  cost: () => ({ tokens: REFINE_TOKENS }),
  needs: ['inference'],
  input: requireAny(
    z.strictObject({
      challenge: Text.max(2000).optional(),
      /** The result of the stage before, as a challenge or with one. */
      input: z.unknown().optional(),
      /** The version that is meant; another one is not refined. */
      version: z.int().min(1).optional(),
    }),
    ['challenge!', 'input!'],
    'challenge is required',
  ),
  output: z.strictObject({
    original: z.string(),
    challenge: z.string(),
    refined: z.string(),
    status: z.enum(['refined', 'unchanged']),
    version: z.int().min(1),
  }),
  examples: [
    {
      summary: 'What about mercy?',
      holon: 'justice',
      input: { challenge: 'A debt that is forgiven is unjust, by this definition' },
      given: [JUSTICE],
    },
  ],
  async handle({ challenge, input, version }, call) {
    const { definition, version: current } = await refinable(call, version)
    const words = wordsAbout(challenge, input)
    return call.infer(
      {
        messages: [
          { role: 'system', content: REFINE_PROMPT },
          {
            role: 'user',
            content: `Concept: ${call.holon}\nDefinition: ${definition}\nChallenge: ${words}`,
          },
        ],
        maxTokens: REFINED_TOKENS,
        temperature: REFINE_TEMPERATURE,
        estimateTokens: REFINE_TOKENS + Math.ceil(words.length / 3),
      },
      // What comes back refines this very version, or nothing.
      { as: 'refine', input: { challenge: words, version: current } },
    )
  },
  async complete({ input: { challenge = '', version }, text }, call) {
    const before = await refinable(call, version)
    const refined = beginningOf(text.trim(), MAX_DEFINITION).trim()
    const common = { original: before.definition, challenge, version: before.version }
    if (refined === '' || refined === before.definition)
      return { ...common, refined: before.definition, status: 'unchanged' as const }
    await call.db`
      update concepts set definition = ${refined}, version = version + 1, updated_at = now()
      where name = ${before.name}`
    await putConceptEntry(call, { ...before, definition: refined })
    await keepIndexing(call, CONCEPTS)
    const view = await viewOf(await findConcept(call.db, before.name), call)
    call.changed(view.handle, view)
    return { ...common, refined, status: 'refined' as const, version: view.version }
  },
})

/** @throws Failure STATE_CONFLICT for a root, and where it has become another version */
async function refinable(
  { db, holon }: Pick<Call, 'db' | 'holon'>,
  version: number | undefined,
): Promise<Concept> {
  const found = await findConcept(db, holon, true)
  if (found.version === 0) {
    throw new Failure('STATE_CONFLICT', `Cannot refine "concept.${holon}": it is everybody's`, {
      suggestion: `Define one that extends it: concept.${holon}.define with a name`,
    })
  }
  if (version !== undefined && version !== found.version) {
    throw new Failure(
      'STATE_CONFLICT',
      `Cannot refine version ${version} of "concept.${holon}": it is ${found.version} by now`,
      { suggestion: 'Read it again, and challenge its current definition' },
    )
  }
  return found
}
