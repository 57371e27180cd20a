/** What is different at the second address of an aspect: how its input is read from a URL, and that its answer is the result alone. */
import type { EndpointFacts } from '../contract/facts.ts'
import { inputSchemaOf, type JsonSchema } from '../contract/schemas.ts'
import type { Answer } from '../pipeline/invocation.ts'

/**
 * The answer as its address has it. Kept for repetitions is the answer of the path, so both addresses repeat each other's. A job
 * that has ended and a dry run are answered as everywhere.
 */
export function answerOfRoute(
  { route }: Pick<EndpointFacts, 'route'>,
  answer: Answer,
  { answerHeaders }: { answerHeaders: Record<string, string> },
): Answer {
  if (route === undefined || answer.status !== 200) return answer
  const { result, ...others } = answer.body as Record<string, unknown>
  if ('job' in others || 'dry_run' in others) return answer
  if (route.creates === undefined) return { ...answer, body: result }
  answerHeaders['Location'] = fill(route.creates, result as Record<string, unknown>)
  return { ...answer, status: 201, body: result }
}

function fill(address: string, values: Record<string, unknown>): string {
  return address.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(values[name])))
}

/** The parameters of a query, of which those become numbers or booleans that are such in the input of an aspect. */
export function readTyped(
  endpoint: Pick<EndpointFacts, 'route' | 'input'>,
  query: Readonly<Record<string, string>>,
): Record<string, unknown> {
  if (endpoint.route === undefined) return query
  const { properties = {} } = inputSchemaOf(endpoint) as { properties?: Record<string, JsonSchema> }
  return Object.fromEntries(
    Object.entries(query).map(([name, text]) => [name, readValue(text, properties[name]?.['type'])]),
  )
}

/** A text that is none of its type stays one, and is refused as that. */
function readValue(text: string, type: unknown): unknown {
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  if (type === 'integer' && /^-?\d{1,15}$/.test(text)) return Number(text)
  if (type === 'number' && /^-?\d{1,15}(\.\d{1,15})?$/.test(text)) return Number(text)
  return text
}
