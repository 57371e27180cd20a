/**
 * Questions that wait for a person, put to the person at the client. Whoever answers does so as itself: the answer is a call of
 * `world.purgatory.resolve`, which checks what the caller may do. What a client was given to remember decides nothing more than that.
 */
import type { CallToolResult, InputRequiredResult } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { failureFrom } from '../../../shared/failures.ts'
import { answered, failed } from './results.ts'
import type { Serving } from './serving.ts'

/** The result of a call that asks a person. */
const Waiting = z.looseObject({
  token_id: z.string().regex(/^sem-[0-9a-f]{8}$/),
  status: z.literal('pending'),
})
const Question = z.looseObject({
  token_id: z.string(),
  prompt: z.string(),
  options: z.array(z.string()),
  status: z.string(),
})
type Question = z.infer<typeof Question>

/** The question that a client was asked. */
export const QuestionState = z.string().regex(/^sem-[0-9a-f]{8}$/)

const Response = z.looseObject({
  action: z.enum(['accept', 'decline', 'cancel']),
  content: z.looseObject({ answer: z.string().max(4000) }).optional(),
})

/** Asks the client, where `result` says that a person is waited for whom the caller may stand in for. */
export async function questionIn(result: unknown, call: Serving): Promise<InputRequiredResult | undefined> {
  const waiting = Waiting.safeParse(result)
  if (!waiting.success) return undefined
  const { token_id } = waiting.data
  const question = await findQuestion(token_id, call)
  return question === undefined
    ? undefined
    : {
        resultType: 'input_required',
        inputRequests: { [token_id]: requestOf(question) },
        requestState: token_id,
      }
}

/** Passes on what the client's person answered; where they would not, the question waits on for somebody else. */
export async function answerQuestion(
  token: string,
  responses: Readonly<Record<string, unknown>>,
  call: Serving,
): Promise<CallToolResult> {
  const answer = answerIn(responses, token)
  if (answer === undefined) {
    return answered(`The question ${token} waits on: it was not answered`, {
      token_id: token,
      status: 'pending',
    })
  }
  const { status, body } = await resolve(token, answer, call)
  if (status >= 400) return failed(body as object) // reason: problem details
  return answered((body as { result: unknown }).result, body as object)
}

/** Those of the responses that answer a question, each passed on. @throws Failure as the first that is refused */
export async function answerQuestions(
  tokens: readonly string[],
  responses: Readonly<Record<string, unknown>>,
  call: Serving,
): Promise<void> {
  for (const token of tokens) {
    const answer = answerIn(responses, token)
    if (answer === undefined) continue
    const { status, body } = await resolve(token, answer, call)
    if (status >= 400) throw failureFrom(body)
  }
}

/** Pending questions of the caller's job, by what they are about: the run of an agent is the job of its call. */
export async function questionsOf(job: string, call: Serving): Promise<string[]> {
  const rows = await call.inOwn(
    'read',
    ({ db, identity }: Pick<Call, 'db' | 'identity'>) => db<{ id: string }[]>`
    select id from semaphores
    where status = 'pending' and (deadline is null or deadline > now()) and user_id = ${identity.user}
      and coalesce(about ->> 'job', about ->> 'run') = ${job}
    order by opened_at, id`,
  )
  return rows.map(({ id }) => id)
}

/** What a client is to ask its person, by the name of each question. */
export async function requestsFor(tokens: readonly string[], call: Serving) {
  const questions = await Promise.all(tokens.map((token) => findQuestion(token, call)))
  return Object.fromEntries(
    questions.flatMap((each) => (each === undefined ? [] : [[each.token_id, requestOf(each)] as const])),
  )
}

/** As the caller sees it; undefined where they may not, or where it has ended. */
async function findQuestion(token: string, call: Serving): Promise<Question | undefined> {
  const { status, body } = await call.dispatch(
    { function: 'world-purgatory', path: 'world.purgatory.inspect', input: { token_id: token } },
    call,
  )
  const found = status === 200 ? Question.safeParse((body as { result: unknown }).result) : undefined
  return found?.success === true && found.data.status === 'pending' ? found.data : undefined
}

function requestOf({ prompt, options }: Question) {
  const answer = {
    type: 'string' as const,
    title: 'Answer',
    ...(options.length === 0 ? {} : { enum: options }),
  }
  return {
    method: 'elicitation/create' as const,
    params: {
      mode: 'form' as const,
      message: prompt,
      requestedSchema: { type: 'object' as const, properties: { answer }, required: ['answer'] },
    },
  }
}

function answerIn(responses: Readonly<Record<string, unknown>>, token: string): string | undefined {
  const response = Object.hasOwn(responses, token) ? Response.safeParse(responses[token]) : undefined
  return response?.data?.action === 'accept' ? response.data.content?.answer : undefined
}

function resolve(token: string, answer: string, call: Serving) {
  return call.dispatch(
    {
      function: 'world-purgatory',
      path: 'world.purgatory.resolve',
      input: { token_id: token, human_input: answer },
      archetype: call.requestedArchetype,
    },
    call,
  )
}
