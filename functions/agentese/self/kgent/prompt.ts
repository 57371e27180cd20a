/** What a model is asked for one message of a conversation. */
import { Failure } from '../../../../shared/failures.ts'
import type { ChatRequest } from '../../../../shared/inference/messages.ts'
import { BUDGETS, type BudgetTier } from '../soul/budgets.ts'
import { temperatureOf, type Mode } from '../soul/persona.ts'
import { readHistory } from './messages.ts'
import { contextTokensFor, instructionsFor, memoriesFor, type Person } from './prompt-parts.ts'
import type { SessionRow } from './sessions.ts'
import { countCautiously, fitWindow, roomForMessage, windowTokens } from './window.ts'

export interface Prompt {
  request: ChatRequest
  /** By place in the request, the message of the conversation; `placeholder` for the one that is new. */
  sent: (string | null)[]
  placeholder: string
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
  const system = await instructionsFor(person, { mode, topic: message })
  const limit = windowTokens(contextTokensFor(person), replyTokens)
  checkLength(message, roomForMessage(system, limit))
  const { history, summary } = await readHistory(session, person)
  const memories = await memoriesFor(person, message)
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
    tokens: tokens + replyTokens,
  }
}

/** What is set aside for a message that waits, of which the prompt is not known yet. */
export function mostTokens(person: Person): number {
  return contextTokensFor(person)
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
