/**
 * Inferred changes of a persona: proposed, and in force once the person has accepted them. What contradicts something that
 * is in force opens a question at once, and replaces it only when the person accepts.
 *
 * The question is a semaphore, which admins of the tenant can read: it names the proposal, and says nothing of what it is.
 */
import { z } from 'zod'
import { TALKERS } from '../../../../shared/agentese/archetypes.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import { endSemaphore, findSemaphore, TokenId } from '../../semaphores.ts'
import { propose as keepProposal } from './propose.ts'
import {
  changeTrait,
  Content,
  findContradictions,
  findTrait,
  lockPersona,
  readInStatus,
  TraitView,
  viewOf,
} from './trait-rows.ts'
import { ASPECTS, MIN_CONFIDENCE, MIN_OCCURRENCES, type Trait } from './traits.ts'

const Proposal = TraitView.extend({
  aspect: z.enum(ASPECTS),
  /** Whether it may be accepted now: a pattern must have been noticed often enough, and surely enough. */
  ready: z.boolean(),
  token_id: TokenId.nullable(),
})

const PROPOSED = {
  path: 'self.soul.propose',
  input: { aspect: 'preference', content: { path: 'values', value: 'tests before code' } },
}
const ITS_ID = { id: { $from: 'given.0.result.proposal.id' } }
const WhichOne = z.strictObject({ id: z.uuid() })

export const propose = aspect({
  category: 'M',
  archetypes: TALKERS,
  summary: 'Propose what seems to be a preference or pattern of yours; it holds once you accept it',
  effects: ['writes:soul_state', 'writes:semaphore', 'emits:event'],
  input: z.strictObject({
    aspect: z.enum(ASPECTS),
    content: z.strictObject({ path: z.string().min(1).max(64), value: Content }),
    confidence: z.number().min(0).max(1).default(0.5),
    reason: z.string().trim().min(1).max(500).optional(),
    /** Where it was noticed; the same message counts once. */
    evidence: z.strictObject({ session: z.uuid().optional(), message: z.uuid() }).optional(),
  }),
  output: z.strictObject({
    proposal: Proposal,
    /** What it contradicts, where it does. */
    contradicts: TraitView.nullable(),
  }),
  examples: [{ summary: 'What was noticed in a conversation', input: PROPOSED.input }],
  async handle({ aspect: about, content, confidence, reason, evidence }, call) {
    const wanted = { aspect: about, path: content.path, content: content.value, confidence }
    const { proposal, contradiction } = await keepProposal({ ...wanted, reason, evidence }, call)
    return { proposal: show(proposal), contradicts: contradiction ? viewOf(contradiction) : null }
  },
})

export const proposals = aspect({
  category: 'P',
  archetypes: TALKERS,
  summary: 'What was proposed about you and waits for your consent',
  effects: ['reads:soul_state'],
  input: z.strictObject({ limit: z.int().min(1).max(500).default(50) }),
  output: z.strictObject({ proposals: z.array(Proposal), total: z.int() }),
  examples: [{ summary: 'What do you believe about me?', input: {}, given: [PROPOSED] }],
  async handle({ limit }, call) {
    const waiting = await readInStatus('pending', call)
    return { proposals: waiting.slice(0, limit).map(show), total: waiting.length }
  },
})

export const accept = aspect({
  category: 'M',
  archetypes: TALKERS,
  summary: 'Consent to a proposal; what it contradicts gives way',
  effects: ['writes:soul_state', 'writes:semaphore', 'emits:event'],
  input: WhichOne,
  output: z.strictObject({ proposal: Proposal, replaced: z.array(TraitView) }),
  examples: [{ summary: 'That is right', input: ITS_ID, given: [PROPOSED] }],
  async handle({ id }, call) {
    await lockPersona(call)
    const found = await findTrait(id, call)
    if (found.status !== 'pending') throw decided(found, 'accept')
    if (!isReady(found)) throw tooEarly(found)
    const replaced = await giveWay(found, call)
    const change = { status: 'committed', replaces: replaced[0]?.id ?? null, confirmed: true } as const
    const proposal = await changeTrait(found, change, call)
    await endQuestion(found, 'accept', call)
    return { proposal: show(proposal), replaced: replaced.map((each) => viewOf(each)) }
  },
})

export const reject = aspect({
  category: 'M',
  archetypes: TALKERS,
  summary: 'Turn a proposal down, or take back what you have accepted; what it replaced holds again',
  effects: ['writes:soul_state', 'writes:semaphore', 'emits:event'],
  input: WhichOne,
  output: z.strictObject({ proposal: Proposal, restored: TraitView.nullable() }),
  examples: [{ summary: 'That is wrong', input: ITS_ID, given: [PROPOSED] }],
  async handle({ id }, call) {
    await lockPersona(call)
    const found = await findTrait(id, call)
    if (found.status === 'reverted') throw decided(found, 'reject')
    const proposal = await changeTrait(found, { status: 'reverted' }, call)
    const restored = found.status === 'committed' ? await restore(found, call) : undefined
    await endQuestion(found, 'reject', call)
    return { proposal: show(proposal), restored: restored ? viewOf(restored) : null }
  },
})

function show(trait: Trait): z.infer<typeof Proposal> {
  const { aspect: about, token_id } = trait
  return { ...viewOf(trait), aspect: about, ready: trait.status === 'pending' && isReady(trait), token_id }
}

function isReady({ aspect: about, source, occurrences, confidence }: Trait): boolean {
  if (about !== 'pattern' || source === 'explicit') return true
  return occurrences >= MIN_OCCURRENCES && confidence >= MIN_CONFIDENCE
}

async function giveWay(trait: Trait, call: Pick<Call, 'db' | 'identity'>): Promise<Trait[]> {
  const replaced: Trait[] = []
  for (const each of await findContradictions(trait, call))
    replaced.push(await changeTrait(each, { status: 'reverted' }, call))
  return replaced
}

/** What was replaced holds again, unless something else contradicts it by now, or says the same. */
async function restore(trait: Trait, call: Pick<Call, 'db' | 'identity'>): Promise<Trait | undefined> {
  if (trait.replaces === null) return undefined
  const old = await findTrait(trait.replaces, call).catch(() => undefined)
  if (old?.status !== 'reverted') return undefined
  const [other] = await findContradictions(old, call)
  return other === undefined ? changeTrait(old, { status: 'committed' }, call) : undefined
}

async function endQuestion(
  { token_id }: Trait,
  human_input: 'accept' | 'reject',
  call: Pick<Call, 'db' | 'identity' | 'emit' | 'changed'>,
): Promise<void> {
  if (token_id === null) return
  const { status } = await findSemaphore(token_id, call)
  if (status === 'pending') await endSemaphore(token_id, { status: 'resolved', human_input }, call)
}

function decided({ id, status }: Trait, verb: string): Failure {
  return new Failure('STATE_CONFLICT', `Cannot ${verb} proposal "${id}": it is ${status}`, {
    suggestion: 'self.soul.proposals lists what waits, self.soul.update changes what holds',
  })
}

function tooEarly({ id, occurrences, confidence }: Trait): Failure {
  return new Failure(
    'PRECONDITION_FAILED',
    `Cannot accept proposal "${id}": a pattern takes ${MIN_OCCURRENCES} occurrences and confidence ${MIN_CONFIDENCE}, it has ${occurrences} and ${confidence.toFixed(2)}`,
    { suggestion: 'Set it yourself with self.soul.update, or wait until it was noticed again' },
  )
}
