/**
 * The API of OpenAI. A request is translated to a call of `world.model` in the name of its client, so that it is admitted,
 * budgeted, metered and recorded as any other, and the job is followed to its end. Who leaves a stream cancels nothing:
 * `DELETE /v1/jobs/{id}` does, with the job that the header `X-Kgents-Job` names.
 */
import type { Failure } from '../../../shared/failures.ts'
import { openAiError } from '../../../shared/http/openai-error.ts'
import type { Body } from '../../upstream/collect-body.ts'
import { answerJson, type Client } from '../client.ts'
import { answerAtEnd, begin, type ModelCalls } from './calls.ts'
import { chatCompletion, createChatWire } from './chat-answer.ts'
import { ChatRequest } from './chat-request.ts'
import { EmbeddingRequest, embeddings } from './embeddings.ts'
import { outputOf } from './ending.ts'
import { readRequest } from './read-request.ts'
import { cancelResponse, deleteResponse, readResponse, respond } from './responses.ts'

/** Answers one endpoint. */
type Answer = (calls: ModelCalls, client: Client, body: Body, id: string) => Promise<void>

async function chat(calls: ModelCalls, client: Client, body: Body): Promise<void> {
  const { input, stream, includeUsage } = readRequest(ChatRequest, body)
  const begun = await begin(calls, client, 'complete', input)
  const completion = { job: begun.job, model: input.model, created: Math.floor(Date.now() / 1000) }
  if (!stream)
    return answerAtEnd(calls, client, begun, ({ result }) => chatCompletion(completion, outputOf(result)))
  const wire = createChatWire(completion, includeUsage)
  calls.watching.openStream(client, begun, { headers: begun.headers, wire })
}

async function embed(calls: ModelCalls, client: Client, body: Body): Promise<void> {
  const request = readRequest(EmbeddingRequest, body)
  const begun = await begin(calls, client, 'embed', request.input)
  await answerAtEnd(calls, client, begun, ({ result }) => embeddings(request, result))
}

/** By the name of the endpoint in the contract of the hub. */
export const OPENAI_ANSWERS: Readonly<Record<string, Answer>> = {
  'models.chat': chat,
  'models.embed': embed,
  'models.respond': respond,
  'models.response': readResponse,
  'models.deleteResponse': deleteResponse,
  'models.cancelResponse': cancelResponse,
}

/** Answers a failure as OpenAI does. */
export function answerOpenAiFailure(client: Client, failure: Failure): void {
  const { status, headers, body } = openAiError(failure)
  answerJson(client, status, body, headers)
}
