/** Answers of JetStream about what may not be there. */
import { NatsError } from 'nats'

/** The answer, or undefined where JetStream knows no such stream, consumer or message. */
export async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.code === 404) return undefined
    throw error
  }
}
