/** How jobs of `world.model` end, for answers in the form of OpenAI. */
import { CompletionOutput } from '../../../functions/agentese/world/model/shapes.ts'
import { Failure, failureFrom } from '../../../shared/failures.ts'
import { writeData } from '../../../shared/http/event-message.ts'
import { openAiErrorBody } from '../../../shared/http/openai-error.ts'
import { problemMembers } from '../../../shared/problem.ts'

/** What a model answered, of a completed job. */
export function outputOf(result: unknown): CompletionOutput {
  const output = CompletionOutput.safeParse(result)
  if (output.success) return output.data
  throw new Failure('NOT_FOUND', 'Cannot answer: what the model said was forgotten')
}

/** What a stream ends with that failed, from the members of a problem. */
export function failedStream(problem: unknown): string {
  return writeData(openAiErrorBody(failureFrom(problem)))
}

/** Why a stream cannot go on whose model has begun its answer anew, with other words. */
export function restarted() {
  return problemMembers(
    new Failure('INFERENCE_FAILED', 'Cannot go on: the model has begun its answer anew, with other words', {
      suggestion: 'Ask again',
    }),
  )
}
