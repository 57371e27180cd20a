/** What a model is asked for one message of a conversation. */
import { Failure } from '../../../../shared/failures.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import type { ChatRequest } from '../../../../shared/inference/messages.ts'
import { findModel } from '../../../../shared/models/catalogue.ts'
import { recallFor } from '../memory/recall-for.ts'
import { BUDGETS, type BudgetTier } from '../soul/budgets.ts'
import { temperatureOf, type Mode } from '../soul/persona.ts'
import { personaPrompt } from '../soul/persona-prompt.ts'
import { readHistory } from './messages.ts'
import type { SessionRow } from './sessions.ts'
import { countCautiously, fitWindow, roomForMessage, windowTokens } from './window.ts'

/** Whose prompt it is: all that is read of a call. */
export type Person = Pick<Call, 'db'> & { identity: Pick<Call['identity'], 'tenant' | 'user' | 'tier'> }

export interface Prompt {
  request: ChatRequest
  /** By place in the request, the message of the conversation; `placeholder` for the one that is new. */
  sent: (string | null)[]
  placeholder: string
  /** Memories that the model is shown, by id. */
  memories: string[]
  /** To be reserved: no less than prompt and reply can take. */
  tokens: number
}

export interface Wanted {
  message: string
  mode: Mode
  budget: BudgetTier
}

const NEW = 'new'

/** @throws Failure INFERENCE_REFUSED where the message alone is longer than the window */
export async function buildPrompt(session: SessionRow, wanted: Wanted, person: Person): Promise<Prompt> {
  const { message, mode, budget } = wanted
  const { replyTokens } = BUDGETS[budget]
  const system = await personaPrompt(person, { mode, topic: message })
  const limit = windowTokens(mostTokens(person), replyTokens)
  checkLength(message, roomForMessage(system, limit))
  const { history, summary } = await readHistory(session, person)
  const said = new Set(history.map(({ content }) => content))
  const found = await recallFor(person, { text: message, without: session.id })
  // A fork begins with messages of another conversation.
  const recalled = found.filter(({ text }) => !said.has(text))
  const memories = recalled.map(({ text }) => text)
  const window = fitWindow(
    { system, memories, summary, history, message: { id: NEW, content: message } },
    limit,
  )
  const { messages, sent, tokens } = window
  const temperature = temperatureOf(mode)
  return {
    request: { messages, maxTokens: replyTokens, temperature, session: session.id },
    sent,
    placeholder: NEW,
    memories: recalled.filter(({ source }) => source.session === null).map(({ id }) => id),
    tokens: tokens + replyTokens,
  }
}

/** Tokens of the default model's context: set aside for a message that waits, of which the prompt is not known yet. */
export function mostTokens({ identity }: Person): number {
  return findModel(undefined, identity.tier).contextTokens
}

function checkLength(message: string, limit: number): void {
  const tokens = countCautiously(message)
  if (tokens <= limit) return
  throw new Failure(
    'INFERENCE_REFUSED',
    `Cannot send the message: it has about ${tokens} tokens, and ${limit} fit`,
    {
      suggestion: 'Send less at once',
      details: { tokens, limit },
    },
  )
}
